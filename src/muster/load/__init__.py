"""Open load on an OpenAI-compatible endpoint, in processes of its own."""

from __future__ import annotations

from muster.load.starter import LoadHandle, LoadPlan, shards_for, start

__all__ = ["LoadHandle", "LoadPlan", "shards_for", "start"]
