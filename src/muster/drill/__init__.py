"""The drill itself: session, watch, phases, restore. Knows nothing of Chaos Toolkit."""
