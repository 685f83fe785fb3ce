"""The plan of a testbed: processes, ports, limits, defects. Starts nothing."""
