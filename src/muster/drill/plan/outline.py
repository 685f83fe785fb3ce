"""What a drill will do, step by step, before it does anything: the same faults that it will use.

Each activity of a drill's method is known here by its function. What is not known can be neither
bounded nor undone, so off a testbed it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from muster.errors import BadInput, MusterError
from muster.faults import Fault
from muster.faults.drain import Drain
from muster.faults.provider_latency import ProviderLatency
from muster.faults.redis_outage import RedisOutage
from muster.faults.region_loss import RegionLoss
from muster.faults.region_power import RegionPower
from muster.faults.safety_record import SafetyRecord
from muster.faults.traffic_shift import TrafficShift
from muster.platform import Platform
from muster.targets import Target


@dataclass(frozen=True)
class Activity:
    """One activity of a drill's method, as its file says it."""

    name: str
    kind: str
    module: str
    func: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What one activity does. `back`: it takes these faults back instead of applying them."""

    name: str
    what: str
    faults: tuple[Fault, ...] = ()
    back: bool = False


@dataclass
class _Builder:
    """What the steps are made of, each thing of the target read once."""

    platform: Platform
    minutes_s: float

    @property
    def target(self) -> Target:
        return self.platform.target

    def shift(self, share_pct: float) -> TrafficShift:
        region = self.target.evacuate
        return TrafficShift(self.platform, region, share_pct)

    def drains(self, state: Any) -> tuple[Fault, ...]:
        drain = Drain(self.platform, self.target.evacuate, state)
        return (drain,) if drain.asks else ()

    def seconds(self, minutes: Any) -> str:
        return f"{float(minutes) * self.minutes_s:.0f} s"


Make = Callable[[_Builder, Mapping[str, Any]], tuple[str, tuple[Fault, ...], bool]]


def _evacuate(at: _Builder, given: Mapping[str, Any]) -> tuple[str, tuple[Fault, ...], bool]:
    shares = [float(share) for share in given["shares_pct"]]
    steps = ", ".join(f"{share:g}" for share in shares)
    what = f"steps the traffic share of {at.target.evacuate} down: {steps} %"
    return what, (*(at.shift(share) for share in shares), *at.drains("closing")), False


def _dark(at: _Builder, given: Mapping[str, Any]) -> tuple[str, tuple[Fault, ...], bool]:
    region = at.target.evacuate
    what = f"stops {region} and holds it dark for {at.seconds(given['minutes'])}"
    return what, (RegionPower(at.platform, region),), False


def _restore(at: _Builder, given: Mapping[str, Any]) -> tuple[str, tuple[Fault, ...], bool]:
    region = at.target.evacuate
    steps = ", ".join(f"{float(share):g}" for share in given["shares_pct"])
    what = f"starts {region} and steps its share up: {steps} %, then as before"
    faults = (RegionPower(at.platform, region), *at.drains("serving"), at.shift(0))
    return what, faults, True


def _lose(at: _Builder, given: Mapping[str, Any]) -> tuple[str, tuple[Fault, ...], bool]:
    region = at.target.evacuate
    if at.target.region_loss is None:
        wanted = "rto_s_max and streams_broken_share_max: a loss is judged by them"
        raise BadInput(f"target {at.target.name}", "region_loss", None, wanted)
    what = f"kills {region} with no warning, and waits until its traffic has gone elsewhere"
    return what, (RegionLoss(at.platform, region),), False


def _comeback(at: _Builder, given: Mapping[str, Any]) -> tuple[str, tuple[Fault, ...], bool]:
    region = at.target.evacuate
    what = f"starts {region}, and waits until it has its share of the streams again"
    return what, (RegionLoss(at.platform, region),), True


def _redis(at: _Builder, given: Mapping[str, Any]) -> tuple[str, tuple[Fault, ...], bool]:
    region = at.target.evacuate
    what = f"takes Redis from {region} for {float(given['seconds']):g} s, then gives it back"
    return what, (RedisOutage(at.platform, region),), False


def _latency(at: _Builder, given: Mapping[str, Any]) -> tuple[str, tuple[Fault, ...], bool]:
    region = at.target.evacuate
    fault = ProviderLatency(
        at.platform, region, latency_ms=given["latency_ms"], jitter_ms=given["jitter_ms"]
    )
    what = f"slows the provider of {region} for {float(given['seconds']):g} s, then no more"
    return what, (fault,), False


def _holds(what: str) -> Make:
    return lambda at, given: (what, (), False)


STEPS: dict[tuple[str, str], Make] = {
    ("muster.actions.failover", "preflight"): _holds("checks what must hold before any effect"),
    ("muster.actions.failover", "ramp"): _holds("starts the load and waits for its streams"),
    ("muster.actions.failover", "baseline"): lambda at, given: (
        f"holds the load on all regions for {at.seconds(given['minutes'])}",
        (),
        False,
    ),
    ("muster.actions.failover", "evacuate"): _evacuate,
    ("muster.actions.failover", "drain"): lambda at, given: (
        f"waits until the streams of {at.target.evacuate} have ended by themselves",
        at.drains("draining"),
        False,
    ),
    ("muster.actions.failover", "dark"): _dark,
    ("muster.actions.failover", "restore"): _restore,
    ("muster.actions.failover", "verify"): _holds("reads every change back from the real systems"),
    ("muster.actions.fault", "redis_outage"): _redis,
    ("muster.actions.fault", "provider_latency"): _latency,
    ("muster.actions.fault", "recovery"): lambda at, given: (
        f"holds the load for {float(given['seconds']):g} s after the fault",
        (),
        False,
    ),
    ("muster.actions.loss", "region_loss"): _lose,
    ("muster.actions.loss", "failed_over"): lambda at, given: (
        f"holds the load without the region for {at.seconds(given['minutes'])}",
        (),
        False,
    ),
    ("muster.actions.loss", "comeback"): _comeback,
    ("muster.actions.safety", "lock"): _holds("tries the target's lock from a second holder"),
    ("muster.actions.safety", "freeze"): _holds("asks the calendar at moments that must refuse"),
    ("muster.actions.safety", "undo"): lambda at, given: (
        "writes a record of its own, sees it, takes it back, and reads that back",
        (SafetyRecord(at.platform, at.target.evacuate),),
        False,
    ),
    ("muster.actions.safety", "guard"): lambda at, given: (
        "feeds a guard a planted breach, with a record of its own to put back when it trips",
        (SafetyRecord(at.platform, at.target.evacuate),),
        False,
    ),
}
"""What each function of Muster's own actions does, by module and name."""


def steps_of(platform: Platform, method: Sequence[Activity], time_scale: float) -> tuple[Step, ...]:
    """The steps of `method`. Raises BadInput for what is not known off a testbed."""
    at = _Builder(platform, 60.0 / time_scale)
    found: list[Step] = []
    for index, activity in enumerate(method):
        make = STEPS.get((activity.module, activity.func))
        if make is not None:
            try:
                what, faults, back = make(at, activity.arguments)
            except (KeyError, TypeError, ValueError) as error:
                where = f"method.{index}.provider.arguments"
                raise BadInput(
                    activity.name, where, dict(activity.arguments), f"{error}"
                ) from error
            found.append(Step(activity.name, what, faults, back))
        elif activity.kind == "probe":
            found.append(Step(activity.name, "looks, and changes nothing"))
        elif platform.target.class_ == "testbed":
            found.append(Step(activity.name, f"{activity.module}.{activity.func}: unknown here"))
        else:
            where, what = f"method.{index}.provider", f"{activity.module}.{activity.func}"
            wanted = "an action of muster.actions: no other is bounded by blast_radius or undone"
            raise BadInput(activity.name, where, what, wanted)
    return tuple(found)


@dataclass(frozen=True)
class Row:
    """One change of a step: `undo` is the line that takes it back by hand, where there is one."""

    subject: str
    before: str
    after: str
    undo: str = ""


def rows_of(steps: Sequence[Step], *, ask: bool) -> list[tuple[Step, list[Row]]]:
    """Each step with its changes, each from what the one before left. Changes nothing.

    `ask` reads the real system; without it (a testbed that is not up) values are named as such.
    """
    now: dict[str, str] = {}
    first: dict[str, str] = {}
    table: list[tuple[Step, list[Row]]] = []
    for step in steps:
        rows: list[Row] = []
        for fault in step.faults:
            subject = fault.subject
            if step.back:
                rows.append(Row(subject, now.get(subject, "?"), first.get(subject, "as before")))
                continue
            before, after, undo = _values(fault) if ask else ("as it starts", _word(fault), "")
            rows.append(Row(subject, now.get(subject, before), after, undo))
            first.setdefault(subject, before)
            now[subject] = after
        table.append((step, rows))
    return table


def _values(fault: Fault) -> tuple[str, str, str]:
    try:
        change = fault.change()
        fault.undo_params()
        return change.before, change.after, fault.command() or ""
    except MusterError as error:
        return f"unknown: {error}", _word(fault), ""


def _word(fault: Fault) -> str:
    """What a fault leads to, as far as that is known without asking."""
    share = getattr(fault, "share_pct", None)
    state = getattr(fault, "state", None)
    return f"{share:g} % of the traffic" if share is not None else str(state or "stopped")
