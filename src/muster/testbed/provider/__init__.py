"""A provider stub: two routes that answer chat requests with seeded first tokens and a fixed speed."""
