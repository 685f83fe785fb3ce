"""After a fault: how long the platform's own signals have been quiet, and what was not."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from muster import contract
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.facts import Facts
from muster.drill.sight.quiet import Quiet, await_quiet
from muster.drill.stop import StopFlag
from muster.platform.metrics import RawSeries
from muster.samples.series import series_of

REGIONS = ("west", "east")
REASONS = ("redis_unavailable", "token_validation", "gateway_health")
T0 = 1000.0


class Platform:
    """What each signal shows, sample by sample."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[float, float]]] = {}

    def show(self, signal: str, t_s: float, value: float, **labels: str) -> None:
        points = self.points.setdefault((signal, tuple(sorted(labels.items()))), [])
        if points and points[-1][0] == t_s:
            points.pop()
        points.append((t_s, value))

    def quiet_at(self, t_s: float, *, without: str = "") -> None:
        """A scrape of both regions at which nothing is wrong."""
        for region in REGIONS:
            for signal, labels, value in (
                ("circuit_open", {"route": "primary"}, 0.0),
                ("admission_failures", {"reason": "redis_unavailable"}, 7.0),
                ("queue_age", {}, 0.4),
            ):
                if signal != without:
                    self.show(signal, t_s, value, region=region, **labels)

    def series(self, signal: str):
        return [
            series_of(signal, signal, dict(labels), points)
            for (name, labels), points in self.points.items()
            if name == signal
        ]


def look(quiet: Quiet, platform: Platform, now_s: float) -> float:
    """One look; how long it has been quiet."""
    quiet.look(platform.series, now_s, 3.0)
    return quiet.quiet_for_s(now_s)


def a_quiet() -> Quiet:
    return Quiet(REGIONS, REASONS, 30.0, T0)


def test_a_quiet_platform_is_quiet_from_the_begin() -> None:
    """Counters that stand still, closed circuits, a short queue."""
    quiet, platform = a_quiet(), Platform()
    for second in range(20):
        platform.quiet_at(T0 + second)
        assert look(quiet, platform, T0 + second) == second


@pytest.mark.parametrize(
    ("signal", "value", "labels", "said"),
    [
        ("circuit_open", 1.0, {"route": "primary"}, "circuit of route primary open in west"),
        ("circuit_open", 1.0, {"route": "fallback"}, "circuit of route fallback open in west"),
        (
            "admission_failures",
            8.0,
            {"reason": "redis_unavailable"},
            "redis_unavailable increased in west",
        ),
        ("queue_age", 31.0, {}, "queue of west over 30 s"),
    ],
)
def test_each_signal_can_break_the_quiet(signal, value, labels, said) -> None:
    """The stretch begins anew at the sample that was not quiet, and what it was is named."""
    quiet, platform = a_quiet(), Platform()
    for second in range(40):
        platform.quiet_at(T0 + second)
        if second == 30:
            platform.show(signal, T0 + 30, value, region="west", **labels)
        look(quiet, platform, T0 + second)
    assert quiet.quiet_for_s(T0 + 39) == 9
    assert quiet.since(T0 + 20) == said
    assert quiet.since(T0 + 30) == ""


@pytest.mark.parametrize(
    ("signal", "value", "labels"),
    [
        ("admission_failures", 8.0, {"reason": "rate_limited"}),
        ("admission_failures", 6.0, {"reason": "redis_unavailable"}),
        ("queue_age", 30.0, {}),
        ("circuit_open", 0.0, {"route": "primary"}),
        ("circuit_open", float("nan"), {"route": "primary"}),
    ],
)
def test_what_is_no_noise(signal, value, labels) -> None:
    """Other reasons, a restart from 0, a queue at its limit, a closed circuit, a NaN."""
    quiet, platform = a_quiet(), Platform()
    for second in range(10):
        platform.quiet_at(T0 + second)
        if second >= 5:
            platform.show(signal, T0 + second, value, region="west", **labels)
        quiet.look(platform.series, T0 + second, 60.0)
    assert quiet.noise == {}


def test_a_counter_that_appears_has_counted_from_zero() -> None:
    """A platform that shows a failure only after the first one: its first sample is noise."""
    quiet, platform = a_quiet(), Platform()
    for second in range(10):
        platform.quiet_at(T0 + second)
        if second >= 6:
            labels = {"region": "east", "reason": "gateway_health"}
            platform.show("admission_failures", T0 + second, 3.0, **labels)
        look(quiet, platform, T0 + second)
    assert quiet.noise == {"gateway_health increased in east": T0 + 6}


@pytest.mark.parametrize("missing", ["circuit_open", "admission_failures", "queue_age"])
def test_a_signal_that_nobody_shows_is_not_quiet(missing: str) -> None:
    """No data is unknown, and never a quiet platform."""
    quiet, platform = a_quiet(), Platform()
    for second in range(10):
        platform.quiet_at(T0 + second, without=missing)
        assert look(quiet, platform, T0 + second) == 0
    assert quiet.since(T0 + 8) == (f"no data of {missing} in west; no data of {missing} in east")


class Session:
    """As much of a session as the wait needs; every look is half a second of its clock."""

    def __init__(self, show) -> None:
        self.now = T0
        self.facts = Facts(stale_s=3)
        self.show = show
        self.findings: list[dict] = []
        self.plan = SimpleNamespace(contract=contract.load(), gate=contract.load().gates["M3"])
        self.target = SimpleNamespace(
            regions=REGIONS, prometheus=SimpleNamespace(scrape_interval_s=1.0), declared={}
        )
        self.time_scale = 6.0
        self.phase = "recovery"
        self.clock = SimpleNamespace(now_s=lambda: self.now, monotonic_s=lambda: self.now)
        self.samples = SamplesClock(clock=self.clock)
        self.stop = StopFlag()

    def wait_until(self, holds, seconds_max, look_s):
        began = self.now
        for second in itertools.count():
            platform = Platform()
            self.show(platform, self.now)
            self.facts.add(
                RawSeries(signal, signal, dict(labels), (t,), (v,))
                for (signal, labels), ((t, v),) in platform.points.items()
            )
            if holds():
                return self.now - began
            if self.now - began > seconds_max:
                return None
            self.now = T0 + (second + 1) * look_s

    def finding(self, slo, status, **fields):
        self.findings.append({"slo": slo, "status": status, **fields})


def run(show, hold_s: float = 30.0) -> tuple[Session, dict]:
    """The wait of a platform; the session and its only finding."""
    session = Session(show)
    await_quiet(session, hold_s)
    (finding,) = session.findings
    assert finding["slo"] == "recovery_quiet"
    return session, finding


def test_a_healthy_recovery_lasts_as_long_as_it_is_told() -> None:
    """Quiet from the begin: the hold is enough, as 60 s at six times the speed are in it."""
    session, finding = run(lambda platform, t_s: platform.quiet_at(t_s))
    assert (finding["status"], session.now) == ("pass", T0 + 30)
    assert finding["measured"] == 0


def test_a_breaker_that_opens_again_holds_the_recovery() -> None:
    """Stale connections fail 28 s after the fault: the wait goes on until that is over too."""

    def show(platform: Platform, t_s: float) -> None:
        platform.quiet_at(t_s)
        value = 1.0 if T0 + 28 <= t_s < T0 + 40 else 0.0
        platform.show("circuit_open", t_s, value, region="west", route="redis")

    session, finding = run(show)
    assert (finding["status"], session.now) == ("pass", T0 + 39.5 + 10)


def test_a_platform_that_is_never_quiet_fails_by_name() -> None:
    """Past the bound the finding fails, and says what was not quiet."""

    def show(platform: Platform, t_s: float) -> None:
        platform.quiet_at(t_s)
        value = float((t_s - T0) // 5 % 2)
        platform.show("circuit_open", t_s, value, region="west", route="redis")

    session, finding = run(show)
    assert finding["status"] == "fail"
    assert "circuit of route redis open in west" in finding["reason"]
    assert session.now <= T0 + 30 + 50 + 1


def test_a_platform_that_shows_nothing_is_unknown() -> None:
    """A missing signal is no failure of the platform, and no pass."""
    _, finding = run(lambda platform, t_s: platform.quiet_at(t_s, without="circuit_open"))
    assert finding["status"] == "unknown"
    assert "no data of circuit_open in west" in finding["reason"]
