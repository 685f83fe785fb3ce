"""`index.html` beside the bundles: every drill, and how those of one kind changed over time."""
