"""A provider stub: two routes, seeded first-token delays and a fixed speed."""
