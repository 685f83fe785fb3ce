"""Faults of DNS itself: the testbed's name server is told to fail.

All clients ask it, so every region feels it. The effect is verified if the server says what it was
told, and queries on the clients' own path show it. Something that the queries showed before the
fault is refused.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from muster.errors import BadInput
from muster.faults.back import await_back
from muster.faults.dns_path import QUERY_S_MAX, Asked, ask
from muster.faults.model import FaultError, ReadBack
from muster.faults.steps import Scene
from muster.faults.stub import StubFault
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof, Unusable

QUERIES = 3
ACTIONS = "muster.actions.names"


class DnsTrouble(StubFault):
    """The name server does `trouble` to every query. `arguments`: the subclass's, as JSON."""

    stub = "dns_stub"
    undone = "The name server is told to answer as it should."

    def __init__(self, platform: Platform, **arguments: Any) -> None:
        super().__init__(platform)
        self._arguments = arguments

    @property
    @abstractmethod
    def trouble(self) -> Mapping[str, Any]:
        """What the name server is told."""

    @abstractmethod
    def shows(self, seen: Asked) -> bool:
        """Whether one answer shows the effect."""

    @property
    def subject(self) -> str:
        return "name server"

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + QUERIES * QUERY_S_MAX

    def unusable(self) -> Unusable | None:
        if found := super().unusable():
            return found
        if self.target.load.dns_server is None:
            return Unusable("load.dns_server", None, "host:port of the name server that is told")
        return None

    def change(self) -> Change:
        return Change(str(self._told() or "as it should be"), self.aim)

    def undo_params(self) -> dict[str, Any]:
        if told := self._told():
            raise FaultError(f"{self.subject}: in trouble before the fault: {told}")
        if why := self.why_not():
            raise FaultError(f"{self.subject}: before the fault: {why}")
        return {"arguments": self._arguments}

    def why_not(self) -> str:
        """Why the effect could not be told from what queries show now; empty if it can."""
        return next((str(seen) for seen in self._asked() if self.shows(seen)), "")

    @classmethod
    def restore(cls, platform: Platform, params: Mapping[str, Any]) -> Self:
        return cls(platform, **params["arguments"])

    def apply(self) -> None:
        self._tell(self.trouble)

    def observe(self) -> Proof:
        told, asked = self._told(), self._asked()
        facts = {"told": told, "answers": [vars(seen) for seen in asked]}
        if told != dict(self.trouble):
            return Proof(False, f"it says {told or 'that it is in no trouble'}", facts)
        blind = [seen for seen in asked if not self.shows(seen)]
        return Proof(not blind, f"a client's query: {(blind or asked)[0]}", facts)

    def revert(self) -> None:
        self._tell({})

    def read_back(self) -> ReadBack:
        return await_back(self._back, self.platform.clock)

    def _back(self) -> ReadBack:
        told = self._told()
        bad = [str(seen) for seen in self._asked() if self.shows(seen)]
        shown = f"in trouble: {told}" if told else "; ".join(bad)
        return ReadBack(self.subject, "as it should be", shown or "as it should be", not shown)

    def _asked(self) -> list[Asked]:
        return [ask(self.target, self.platform.clock) for _ in range(QUERIES)]

    def _told(self) -> dict[str, Any]:
        """The trouble in which the name server says it is; empty: none."""
        return self.ask("GET")

    def _tell(self, trouble: Mapping[str, Any]) -> None:
        said = self.ask("POST", dict(trouble))
        if said != dict(trouble):
            raise FaultError(f"{self.subject}: told {dict(trouble)}, it says {said}")


def check_rto(scene: Scene, section: str) -> None:
    """Raises BadInput if the target states no limit for what `section` judges."""
    if getattr(scene.target, section) is None:
        wanted = "rto_s_max, the limit for the time until users are served again"
        raise BadInput(f"target {scene.target.name}", section, None, wanted)
