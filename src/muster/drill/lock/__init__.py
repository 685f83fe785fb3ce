"""Who may drill a target: the lock, its lease off the machine, the drill that holds it."""
