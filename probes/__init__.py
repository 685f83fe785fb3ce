"""What a drill looks at, as Chaos Toolkit probes named in its JSON."""
