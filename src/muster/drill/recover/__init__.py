"""Recovery by another process than the drill: its undo log played back from outside."""
