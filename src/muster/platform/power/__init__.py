"""Power: stops, starts and kills a region, and proves that it is dark or back."""

from muster.platform.power.model import Power, PowerState
from muster.platform.power.registry import power_of

__all__ = ["Power", "PowerState", "power_of"]
