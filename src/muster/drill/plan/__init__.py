"""Before a drill: its settings, its steps, and whether it is allowed."""
