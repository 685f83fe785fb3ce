"""The drills under `reports/out`: how each came out, and what changed from one to another."""
