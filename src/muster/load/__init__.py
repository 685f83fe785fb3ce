"""Open-loop load on an OpenAI-compatible endpoint, in separate processes."""

from __future__ import annotations

from muster.load.starter import LoadHandle, LoadPlan, shards_for, start

__all__ = ["LoadHandle", "LoadPlan", "shards_for", "start"]
