"""What a fault of a Redis that has a Sentinel needs: everything whole before, and whole again.

The revert starts the server, lets it follow the new primary until it is in step, and has Sentinel
promote it back, so that every address is as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from muster.faults.model import FaultError, ReadBack
from muster.faults.redis_by_process import RedisByProcessFault
from muster.faults.redis_fail_back import fail_back, why_not_whole
from muster.faults.redis_pair import Address, RedisPair
from muster.platform.platform import Platform
from muster.platform.port import Unusable


class RedisBySentinelFault(RedisByProcessFault):
    """It acts on the process of a primary that Sentinel replaces."""

    undone = (
        "The server is started, follows the new primary until it is in step, and Sentinel promotes "
        "it back."
    )
    is_lost = False  # that Sentinel promotes another one is what it is for

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region)
        self._sentinel = platform.target.regions[region].redis_sentinel
        self._primary: Address = ("", 0)

    @property
    def _pair(self) -> RedisPair:
        if self._sentinel is None:
            raise FaultError(f"{self.subject}: the target names no redis_sentinel")
        return RedisPair(self._url, self._sentinel)

    def unusable(self) -> Unusable | None:
        if self._sentinel is not None:
            return super().unusable()
        wanted = "url, master and promoted_s_max of the Sentinel that promotes its replica"
        return Unusable(f"regions.{self.region}.redis_sentinel", None, wanted)

    def undo_params(self) -> dict[str, Any]:
        params = super().undo_params()
        self._primary = self._pair.sight().primary
        if why := why_not_whole(self._pair, self._primary):
            raise FaultError(f"{self.subject}: before the fault: {why}")
        return {**params, "primary": list(self._primary)}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        fault = super().restore(platform, region, params)
        fault._primary = tuple(params["primary"])
        return fault

    def revert(self) -> None:
        super().revert()
        fail_back(self._pair, self._primary, self.platform.clock)

    def _back(self) -> ReadBack:
        why = why_not_whole(self._pair, self._primary)
        host, port = self._primary
        wanted = f"the primary is {host}:{port}, with a replica and on the gateways' path"
        return ReadBack(self.subject, wanted, why or wanted, not why)
