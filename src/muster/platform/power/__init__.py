"""Power: a region stopped, started and killed, and what proves that it is dark or back."""

from muster.platform.power.model import Power, PowerState
from muster.platform.power.registry import power_of

__all__ = ["Power", "PowerState", "power_of"]
