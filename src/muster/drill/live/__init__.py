"""What a running drill shows to people, read from its bundle as it grows."""
