"""A drill waits until its region is back for good before any traffic is stepped to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from floor_fixtures import REGION, a_target
from held_clock import HeldClock

from muster import targets
from muster.drill.sight import observe
from muster.drill.stop import StopFlag, StopReason
from muster.errors import DrillAborted
from muster.faults import FaultError, ReadBack
from muster.faults.region_power import RegionPower
from muster.platform import platform_of


class Session(SimpleNamespace):
    """As much of a session as these waits need."""

    def __init__(self, **more: Any) -> None:
        super().__init__(stop=StopFlag(HeldClock()), phase="restore", findings=[], **more)

    def finding(self, slo: str, status: str, **more: Any) -> None:
        self.findings.append((slo, status, more["measured"], more["reason"]))

    def wait_until(self, holds, seconds_max, look_s):
        return self.stop.wait_until(holds, seconds_max, 0.01)

    def fail(self, by: str, detail: str) -> None:
        self.stop.set(StopReason(by, "FAIL", detail, 0.0))
        self.stop.check()


class Scripted(RegionPower):
    """A region whose looks are given; the last one stays. `back_s_max` is a tenth of a second."""

    looks: list[ReadBack | FaultError]
    back_s_max = 0.1  # type: ignore[assignment]
    limits: tuple[float | None, float | None] = (300.0, 300.0)
    stops = True  # type: ignore[assignment]

    def room(self) -> tuple[float | None, float | None]:
        return self.limits

    def look_back(self) -> tuple[ReadBack, bool]:
        look = self.looks[0] if len(self.looks) == 1 else self.looks.pop(0)
        if isinstance(look, FaultError):
            raise look
        return look, True


def region(*looks: ReadBack | FaultError) -> Scripted:
    fault = Scripted(platform_of(a_target()), REGION)
    fault.looks = list(looks)
    return fault


SHORT = ReadBack("region", "room for 300 streams", "room for 75 streams", False)
BACK = ReadBack("region", "room for 300 streams", "room for 300 streams", True)


def test_it_waits_until_the_region_is_back() -> None:
    """Short of room, then a look that fails, then all of it: the drill goes on."""
    observe.await_back(Session(), region(SHORT, FaultError("no answer"), BACK))


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ((300.0, 300.0), ("pass", 0.0, "room for 300 streams, 300 before the fault")),
        ((300.0, 450.0), ("pass", 0.0, "room for 450 streams, 300 before the fault")),
        ((None, 300.0), ("unknown", None, "no stream limit before the fault")),
        ((300.0, None), ("unknown", None, "no stream limit now")),
    ],
)
def test_room_that_nobody_read_is_unknown(limits, found) -> None:
    """It is on record beside the region's return, so that no drill passes without it."""
    session, fault = Session(), region(BACK)
    fault.limits = limits
    observe.await_back(session, fault)
    assert session.findings == [("capacity_back", *found)]


def test_a_region_that_is_not_stopped_keeps_its_room() -> None:
    """By the power `none` nothing of it changes, and nothing is on record."""
    session, fault = Session(), RegionPower(platform_of(a_target()), REGION)
    assert not fault.stops
    calm = region(BACK)
    calm.stops = False  # type: ignore[misc]
    observe.await_back(session, calm)
    assert session.findings == []


def test_room_below_that_before_passes_only_as_an_autoscalers_choice() -> None:
    """Anything else would not have counted as back."""
    session, fault = Session(), region(BACK)
    fault.limits = (300.0, 200.0)
    observe.await_back(session, fault)
    [(_, status, missing, reason)] = session.findings
    assert (status, missing) == ("pass", 100.0)
    assert "autoscaler" in reason


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (SHORT, r"room for 75 streams \(expected room for 300 streams\)"),
        (FaultError("deaf"), "deaf"),
    ],
)
def test_a_region_that_does_not_come_back_fails_the_drill_by_name(look, said) -> None:
    """The bound passed: the platform's fault, with what is missing."""
    session = Session()
    with pytest.raises(DrillAborted, match=said):
        observe.await_back(session, region(look))
    assert session.stop.reason is not None
    assert (session.stop.reason.by, session.stop.reason.verdict) == (
        "platform:region_not_back", "FAIL",
    )  # fmt: skip


def test_the_wait_ends_at_once_when_the_drill_must_stop() -> None:
    """A trip in the wait is the reason, not the region."""
    session = Session()
    session.stop.set(StopReason("limit:rate_5xx", "FAIL", "too many", 0.0))
    with pytest.raises(DrillAborted, match="limit:rate_5xx"):
        observe.await_back(session, region(SHORT))


@pytest.mark.parametrize(
    ("checks", "probe_s", "steady_s"),
    [
        ({"a": (10, 1), "b": (30, 3)}, None, 30.3),
        ({"a": (10, 1)}, 0.5, 0.8),
        ({}, None, 10.3),
    ],
)
def test_a_region_must_be_steady_for_longer_than_a_health_checks_interval(
    checks, probe_s, steady_s
) -> None:
    """The longest interval of its records; what a testbed probes with where that is quicker."""
    target = targets.load("testbed")
    assert target.testbed is not None
    check = target.testbed.health_check.model_copy(update={"probe_interval_s": probe_s})
    spec = target.testbed.model_copy(update={"health_check": check})
    session = Session(
        target=target.model_copy(update={"testbed": spec}), health_checks=checks, time_scale=30.0
    )
    assert observe.steady_s(session) == pytest.approx(steady_s)
