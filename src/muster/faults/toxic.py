"""Faults by one toxic on the proxies in front of a service.

A subclass says which toxic it is, looks at the path on which the gateways reach the service, and
says what of that shows the fault. The rest is the same for all: nothing is applied to a proxy with
toxics or to a path on which the effect could not be told, and the fault is proven only if every
proxy shows the toxic and the path shows the effect.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from muster.faults.back import BACK_S_MAX, TOO_LATE
from muster.faults.model import FaultError, ReadBack
from muster.faults.proxied import ProxyFault
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof

NAME = "muster"
"""The toxic's name on each proxy."""
LOOKS = 4


@dataclass(frozen=True)
class Toxic:
    """A toxic in Toxiproxy's own terms. `share`: the part of the connections that has it."""

    kind: str
    stream: Literal["upstream", "downstream"]
    attributes: Mapping[str, int] = field(default_factory=dict)
    share: float = 1.0


class ToxicFault(ProxyFault):
    """One toxic on each proxy of `roles`. `arguments` are those of the subclass, as JSON."""

    undone = (
        "The toxic is removed; a proxy that hangs is created again, and a Toxiproxy that "
        "hangs is restarted."
    )

    def __init__(
        self, platform: Platform, region: str, roles: Sequence[str], **arguments: Any
    ) -> None:
        super().__init__(platform, region, roles)
        self._arguments = arguments
        self._path_before: Mapping[str, Any] | None = None

    @property
    @abstractmethod
    def toxic(self) -> Toxic:
        """The toxic that it adds."""

    @abstractmethod
    def look(self) -> Mapping[str, Any]:
        """What the path shows now, as JSON with units. Raises FaultError if it shows nothing."""

    @abstractmethod
    def why_not(self, before: Mapping[str, Any]) -> str:
        """Why the effect could not be told from what the path showed before; empty if it can."""

    @abstractmethod
    def effect(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, str]:
        """Whether the path shows the effect, and what it shows, in words."""

    def change(self) -> Change:
        return Change(self._shown() or "no toxics", self.aim)

    def undo_params(self) -> dict[str, Any]:
        if shown := self._shown():
            raise FaultError(f"{self.subject}: toxics left over: {shown}")
        self._remember_server()
        for _ in range(LOOKS):
            # A busy machine is slow by itself: one look on which the effect can be told is enough.
            self._path_before = self.look()
            if not (why := self.why_not(self._path_before)):
                break
        else:
            raise FaultError(f"{self.subject}: {why}")
        return {
            "server": [dict(one) for one in self._server],
            "arguments": self._arguments,
            "path": dict(self._path_before),
        }

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        fault = cls(platform, region, **params.get("arguments", {}))
        fault._server = tuple(params.get("server", ()))
        fault._path_before = params.get("path")
        return fault

    def apply(self) -> None:
        toxic = self.toxic
        for proxy in self._proxies:
            proxy.add_toxic(NAME, toxic.kind, toxic.stream, dict(toxic.attributes), toxic.share)

    def observe(self) -> Proof:
        now = self.look()
        if self._path_before is None:
            return Proof(False, "what the path showed before the fault is unknown", dict(now))
        for proxy in self._proxies:
            if NAME not in proxy.toxics():
                return Proof(False, f"proxy {proxy.name} shows no toxic of Muster", dict(now))
        seen, why = self.effect(self._path_before, now)
        return Proof(seen, why, {**now, "before": dict(self._path_before)})

    def revert(self) -> None:
        before = {proxy.name: dict(self._known_before(proxy)) for proxy in self._proxies}
        self._bring_back(lambda proxy: proxy.remove_toxic(NAME, before[proxy.name]))

    def read_back(self) -> ReadBack:
        shown = self._shown() or "no toxics"
        still = "" if shown != "no toxics" else self.still()
        actual = f"{shown}, {still}" if still else shown
        return ReadBack(self.subject, "no toxics", actual, actual == "no toxics")

    def still(self) -> str:
        """What the path shows that is not as before, although no proxy shows a toxic; else empty.

        One look without the effect is enough, because a busy machine is slow by itself. A path on
        which nothing can be seen is not this fault's.
        """
        if self._path_before is None:
            return ""
        clock, why = self.platform.clock, ""
        end_s = clock.monotonic_s() + BACK_S_MAX
        for _ in range(LOOKS):
            try:
                seen, why = self.effect(self._path_before, self.look())
            except FaultError:
                return ""
            if clock.monotonic_s() > end_s:
                return TOO_LATE
            if not seen:
                return ""
        return why

    def _shown(self) -> str:
        """The names of all toxics on the proxies; empty if there are none."""
        return ", ".join(sorted(name for proxy in self._proxies for name in proxy.toxics()))
