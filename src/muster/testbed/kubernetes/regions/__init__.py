"""A testbed whose regions are namespaces: gateways, Redis and Toxiproxy are pods on a real node."""
