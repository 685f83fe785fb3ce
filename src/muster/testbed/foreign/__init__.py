"""A testbed of other people's parts: a region is LiteLLM with its Redis behind Envoy."""
