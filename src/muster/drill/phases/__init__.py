"""What a drill does, phase by phase."""
