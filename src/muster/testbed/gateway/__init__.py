"""A region's gateway: OpenAI-compatible chat, admitted through Redis, two provider routes."""
