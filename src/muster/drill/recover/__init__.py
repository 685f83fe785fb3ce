"""Recovery by a process other than the drill: it plays the drill's undo log backwards."""
