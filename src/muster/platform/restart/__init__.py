"""Restart: a Toxiproxy server that hangs is started again."""

from muster.platform.restart.model import Restart
from muster.platform.restart.registry import restart_of

__all__ = ["Restart", "restart_of"]
