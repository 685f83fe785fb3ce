"""What a drill observes, as Chaos Toolkit probes named in its JSON."""
