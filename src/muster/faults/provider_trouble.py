"""Faults of the provider itself: its stub is told to fail on one route.

The provider is the same for all regions, so every region feels it. The effect is verified if the
stub says what it was told, and a small stream through every region's proxy to that route, which is
the gateways' own path, shows it. A route that did not work before is refused.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from muster.faults.back import await_back
from muster.faults.model import FaultError, ReadBack
from muster.faults.provider_path import TOKENS, look_at_stream, said
from muster.faults.proxies import access_of, address_of, proxy_of
from muster.faults.stub import StubFault
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof

ROUTE = "primary"
ROLE = f"provider_{ROUTE}"
Looks = Mapping[str, Mapping[str, Any]]


class ProviderTrouble(StubFault):
    """The primary route does `trouble` to every request. `arguments`: the subclass's, as JSON."""

    stub = "provider_stub"
    undone = "The stub is told to serve as it should."

    expects = (f"circuit_open:{ROUTE}",)

    def __init__(self, platform: Platform, **arguments: Any) -> None:
        super().__init__(platform)
        self._arguments = arguments
        self._before: Looks = {}

    @property
    @abstractmethod
    def trouble(self) -> Mapping[str, Any]:
        """What the stub is told."""

    @abstractmethod
    def shows(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """Whether a stream shows the effect, given one from before the fault."""

    @property
    def subject(self) -> str:
        return f"provider {ROUTE}"

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + sum(self._stream_s_max for _ in self.target.regions)

    @property
    def _stream_s_max(self) -> float:
        """How long one look at a stream may take, in seconds."""
        return super().look_s_max

    @property
    def _tokens(self) -> int:
        """How many tokens a look asks for."""
        return TOKENS

    def change(self) -> Change:
        return Change(str(self._told() or "as it should be"), self.aim)

    def undo_params(self) -> dict[str, Any]:
        if told := self._told():
            raise FaultError(f"{self.subject}: in trouble before the fault: {told}")
        self._before = self._looks()
        for region, look in self._before.items():
            if look["outcome"] != "whole":
                raise FaultError(f"{self.subject}: {region}: before the fault: {said(look)}")
        return {"arguments": self._arguments, "before": self._before}

    @classmethod
    def restore(cls, platform: Platform, params: Mapping[str, Any]) -> Self:
        fault = cls(platform, **params["arguments"])
        fault._before = params["before"]
        return fault

    def apply(self) -> None:
        self._tell(self.trouble)

    def observe(self) -> Proof:
        told, looks = self._told(), self._looks()
        facts = {"told": told, "looks": looks}
        if told != dict(self.trouble):
            return Proof(False, f"the stub says {told or 'that it is in no trouble'}", facts)
        if looks.keys() != self._before.keys():
            return Proof(False, "what the route showed before the fault is unknown", facts)
        blind = [name for name, look in looks.items() if not self.shows(self._before[name], look)]
        why = f"a stream to the {ROUTE} route: {said(next(iter(looks.values())))}"
        if blind:
            return Proof(False, f"not seen from {', '.join(blind)}: {said(looks[blind[0]])}", facts)
        return Proof(True, why, facts)

    def revert(self) -> None:
        self._tell({})

    def read_back(self) -> ReadBack:
        return await_back(self._back, self.platform.clock)

    def _back(self) -> ReadBack:
        told, looks = self._told(), self._looks()
        bad = [
            f"{name}: {said(look)}" for name, look in looks.items() if look["outcome"] != "whole"
        ]
        shown = "; ".join(([f"in trouble: {told}"] if told else []) + bad)
        return ReadBack(self.subject, "whole streams", shown or "whole streams", not shown)

    def _looks(self) -> Looks:
        """One stream through each region's proxy to the route. Raises FaultError."""
        return {
            region: look_at_stream(
                address_of(
                    str(proxy_of(self.target, region, ROLE).state()["listen"]),
                    access_of(self.target, region, ROLE).url,
                ),
                self._stream_s_max,
                self.platform.clock,
                self._tokens,
            )
            for region in self.target.regions
        }

    def _told(self) -> dict[str, Any]:
        """The trouble in which the stub says the route is; empty: none."""
        told = self.ask("GET").get(ROUTE)
        if not isinstance(told, dict):
            raise FaultError(f"{self.subject}: the stub does not say in which trouble it is")
        return told

    def _tell(self, trouble: Mapping[str, Any]) -> None:
        said = self.ask("POST", {"route": ROUTE, "trouble": dict(trouble)}).get(ROUTE)
        if said != dict(trouble):
            raise FaultError(f"{self.subject}: told {dict(trouble)}, it says {said}")
