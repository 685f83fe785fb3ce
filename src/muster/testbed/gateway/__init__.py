"""A region's gateway: OpenAI-compatible chat, admission through Redis, two provider routes."""
