"""The messages between a drill and its watchdog, as typed values.

On the wire each is a line of JSON, parsed strictly: an unknown kind, a missing or an additional
field, and a value of another type are refused. `protocol` says when each may be sent.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from muster.documents import Document
from muster.drill.stop import StopReason


class Message(Document):
    """A message from one end to the other."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, ser_json_inf_nan="constants"
    )


class Beat(Message):
    """The sender is awake. Both ends send it."""

    kind: Literal["beat"] = "beat"


class Hello(Message):
    """The drill's first message: its identity."""

    kind: Literal["hello"] = "hello"
    drill_id: str
    target: str


class Configure(Message):
    """What the watchdog guards, and what it needs to end the drill in its place.

    `records` are the steering records at the drill's start; None: nothing is compared with them.
    """

    kind: Literal["configure"] = "configure"
    drill_id: str
    bundle: str
    target_file: str
    contract_file: str
    gate: str
    time_scale: float
    region: str
    ttl_s: float
    health_checks: dict[str, tuple[int, int]]
    records: dict[str, Any] | None = None


class Arm(Message):
    """From now on a trip stops the drill."""

    kind: Literal["arm"] = "arm"


class Disarm(Message):
    """The samples say nothing from now on."""

    kind: Literal["disarm"] = "disarm"


class Declare(Message):
    """A fault is about to be applied; it must cause `expects`."""

    kind: Literal["declare"] = "declare"
    fault: str
    region: str
    expects: tuple[str, ...]


class Reverted(Message):
    """A fault was reverted."""

    kind: Literal["reverted"] = "reverted"
    fault: str
    region: str


class Steers(Message):
    """The drill is about to set these weights, by record."""

    kind: Literal["steers"] = "steers"
    weights: dict[str, int]


class Steered(Message):
    """The weights were accepted."""

    kind: Literal["steered"] = "steered"


class Load(Message):
    """The load's processes; descriptors that keep them alive ride along.

    `elsewhere`: it has none here, and the target says where it runs; the uids of its Job and of
    the object with its orders.
    """

    kind: Literal["load"] = "load"
    pids: tuple[int, ...]
    elsewhere: tuple[str, str] | None = None


class LoadEnded(Message):
    """The load has ended: nothing is measured any more."""

    kind: Literal["load_ended"] = "load_ended"


class Rehearse(Message):
    """A test question: does the watchdog look at the samples?"""

    kind: Literal["rehearse"] = "rehearse"


class Acting(Message):
    """The drill's process itself restores, or ends the drill."""

    kind: Literal["acting"] = "acting"


class Release(Message):
    """Nothing of the drill is left to guard."""

    kind: Literal["release"] = "release"


class StandDown(Message):
    """The drill is over: the watchdog may end."""

    kind: Literal["stand_down"] = "stand_down"


class Ready(Message):
    """The watchdog guards."""

    kind: Literal["ready"] = "ready"


class Failed(Message):
    """The watchdog cannot guard this drill."""

    kind: Literal["failed"] = "failed"
    reason: str


class Stop(Message):
    """The drill must stop. `trips`: events for its ledger."""

    kind: Literal["stop"] = "stop"
    reason: StopReason
    trips: tuple[tuple[str, dict[str, Any]], ...] = ()


class Rehearsed(Message):
    """How often the watchdog has looked at the samples, and whether it does so now."""

    kind: Literal["rehearsed"] = "rehearsed"
    looks: int
    sees: bool


class Released(Message):
    """The guard's duty is over."""

    kind: Literal["released"] = "released"


class Report(Message):
    """What the watchdog says of its own watch, last of all. `looks`: None where it had none."""

    kind: Literal["report"] = "report"
    turn_s_max: float
    looks: int | None = None


NEWS = (Arm, Disarm, Declare, Reverted, Steers, Steered, Load, LoadEnded, Rehearse)
"""What the drill reports about itself while it is guarded."""
LATE_NEWS = (Disarm, Reverted, Steered, LoadEnded)
"""The part of it that may still come after the guard's duty: nothing new begins."""

_FromDrill = (
    Beat
    | Hello
    | Configure
    | Arm
    | Disarm
    | Declare
    | Reverted
    | Steers
    | Steered
    | Load
    | LoadEnded
    | Rehearse
    | Acting
    | Release
    | StandDown
)
_FromWatchdog = Beat | Ready | Failed | Stop | Rehearsed | Released | Report
FROM_DRILL: TypeAdapter[Message] = TypeAdapter(Annotated[_FromDrill, Field(discriminator="kind")])
FROM_WATCHDOG: TypeAdapter[Message] = TypeAdapter(
    Annotated[_FromWatchdog, Field(discriminator="kind")]
)
