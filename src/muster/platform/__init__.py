"""What a platform is to a drill: what steers it, stops it, drains it, shows it and names it."""
