"""A fault of pods of one region, by its cluster port. The port says what is done, and by what.

A platform that keeps its service levels goes on meanwhile, so its tier judges the whole of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from muster.faults.by_port import PortFault
from muster.faults.model import ReadBack
from muster.platform.cluster import Disruption
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof


class ClusterFault(PortFault):
    """`before`: what the port chose and read; it holds all that the revert needs."""

    key = "cluster"
    replaces_processes = True
    each_time = True

    def __init__(
        self, platform: Platform, region: str, before: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(platform, region)
        self.before: dict[str, Any] = dict(before or {})
        self.disruption = self.disrupted()

    @abstractmethod
    def disrupted(self) -> Disruption:
        """What the region's cluster port is asked for. Sends no request."""

    @property
    def port(self) -> Disruption:
        return self.disruption

    @property
    def bite_s_max(self) -> float:
        return self.disruption.timeout_s

    @property
    def look_s_max(self) -> float:
        return self.disruption.look_s_max

    def change(self) -> Change:
        return self.disruption.change()

    def undo_params(self) -> dict[str, Any]:
        self.before = self.disruption.before()
        return self.before

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        return cls(platform, region, params)

    def apply(self) -> None:
        self.disruption.apply(self.before)

    def observe(self) -> Proof:
        return self.disruption.look(self.before)

    def revert(self) -> None:
        self.disruption.revert(self.before)

    def read_back(self) -> ReadBack:
        back = self.disruption.state(self.before)
        return ReadBack(self.subject, back.expected, back.shown, back.whole, back.another)

    def command(self) -> str | None:
        return self.disruption.command(self.before)
