"""Samples that come late, on a held clock: each wait and each judgement, declared and not.

A delay that the target declares changes no answer, only its moment. One that it does not declare is
refused, is lost data or is unknown, and never a pass.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
from doctored import document, patient
from floor_fixtures import REGION, a_target
from held_clock import HeldClock
from promotion_platform import EAST, T0, WEST, Platform, rules
from test_drill_finish import Made, back, judged
from test_drill_proofs import BITES, Recording, Scripted
from test_drill_quiet import REGIONS, a_quiet
from test_drill_quiet import Platform as Scraped
from test_drill_quiet import Session as QuietSession

from muster import contract
from muster.drill import finish
from muster.drill.doctor import clocks
from muster.drill.guard import DrillGuard
from muster.drill.phases import preflight
from muster.drill.plan.describe import _head
from muster.drill.real_traffic.promotion import PromotionWatch
from muster.drill.sight import late, observe, proofs
from muster.drill.sight.behind import HeldBack, SamplesClock
from muster.drill.sight.facts import KEEP_S, Facts
from muster.drill.sight.quiet import await_quiet
from muster.drill.sight.watch import STEERING_SIGNAL, Watch
from muster.drill.stop import StopFlag, StopReason
from muster.drill.watchdog import patrol
from muster.faults import FaultError
from muster.faults.region_power import RegionPower
from muster.platform import platform_of
from muster.platform.metrics import Poller, RawSeries, late_seconds
from muster.targets.prometheus import PrometheusAccess

__all__ = ["back", "judged"]
DELAY_S = 60.0
CONTRACT = contract.load()


def a_late_target(delay_s: float = DELAY_S):
    """A target whose samples come late, scraped once a second."""
    target = a_target()
    given = {"delay_s": delay_s, "scrape_interval_s": 1.0}
    return target.model_copy(update={"prometheus": target.prometheus.model_copy(update=given)})


def raw(signal: str, t_s: float, value: float, region: str = REGION, **labels: str) -> RawSeries:
    return RawSeries(signal, signal, {"region": region, **labels}, (t_s,), (value,))


# What is held back


def test_samples_are_handed_on_once_and_in_two_parts() -> None:
    """What is newer than the moment waits; nothing is lost, nothing is handed on twice."""
    held = HeldBack()
    series = RawSeries("jobs", "jobs", {}, (1.0, 2.0, 3.0), (10.0, None, 30.0))
    assert [(one.t_s, one.v) for one in held.due([series], 2.0)] == [((1.0, 2.0), (10.0, None))]
    assert held.due([], 2.5) == []
    assert [(one.t_s, one.v) for one in held.due([], 3.0)] == [((3.0,), (30.0,))]
    assert held.due([], 99.0) == []


def test_the_moment_that_samples_show() -> None:
    """What has come early counts as early; without a delay the moment is now."""
    clock, facts = HeldClock(1000.0), Facts(3.0)
    facts.add([raw("client_answers", 970.0, 1.0)])
    assert SamplesClock(60.0, clock).until_s() == 940.0
    assert SamplesClock(60.0, clock).shown_at_s(facts, "client_answers") == 970.0
    assert SamplesClock(0.0, clock).shown_at_s(facts, "client_answers") == 1000.0


def test_a_series_that_comes_later_than_others_has_not_ended() -> None:
    """Within the declared delay one shard's samples may be far behind another's."""
    clock = HeldClock(1000.0)
    facts = Facts(3.0, due_s=SamplesClock(60.0, clock).due_s)
    facts.add([raw("client_streams", 999.0, 0.0, instance="early")])
    facts.add([raw("client_streams", 945.0, 7.0, instance="late")])
    assert facts.by_region("client_streams") == {REGION: 7.0}, "streams are open there"
    assert facts.total_since("client_streams", 946.0) is None
    assert facts.unseen("client_streams", REGION, 900.0) == 0
    clock.advance(10)
    facts.add([raw("client_streams", 1009.0, 0.0, instance="early")])
    assert facts.by_region("client_streams") == {REGION: 0.0}, "it should have come: it has ended"
    assert facts.unseen("client_streams", REGION, 900.0) == 7.0


def test_a_delay_is_bounded() -> None:
    """A guard that sees no sample for longer guards nothing."""
    url = "http://prometheus.example.com"
    assert PrometheusAccess(url=url).delay_s == 0.0
    assert PrometheusAccess(url=url, delay_s=300).delay_s == 300.0
    for wrong in (-1, 301, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="delay_s"):
            PrometheusAccess(url=url, delay_s=wrong)


# The guard


class Guarded:
    """A guard of two regions, whose queues are scraped once a second and shown `late_s` later."""

    def __init__(self, declared_s: float, late_s: float = DELAY_S) -> None:
        self.clock, self.late_s = HeldClock(1000.0), late_s
        self.trips: list[tuple[float, dict]] = []
        target = a_late_target(declared_s)
        (self.other,) = [name for name in target.regions if name != REGION]
        gate = CONTRACT.gates["M3"]
        self.over = float(gate.queue_age_s_max) * 4
        self.guard = DrillGuard(target, CONTRACT, gate, 60.0, self.record, self.clock)

    def record(self, event: str, **fields) -> None:
        if event != "data_lost":  # the other signals are not shown here
            self.trips.append((self.clock.now_s(), fields))

    def run(self, until_s: float, over, weight=lambda t_s: 1) -> None:
        """`over(t_s)`: whether the region's queue is over its limit; `weight(t_s)` is its own."""
        while self.clock.now_s() < until_s:
            now_s = self.clock.now_s()
            t_s = now_s - self.late_s
            fresh = [raw("queue_age", t_s, 0.0, self.other)]
            fresh.append(raw("queue_age", t_s, self.over if over(t_s) else 0.0))
            fresh.append(raw(STEERING_SIGNAL, now_s, weight(now_s)))
            fresh.append(raw(STEERING_SIGNAL, now_s, 1, self.other))
            self.guard.look(fresh, now_s)
            self.clock.advance(1.0)


@pytest.mark.parametrize(("declared_s", "trips"), [(DELAY_S, False), (0.0, True)])
def test_the_samples_of_a_dark_region_are_judged_by_the_weights_of_their_time(
    declared_s, trips
) -> None:
    """Over its limit only while it had no weight; undeclared, that is a trip, not a pass."""
    made = Guarded(declared_s)
    made.guard.arm()

    def away(t_s: float) -> bool:
        return 1100.0 <= t_s < 1200.0

    made.run(1400.0, over=lambda t_s: 1101.0 <= t_s < 1199.0, weight=lambda t_s: not away(t_s))
    assert bool(made.trips) is trips


@pytest.mark.parametrize("late_s", [0.0, 20.0, DELAY_S])
def test_a_breach_trips_the_guard_by_the_times_of_its_samples(late_s) -> None:
    """Not before `delay_s`, whether the samples come that late or sooner, and dated as they are."""
    made = Guarded(DELAY_S, late_s)
    made.guard.arm()
    made.run(1500.0, over=lambda t_s: t_s >= 1150.0)
    assert made.trips
    now_s, trip = made.trips[0]
    assert trip["t_trip"] >= 1150.0
    assert now_s == pytest.approx(trip["t_trip"] + DELAY_S, abs=2.0)


def test_what_was_scraped_before_the_guard_was_armed_trips_nothing() -> None:
    """The ramp is judged by nobody, also where its samples come while the guard is armed."""
    made = Guarded(DELAY_S)
    made.run(1100.0, over=lambda t_s: t_s < 1100.0)
    made.guard.arm()
    made.run(1300.0, over=lambda t_s: t_s < 1100.0)
    assert made.trips == []


# Watch and watchdog


class Source:
    """A metrics server that shows each second's sample `late_s` later; `ends_s`: the last one."""

    def __init__(self, clock: HeldClock, late_s: float, ends_s: float = 1e12) -> None:
        self.clock, self.late_s, self.ends_s = clock, late_s, ends_s

    def raw(self, signal, selector, window_s, at_s=None):
        newest_s = min(self.ends_s, self.clock.now_s() - self.late_s)
        if newest_s <= self.clock.now_s() - window_s:
            return []
        return [raw(signal, newest_s, 1.0)]


def lost_after_s(declared_s: float, late_s: float, ends_s: float = 1e12) -> float | None:
    """Seconds until the watch stops the drill for lost data; None: not within 300 s."""
    clock = HeldClock(1000.0)
    stop = StopFlag(clock)
    signals = {"jobs": "jobs_total"}
    poller = Poller(Source(clock, late_s, ends_s), signals, 10 + declared_s, 4 + declared_s, clock)
    watch = Watch(
        poller, dict, Facts(5.0), SimpleNamespace(add=lambda fresh: None), stop,
        poll_s=2.0, missing_s_max=30.0, required=("jobs",), delay_s=declared_s, clock=clock,
    )  # fmt: skip
    watch.require_load()
    while clock.passed_s < 300:
        watch.look()
        if stop.reason is not None:
            assert (stop.reason.by, stop.reason.verdict) == ("data_lost", "ABORTED")
            return clock.passed_s
        clock.advance(2.0)
    return None


def test_late_samples_are_no_lost_data_if_they_are_declared() -> None:
    """Undeclared they are; and samples that stay away are lost so much later."""
    assert lost_after_s(DELAY_S, DELAY_S) is None
    assert lost_after_s(0.0, DELAY_S) == pytest.approx(32.0)
    assert lost_after_s(DELAY_S, DELAY_S, ends_s=1100.0) == pytest.approx(192.0, abs=4.0)


def test_the_watchdog_reaches_back_as_far_as_samples_come_late(monkeypatch) -> None:
    """Its poller, its silence and what it keeps."""
    monkeypatch.setattr(Watch, "start", lambda self: None)
    for delay_s in (0.0, DELAY_S):
        target = a_late_target(delay_s)
        made = patrol.begin(platform_of(target), CONTRACT, "M3", 6.0, clock=HeldClock())
        poller = made.watch._poller
        assert poller.late_s == late_seconds(1.0) + delay_s
        assert poller.reach_s == 12.0 + delay_s
        assert made.facts.keep_s == KEEP_S + delay_s
        assert made.watch._delay_s == delay_s
        made.metrics.close()


# Facts, drain, dark traffic


def test_a_count_as_it_was_at_a_moment() -> None:
    """The last sample up to it, of every series; before the first one nothing is known."""
    facts = Facts(3.0, keep_s=KEEP_S + DELAY_S)
    for t_s in range(1000, 1100):
        facts.add([raw("client_connections", float(t_s), t_s - 1000.0, instance="a")])
        facts.add([raw("client_connections", float(t_s), 7.0, instance="b")])
    assert facts.total_at("client_connections", 1010.5, region=REGION) == 17.0
    assert facts.total_at("client_connections", 999.0, region=REGION) is None
    session = SimpleNamespace(facts=facts)
    assert observe.reached(session, REGION, 1010.5) == 17.0
    assert observe.reached(session, REGION) == 106.0


def test_a_drain_is_over_only_by_samples_from_after_the_request() -> None:
    """Load and every process of the region must show it; older samples show nothing."""
    facts = Facts(30.0)
    session = SimpleNamespace(facts=facts)
    facts.add([raw("client_streams", 990.0, 0.0), raw("streams_active", 990.0, 0.0, instance="a")])
    assert not observe.shown_since(session, REGION, 1000.0)
    facts.add([raw("client_streams", 1001.0, 0.0)])
    assert not observe.shown_since(session, REGION, 1000.0), "the region's own count is old"
    facts.add([raw("streams_active", 1001.0, 0.0, instance="a")])
    facts.add([raw("streams_active", 999.0, 0.0, instance="b")])
    assert not observe.shown_since(session, REGION, 1000.0), "one process is old"
    facts.add([raw("streams_active", 1001.0, 0.0, instance="b")])
    assert observe.shown_since(session, REGION, 1000.0)
    assert facts.total_since("client_streams", 1000.0) == 0.0
    assert facts.total_since("client_streams", 1001.0) is None
    assert not observe.shown_since(session, "elsewhere", 1000.0)


def test_what_contradicts_a_dark_region_is_waited_for() -> None:
    """A stream that succeeded in the hold's last second is shown after it."""
    said = [""]

    class Late(Recording):
        samples = SamplesClock(DELAY_S)

        def await_samples(self) -> None:
            said[0] = "3 streams of the load succeeded there"

    for contrary, proven in ((lambda: said[0], False), (lambda: "", True)):
        session, fault = Late(), Scripted(BITES)
        said[0] = ""
        with proofs.throughout(session, fault, contrary):
            pass
        (proof,) = [one for one in session.proofs if "looks" in one.facts]
        assert proof.proven is proven


# Quiet


class LateQuiet(QuietSession):
    """A platform whose samples come `late_s` late, behind a target that declares `declared_s`."""

    def __init__(self, show, declared_s: float, late_s: float) -> None:
        super().__init__(lambda platform, now_s: show(platform, now_s - late_s))
        self.samples = SamplesClock(declared_s, self.clock)


def quiet_finding(show, declared_s: float = 20.0) -> tuple[dict, float]:
    session = LateQuiet(show, declared_s, 20.0)
    await_quiet(session, 30.0)
    return session.findings[0], session.now - T_QUIET


T_QUIET = a_quiet().began_s


def test_quiet_is_what_samples_show_to_be_quiet() -> None:
    """A declared delay is waited for; an undeclared one is no data, and so unknown."""
    finding, took_s = quiet_finding(lambda platform, t_s: platform.quiet_at(t_s))
    assert (finding["status"], took_s) == ("pass", 50.0)
    finding, _ = quiet_finding(lambda platform, t_s: platform.quiet_at(t_s), declared_s=0.0)
    assert finding["status"] == "unknown"


def test_noise_that_is_shown_after_the_hold_is_seen() -> None:
    """A breaker that opens 28 s after the fault shows at 48 s."""

    def show(platform: Scraped, t_s: float) -> None:
        platform.quiet_at(t_s)
        value = 1.0 if T_QUIET + 15 <= t_s < T_QUIET + 28 else 0.0
        platform.show("circuit_open", t_s, value, region=REGIONS[0], route="redis")

    finding, took_s = quiet_finding(show)
    assert finding["status"] == "pass"
    assert finding["measured"] == pytest.approx(27.5)
    assert took_s > 50.0


# The end


def test_the_guard_sees_to_the_end_of_what_it_guards(back, judged) -> None:
    """The duty ends `delay_s` later; a trip meanwhile passes nothing and ends the wait."""
    made = Made()
    made.session.samples = SamplesClock(DELAY_S, made.clock)
    disarmed: list[float] = []
    made.session.guards = (SimpleNamespace(disarm=lambda: disarmed.append(made.clock.at_s)),)
    assert finish.passed_so_far(made.session)
    assert disarmed[0] >= DELAY_S
    assert made.clock.at_s >= 2 * DELAY_S, "the load's last counts are waited for too"

    made = Made()
    made.session.samples = SamplesClock(DELAY_S, made.clock)
    sleep = made.clock.sleep

    def trips(seconds: float) -> None:
        sleep(seconds)
        if made.clock.at_s >= 30 and not made.stop.is_set:
            made.stop.set(StopReason("trigger:queue_age", "FAIL", "over", made.clock.at_s))

    made.clock.sleep = trips
    assert not finish.passed_so_far(made.session)
    assert [fields["by"] for event, fields in made.events if event == "stopped"] == [
        "trigger:queue_age"
    ]


def test_streams_have_ended_when_samples_from_after_the_order_say_so() -> None:
    """None is known until then; the bound is longer by the delay."""
    made = Made()
    made.session.samples = SamplesClock(DELAY_S, made.clock)
    facts = Facts(1000.0)
    facts.add([raw("client_streams", -1.0, 0.0)])
    made.session.facts = facts
    finish.end_measuring(made.session)
    assert made.clock.at_s >= 31.0 + DELAY_S


# A region that is started


class Limits:
    """What the region's stream limit was, by (moment, value), shown `late_s` later."""

    def __init__(self, clock: HeldClock, late_s: float) -> None:
        self.clock, self.late_s = clock, late_s
        self.points: list[tuple[float, float]] = []

    def raw(self, signal, selector, window_s, at_s=None):
        now_s = self.clock.now_s()
        shown = [(t, v) for t, v in self.points if now_s - window_s < t <= now_s - self.late_s]
        if not shown:
            return []
        labels = {"region": REGION, "instance": "a"}
        times, values = zip(*shown, strict=True)
        return [RawSeries(signal, "limit", labels, times, values)]


class Started(RegionPower):
    """A region that answers; its power port shows nothing."""

    def ready(self) -> bool:
        return True


@pytest.mark.parametrize(("comes_back_with", "back_at_last"), [(300.0, True), (150.0, False)])
def test_a_region_has_its_room_back_by_samples_from_after_its_start(
    comes_back_with, back_at_last
) -> None:
    """Samples of before the fault still come: they would show it whole."""
    clock = HeldClock(1000.0)
    limits = Limits(clock, DELAY_S)
    platform = replace(platform_of(a_late_target(), clock), metrics=limits)
    fault = Started(platform, REGION, streams_limit=300.0)
    fault.power = SimpleNamespace(
        state=lambda before: None, start=lambda before: None, timeout_s=1.0, ready_s_max=1.0
    )
    limits.points = [(float(t), 300.0) for t in range(900, 1000)]
    fault.revert()
    seen = []
    while clock.passed_s < fault.back_s_max:
        clock.advance(1.0)
        limits.points.append((clock.now_s(), comes_back_with))
        seen.append(fault.look_back()[0].ok)
    assert not any(seen[: int(DELAY_S) - 1]), "old samples are not believed"
    assert seen[-1] is back_at_last


def test_a_started_region_whose_samples_never_come_has_no_known_room() -> None:
    """Its power port's own count decides then, and the room is unknown: no pass."""
    clock = HeldClock(1000.0)
    platform = replace(platform_of(a_late_target(), clock), metrics=Limits(clock, DELAY_S))
    fault = Started(platform, REGION, streams_limit=300.0)
    with pytest.raises(FaultError, match="no current series"):
        fault._room.now()
    assert fault.room() == (300.0, None)


# Promotion


class Promoted:
    """A promotion on a platform whose samples come 120 s late."""

    def __init__(self, declared_s: float, platform: Platform, late_s: float = 120.0) -> None:
        self.clock = HeldClock(T0)
        self.weights = {EAST: 50, WEST: 50}
        self.watch = PromotionWatch(
            rules(),
            lambda: platform.series(self.clock.now_s() - T0 - late_s),
            lambda: self.weights,
            15.0,
            T0,
            clock=self.clock,
            delay_s=declared_s,
        )

    def go(self, until_s: float):
        answer = None
        while self.clock.passed_s < until_s:
            self.clock.advance(30.0)
            answer = self.watch.look()
        assert answer is not None
        return answer


def test_a_promotion_judges_up_to_the_moment_that_samples_show() -> None:
    """Held once all of the time is shown; undeclared it is unknown."""
    made = Promoted(120.0, Platform())
    assert made.go(660).state == "unknown"
    answer = made.go(780)
    assert (answer.state, answer.end_s) == ("held", T0 + 660)
    undeclared = Promoted(0.0, Platform()).go(1200)
    assert undeclared.state == "unknown"
    assert any("no sample of" in why for why in undeclared.unknown)


def test_a_promotion_rolls_back_a_breach_that_is_shown_late() -> None:
    """As soon as the samples are there."""
    broken = Platform(bad=lambda region, s: 50.0 if region == WEST and s >= 300 else 0.0)
    assert Promoted(120.0, broken).go(1300).state == "roll_back"


def test_a_promotion_judges_a_region_by_the_weights_of_the_samples() -> None:
    """A region that just got its weight back is dark in the samples that come now."""
    dark = Platform(bad=lambda region, s: 100.0 if region == WEST and 400 <= s < 800 else 0.0)
    states = {}
    for declared_s in (120.0, 0.0):
        made = Promoted(declared_s, dark)
        made.go(390)
        made.weights = {EAST: 100, WEST: 0}
        made.go(810)
        made.weights = {EAST: 50, WEST: 50}
        states[declared_s] = made.go(1300).state
    assert states[120.0] != "roll_back"
    assert states[0.0] != "held"


# Preflight, doctor, plan


class Newest:
    """Shows a newest sample that is `ages` old, look by look; the last one stays."""

    def __init__(self, clock: HeldClock, *ages: float | None) -> None:
        self.clock, self.ages = clock, list(ages)

    def ready(self) -> None:
        pass

    def raw(self, signal, selector, window_s, at_s=None):
        age = self.ages[0] if len(self.ages) == 1 else self.ages.pop(0)
        if age is None or age >= window_s:
            return []
        return [raw(signal, self.clock.now_s() - age, 1.0)]


def looking(declared_s: float, *ages: float | None):
    clock = HeldClock(1000.0)
    return SimpleNamespace(
        target=a_late_target(declared_s),
        plan=SimpleNamespace(contract=CONTRACT),
        metrics=Newest(clock, *ages),
        clock=clock,
        stop=StopFlag(clock),
    )


@pytest.mark.parametrize(
    ("declared_s", "ages", "says"),
    [
        (0.0, (0.4,), ""),
        (0.0, (3.9,), ""),
        (0.0, (62.3,), "set prometheus.delay_s: 63, "),
        (0.0, (4.1,), "set prometheus.delay_s: 5, "),
        (60.0, (62.3,), ""),
        (60.0, (0.4,), ""),
        (60.0, (75.2,), "the newest sample is 75.2 s old, over 64 s (prometheus.delay_s 60 and"),
        (0.0, (62.3, 2.0), ""),
        (0.0, (8.0, 12.5, 9.0), "set prometheus.delay_s: 13, "),
        (0.0, (302.0,), "prometheus.delay_s can be 300 at most"),
        (300.0, (None,), "no fresh sample of "),
        (0.0, (400.0,), "no fresh sample of "),
        (0.0, (None, 1.0), ""),
        (0.0, (-3.0,), "3 s ahead of this machine's clock"),
    ],
)
def test_preflight_measures_the_delay_and_names_the_figure(declared_s, ages, says, caplog) -> None:
    """One line; a platform that has just started, or a busy machine, gets a moment."""
    caplog.set_level(logging.INFO, "chaostoolkit")
    found = preflight.prometheus_fresh(looking(declared_s, *ages))
    assert says in found
    assert bool(found) is bool(says)
    assert "\n" not in found
    if not says:
        assert f"s old (prometheus.delay_s {declared_s:g}, " in caplog.text


def test_the_doctor_says_the_measured_delay() -> None:
    """Beside what the target says."""
    assert clocks._age(looking(60.0, 62.3)) == "62.3 s old (prometheus.delay_s 60, 64 s allowed)"
    assert clocks._age(looking(0.0, None)) == f"no sample of {late.SIGNAL}"


def test_a_plan_says_how_late_samples_come(tmp_path) -> None:
    """And nothing where they are not late."""
    for delay_s in (0, 60):
        file = document(prometheus={"delay_s": delay_s})
        lines = [one for one in _head(patient(tmp_path, file).plan) if one.startswith("samples:")]
        assert bool(lines) is bool(delay_s)
        assert all("up to 60 s late" in one for one in lines)
