"""Lists everything that prevents a drill in one run, without starting or changing anything."""
