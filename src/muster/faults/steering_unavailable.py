"""The API that steers the traffic is away: it answers 503 to every call, and comes back by itself.

An evacuation is only half done while the region is away: without this API its traffic cannot come
back. Name servers and records are not touched, so clients notice nothing. The effect is verified if
a call to the API fails. Once its time is over the fault has no effect any more, and that is proven
if it was seen before. Around other phases a step must have met it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from muster.faults.model import FaultError, ReadBack
from muster.faults.steering_away import AWAY_S_MAX, CALL_S_MAX, why_away
from muster.faults.steps import Scene, Within, single_fault
from muster.faults.stub import StubFault
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof

RECALLS = (
    "[AWS, December 2021](https://aws.amazon.com/message/12721/): the Route 53 API was impaired "
    "for seven hours, so that no record could be changed; queries were answered all the time"
)
AWAY = Within(1, AWAY_S_MAX - 10, "s")
"""A step and an undo are repeated for `AWAY_S_MAX`: the API must be back well before their end."""


class SteeringUnavailable(StubFault):
    """The API is away for `away_s`."""

    stub, told = "steering_stub", "to be away"
    undone = "The stub of the API is told to answer again."
    kind = "steering_unavailable"
    expects = ("steering_weight",)
    met_by = "steering_refused"

    def __init__(self, platform: Platform, away_s: int = 0) -> None:
        super().__init__(platform)
        self._away_s = away_s
        self._seen = False

    @property
    def subject(self) -> str:
        return "steering API"

    @property
    def aim(self) -> str:
        return f"away for {self._away_s} s"

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + CALL_S_MAX

    def change(self) -> Change:
        return Change("answers", self.aim)

    def undo_params(self) -> dict[str, Any]:
        if left_s := self._told():
            raise FaultError(f"{self.subject}: away before the fault, for another {left_s:.0f} s")
        self.platform.steering.shown()
        return {"away_s": self._away_s}

    @classmethod
    def restore(cls, platform: Platform, params: Mapping[str, Any]) -> Self:
        return cls(platform, int(params["away_s"]))

    def apply(self) -> None:
        self.ask("POST", {"seconds": self._away_s})

    def observe(self) -> Proof:
        met, left_s = why_away(self.platform.steering), self._told()
        facts = {"seconds_left": left_s, "met": met}
        if left_s:
            self._seen = self._seen or bool(met)
            why = f"a call of the API fails: {met}" if met else "a call of the API succeeds"
            return Proof(bool(met), why, facts)
        why = f"it was away for {self._away_s} s, and its time is over"
        return Proof(self._seen, why if self._seen else "it was never seen to be away", facts)

    def revert(self) -> None:
        self.ask("POST", {"seconds": 0})

    def read_back(self) -> ReadBack:
        met, left_s = why_away(self.platform.steering), self._told()
        actual = met or (f"told to be away for {left_s:.0f} s" if left_s else "answers")
        return ReadBack(self.subject, "answers", actual, actual == "answers")

    def _told(self) -> float:
        left_s = self.ask("GET").get("seconds_left")
        if isinstance(left_s, int | float):
            return float(left_s)
        raise FaultError(f"{self.subject}: the stub does not say for how long it is away")


@single_fault("keeps the steering API away for a while, looking for {seconds:g} s", RECALLS)
def steering_unavailable(scene: Scene, away_s: Annotated[int, AWAY]) -> SteeringUnavailable:
    """The API that steers the traffic answers 503 to every call for `away_s` of real time."""
    return SteeringUnavailable(scene.platform, away_s)
