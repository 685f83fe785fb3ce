"""Drain: how a region is asked to release its clients."""

from muster.platform.drain.model import Drain, DrainState
from muster.platform.drain.registry import drain_of

__all__ = ["Drain", "DrainState", "drain_of"]
