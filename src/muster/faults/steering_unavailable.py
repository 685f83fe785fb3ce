"""The API that steers the traffic is away: it answers 503 to every call, and comes back by itself.

An evacuation is only half done while the region is away: without this API its traffic cannot come
back. Name servers and records are not touched, so clients notice nothing. The effect is verified if
a call to the API fails. Once its time is over the fault has no effect any more, and that is proven
if it was seen before. Whether a step of the drill met it is another matter: around other phases the
judge wants that on record too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from muster.faults.model import FaultError, PlatformFault, ReadBack
from muster.faults.steps import Scene, Within, single_fault
from muster.faults.traffic_shift import AWAY_S_MAX
from muster.platform.platform import Platform
from muster.platform.port import Change, Proof, Unusable
from muster.platform.steering import SteeringError

RECALLS = (
    "[AWS, December 2021](https://aws.amazon.com/message/12721/): the Route 53 API was impaired "
    "for seven hours, so that no record could be changed; queries were answered all the time"
)
AWAY = Within(1, AWAY_S_MAX - 10, "s")
"""A step and an undo are repeated for `AWAY_S_MAX`: the API must be back well before their end."""
CALL_S_MAX = 20.0
"""How long one call of the API may take to fail, with the tries of its client."""


class SteeringUnavailable(PlatformFault):
    """The API is away for `away_s`."""

    undone = "The stub of the API is told to answer again."

    kind = "steering_unavailable"
    expects: ClassVar[tuple[str, ...]] = ("steering_weight",)

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

    def unusable(self) -> Unusable | None:
        if self.target.steering_stub is not None:
            return None
        wanted = "url and token of a testbed's control API: only a stub can be told to be away"
        return Unusable("steering_stub", None, wanted)

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
        self._tell(self._away_s)

    def observe(self) -> Proof:
        met = self._call()
        left_s = self._told()
        facts = {"seconds_left": left_s, "met": met}
        if met and left_s:
            self._seen = True
            return Proof(True, f"a call of the API fails: {met}", facts)
        if left_s:
            return Proof(False, "a call of the API succeeds", facts)
        why = f"it was away for {self._away_s} s, and its time is over"
        return Proof(self._seen, why if self._seen else "it was never seen to be away", facts)

    def revert(self) -> None:
        self._tell(0)

    def read_back(self) -> ReadBack:
        met, left_s = self._call(), self._told()
        actual = met or (f"told to be away for {left_s:.0f} s" if left_s else "answers")
        return ReadBack(self.subject, "answers", actual, actual == "answers")

    def command(self) -> str | None:
        return None

    def _call(self) -> str:
        """Why a call of the API fails; empty if it does not."""
        try:
            self.platform.steering.shown()
        except SteeringError as error:
            return str(error)
        return ""

    def _tell(self, seconds: int) -> None:
        self._ask("POST", {"seconds": seconds})

    def _told(self) -> float:
        left_s = self._ask("GET").get("seconds_left")
        if not isinstance(left_s, int | float):
            raise FaultError(f"{self.subject}: the stub does not say for how long it is away")
        return float(left_s)

    def _ask(self, method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        stub = self.target.steering_stub
        if stub is None:
            raise FaultError(f"target {self.target.name}: steering_stub is not set")
        from muster.platform.http_hook import call  # an HTTP client, which no list of steps needs

        return call(method, stub.url, stub.token, stub.timeout_s, body)


@single_fault(
    "keeps the steering API away for a while, and looks for {seconds:g} s",
    recalls=RECALLS,
)
def steering_unavailable(scene: Scene, away_s: Annotated[int, AWAY]) -> SteeringUnavailable:
    """The API that steers the traffic answers 503 to every call for `away_s` of real time."""
    return SteeringUnavailable(scene.platform, away_s)
