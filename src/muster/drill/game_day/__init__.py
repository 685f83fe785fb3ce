"""A game day: drills one after the other on one target, each a process of its own.

The day's process changes nothing on the target. It starts a drill, waits for its end, judges its
bundle again, and starts the next one only when the platform is seen to be as before. What it did
is in `day.jsonl`, each line on disk before it goes on, so that a day whose process was killed is
continued by the next one.
"""
