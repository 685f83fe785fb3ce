"""What stands in the way of a drill, all of it at once, without starting or changing anything."""
