"""Restart: restarts a Toxiproxy server that hangs."""

from muster.platform.restart.model import Restart
from muster.platform.restart.registry import restart_of

__all__ = ["Restart", "restart_of"]
