"""A provider stub: two routes, seeded first tokens and a fixed speed."""
