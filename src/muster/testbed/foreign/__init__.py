"""A testbed of third-party software: a region is LiteLLM with its Redis behind Envoy."""
