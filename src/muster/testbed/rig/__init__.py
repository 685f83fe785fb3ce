"""What runs a testbed: its supervisor, its parts, its switches."""
