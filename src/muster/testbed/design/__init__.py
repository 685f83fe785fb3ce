"""What a testbed will be: processes, ports, limits, defects. Starts nothing."""
