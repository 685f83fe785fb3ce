"""Golden traces: each trigger fires at minute N and not before, on either side of its limit."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from muster.contract import load
from muster.guard.triggers import Declared, Guard, Trip

CONTRACT = load()
EAST, WEST = "eu-central-1", "eu-west-1"
T0 = 1_000_000.0
PER_S = 100


@dataclass
class Trace:
    """A platform of two regions, scraped once a second, pushed a second at a time."""

    tier: str = "G"
    gate: str = "M3"
    time_scale: float = 1.0
    rotation: frozenset[str] = frozenset({EAST, WEST})
    declared: list[Declared] = field(default_factory=list)
    t_s: float = T0
    trips: list[Trip] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)

    def __post_init__(self):
        self.guard = Guard(
            CONTRACT,
            CONTRACT.gates[self.gate],
            CONTRACT.tiers[self.tier],
            time_scale=self.time_scale,
            regions=(EAST, WEST),
            stale_s=4.0,
        )
        self.counters: dict[tuple[str, str, str], float] = {}
        self.gauges: dict[tuple[str, str, str], float] = {}
        for region in (EAST, WEST):
            for code in ("200", "500", "429"):
                self.counters["requests", region, code] = 5000.0
            for outcome in ("success", "http_5xx", "http_429"):
                self.counters["client_attempts", region, outcome] = 7000.0
            self.counters["streams_broken", region, ""] = 0.0
            for reason in ("redis_unavailable", "token_validation", "gateway_health"):
                self.counters["admission_failures", region, reason] = 0.0
            self.gauges["queue_age", region, ""] = 0.0
            self.gauges["circuit_open", region, "primary"] = 0.0
        self._push()

    def bad(self, region: str, per_s: float, kind: str = "5xx", side: str = "server"):
        """From now on `per_s` of the region's attempts are bad."""
        self.rates = {**getattr(self, "rates", {}), (region, kind, side): per_s}

    def run(self, seconds: float) -> list[Trip]:
        """Let time pass; what tripped meanwhile."""
        before = len(self.trips)
        for _ in range(round(seconds)):
            self.t_s += 1
            for region in (EAST, WEST):
                self._count(region)
            self._push()
        return self.trips[before:]

    def _count(self, region: str):
        rates = getattr(self, "rates", {})
        for side, signal, good, words in (
            ("server", "requests", "200", {"5xx": "500", "429": "429"}),
            ("client", "client_attempts", "success", {"5xx": "http_5xx", "429": "http_429"}),
        ):
            bads = {kind: rates.get((region, kind, side), 0.0) for kind in words}
            for kind, bad in bads.items():
                self.counters[signal, region, words[kind]] += bad
            self.counters[signal, region, good] += PER_S - sum(bads.values())

    def _push(self):
        names = {"requests": "code", "client_attempts": "outcome", "circuit_open": "route"}
        fresh = []
        for (signal, region, part), value in {**self.counters, **self.gauges}.items():
            if signal not in self.missing and f"{signal}/{region}" not in self.missing:
                labels = {"region": region, names.get(signal, "reason"): part, "instance": "a"}
                fresh.append((signal, signal, labels, (self.t_s,), (value,)))
        self.trips += self.guard.push(
            fresh, self.t_s, rotation=self.rotation, declared=self.declared
        )

    def triggers(self) -> list[str]:
        """Names of the triggers that fired, in order."""
        return [trip.name for trip in self.trips if trip.kind == "trigger"]


def minutes(trip: Trip) -> float:
    return (trip.t_trip_s - T0) / 60


@pytest.mark.parametrize("side", ["server", "client"])
def test_5xx_over_the_limit_fires_after_five_minutes_and_not_after_four(side):
    """One part in a thousand over the limit trips at the end of the fifth window."""
    trace = Trace()
    trace.bad(WEST, 0.6, side=side)
    trace.run(4 * 60 + 30)
    assert trace.triggers() == []
    trace.run(60)
    [trip] = [trip for trip in trace.trips if trip.kind == "trigger" and trip.region == WEST]
    assert (trip.name, minutes(trip), trip.source) == ("rate_5xx", 5.0, side)
    assert len(trip.windows) == 5


def test_5xx_exactly_at_the_limit_never_fires():
    """The limit itself is allowed: 0.5 % of Tier G."""
    trace = Trace()
    trace.bad(WEST, 0.5)
    trace.run(20 * 60)
    assert trace.trips == []


def test_success_below_the_floor_fires_after_ten_minutes_and_not_after_nine():
    """429s alone bring 2xx below its floor, which fast rejects can not hide."""
    trace = Trace()
    trace.bad(WEST, 5.1, kind="429")
    trace.run(9 * 60 + 30)
    assert trace.triggers() == []
    trace.run(60)
    assert {(t.name, minutes(t)) for t in trace.trips if t.kind == "trigger"} == {
        ("success_2xx", 10.0)
    }


def test_flapping_starts_over():
    """A window under the limit between two runs of four resets the count."""
    trace = Trace()
    for _ in range(3):
        trace.bad(WEST, 5.0)
        trace.run(4 * 60)
        trace.bad(WEST, 0.0)
        trace.run(60)
    trace.run(10)
    assert trace.triggers() == []


def test_unknown_windows_neither_count_nor_reset():
    """Three windows without data in the middle: the trip comes three minutes later."""
    trace = Trace()
    trace.bad(WEST, 5.0)
    trace.run(2 * 60)
    trace.missing = {"requests"}
    trace.run(3 * 60 - 1)
    trace.missing = set()
    trace.run(2 * 60)
    assert trace.triggers() == []
    trace.run(90)
    [trip] = [trip for trip in trace.trips if trip.kind == "trigger" and trip.region == WEST]
    assert minutes(trip) == 8.0
    assert not [trip for trip in trace.trips if trip.kind == "data_lost"]


def test_the_fourth_window_without_data_is_data_lost():
    """Three unknown windows in a row are borne, the fourth is not."""
    trace = Trace()
    trace.run(60)
    trace.missing = {"requests"}
    trace.run(3 * 60 + 30)
    assert trace.trips == []
    trace.run(60)
    assert {(t.kind, t.name) for t in trace.trips} == {
        ("data_lost", "rate_5xx"),
        ("data_lost", "success_2xx"),
    }


@pytest.mark.parametrize("signal", ["queue_age", "circuit_open", "admission_failures"])
def test_a_watched_signal_that_vanishes_is_data_lost(signal):
    """A queue or circuit that nobody shows any more is unknown, never fine."""
    trace = Trace()
    trace.run(60)
    trace.missing = {f"{signal}/{WEST}"}
    trace.run(3 * 60 + 30)
    assert trace.trips == []
    trace.run(60)
    assert [(t.kind, t.name, t.region) for t in trace.trips] == [("data_lost", signal, WEST)]


def test_a_restarted_process_is_no_breach():
    """Counters that fall to zero are a new process, not minus five thousand answers."""
    trace = Trace()
    trace.run(90)
    for key in trace.counters:
        if key[1] == WEST:
            trace.counters[key] = 0.0
    trace.run(12 * 60)
    assert trace.trips == []


def test_circuit_open_longer_than_two_minutes_fires_and_two_minutes_do_not():
    """Open from one sample on: 120 s are allowed, the next sample trips."""
    trace = Trace()
    trace.run(10)
    trace.gauges["circuit_open", WEST, "primary"] = 1.0
    trace.run(121)
    assert trace.trips == []
    trace.run(1)
    [trip] = trace.trips
    assert (trip.name, trip.region, trip.measured) == ("circuit_open", WEST, 121.0)


def test_a_circuit_keeps_its_state_over_a_gap():
    """Open before and after a minute without samples: it was open all the time."""
    trace = Trace()
    trace.gauges["circuit_open", WEST, "primary"] = 1.0
    trace.run(30)
    trace.missing = {"circuit_open"}
    trace.run(90)
    trace.missing = set()
    trace.run(2)
    assert trace.triggers() == ["circuit_open"]


def test_a_circuit_that_closes_starts_over():
    """Flapping every 100 s is never open for 120 s."""
    trace = Trace()
    for _ in range(5):
        trace.gauges["circuit_open", WEST, "primary"] = 1.0
        trace.run(100)
        trace.gauges["circuit_open", WEST, "primary"] = 0.0
        trace.run(1)
    assert trace.trips == []


@pytest.mark.parametrize(("age_s", "trips"), [(30.0, []), (30.1, ["queue_age"])])
def test_queue_age_over_the_limit_stops_the_drill_at_once(age_s, trips):
    """The gate's own 30 s: at the limit is allowed."""
    trace = Trace()
    trace.gauges["queue_age", WEST, ""] = age_s
    trace.run(5)
    assert [trip.name for trip in trace.trips if trip.kind == "limit"] == trips


def test_queue_age_trigger_fires_after_ten_minutes_over():
    """Over for 600 s is allowed, 601 s trip."""
    trace = Trace()
    trace.gauges["queue_age", WEST, ""] = 31.0
    trace.run(601)
    assert trace.triggers() == []
    trace.run(1)
    assert trace.triggers() == ["queue_age"]


def test_a_gap_does_not_lengthen_a_queue_over_its_limit():
    """What the queue did while nobody looked is unknown: it neither counts nor resets."""
    trace = Trace()
    trace.gauges["queue_age", WEST, ""] = 31.0
    trace.run(301)
    trace.missing = {"queue_age"}
    trace.run(100)
    trace.missing = set()
    trace.run(300)
    assert trace.triggers() == []
    trace.run(3)
    assert trace.triggers() == ["queue_age"]


def test_hard_failures_without_a_cause_fire_after_a_minute():
    """Increasing for 60 s is allowed, still increasing at 61 s is unresolved."""
    trace = Trace()
    key = ("admission_failures", WEST, "token_validation")
    for second in range(62):
        trace.counters[key] += 1
        trace.run(1)
        assert trace.triggers() == ([] if second < 61 else ["hard_failure:token_validation"])


def test_single_hard_failures_far_apart_are_resolved():
    """One failure in two minutes is a row of resolved ones."""
    trace = Trace()
    for _ in range(10):
        trace.counters["admission_failures", WEST, "token_validation"] += 1
        trace.run(120)
    assert trace.trips == []


def test_what_a_declared_fault_must_cause_is_recorded_and_does_not_trip():
    """Redis is away on purpose: its failures are expected until a minute after the revert."""
    trace = Trace()
    key = ("admission_failures", WEST, "redis_unavailable")
    expects = ("admission_failures:redis_unavailable",)
    trace.declared = [Declared("redis_outage", WEST, expects, T0)]
    for _ in range(180):
        trace.counters[key] += 5
        trace.run(1)
    reverted_s = trace.t_s
    trace.declared = [Declared("redis_outage", WEST, expects, T0, reverted_s)]
    for _ in range(60):
        trace.counters[key] += 5
        trace.run(1)
    assert trace.trips == []
    assert [trip.name for trip in trace.guard.expected] == ["hard_failure:redis_unavailable"]
    trace.counters[key] += 5
    trace.run(1)
    assert trace.triggers() == ["hard_failure:redis_unavailable"]


def test_the_same_failure_in_another_region_trips():
    """What is declared for one region excuses no other."""
    trace = Trace()
    trace.declared = [Declared("redis_outage", WEST, ("admission_failures:redis_unavailable",), T0)]
    for _ in range(62):
        trace.counters["admission_failures", EAST, "redis_unavailable"] += 1
        trace.run(1)
    assert trace.triggers() == ["hard_failure:redis_unavailable"]


def test_a_region_out_of_rotation_trips_nothing():
    """An evacuated region may be as broken as it likes."""
    trace = Trace(rotation=frozenset({EAST}))
    trace.bad(WEST, 100.0)
    trace.bad(WEST, 100.0, side="client")
    trace.gauges["queue_age", WEST, ""] = 100.0
    trace.missing = {f"circuit_open/{WEST}"}
    trace.run(12 * 60)
    assert trace.trips == []


def test_attempts_that_reach_no_region_count():
    """With the names unresolvable no region sees a failure, but the clients do."""
    trace = Trace()
    key = ("client_attempts", "unknown", "refused")
    trace.counters[key] = 0.0
    trace.run(1)
    for _ in range(6 * 60):
        trace.counters[key] += 20
        trace.run(1)
    first = next(trip for trip in trace.trips if trip.kind == "trigger")
    assert (first.name, first.region, first.source) == ("rate_5xx", None, "client")


def test_the_drills_own_limit_stops_sooner_than_the_trigger():
    """Two windows over the limit end a drill; the trigger asks for five."""
    trace = Trace()
    trace.bad(WEST, 5.0)
    trace.run(60 + 30)
    assert trace.trips == []
    trace.run(60)
    assert [(t.kind, t.name, minutes(t)) for t in trace.trips] == [("limit", "rate_5xx", 2.0)]


def test_a_limit_trips_on_no_single_bad_answer_of_a_few():
    """One bad answer of fifty shows nothing about half a percent."""
    guard = Trace()
    for key in list(guard.counters):
        if key[0] in ("requests", "client_attempts"):
            del guard.counters[key]
    for count in range(1, 8):
        guard.counters["requests", WEST, "200"] = 49.0 * count
        guard.counters["requests", WEST, "500"] = float(count)
        for _ in range(60):
            guard.t_s += 1
            guard._push()
    assert not [trip for trip in guard.trips if trip.kind == "limit"]


def test_time_scale_shortens_lengths_and_no_threshold():
    """Six times as fast: five windows of 10 s, two minutes of circuit in 20 s, 30 s stay 30 s."""
    trace = Trace(time_scale=6.0)
    trace.bad(WEST, 0.6)
    trace.gauges["queue_age", WEST, ""] = 29.0
    trace.run(49)
    assert trace.triggers() == []
    trace.run(10)
    assert trace.triggers() == ["rate_5xx"]
    trace.gauges["circuit_open", EAST, "primary"] = 1.0
    trace.run(22)
    assert trace.triggers() == ["rate_5xx", "circuit_open"]


def test_a_trip_says_what_was_measured_against_what():
    """The share of good ones against the floor, in percent, of the last window."""
    trace = Trace()
    trace.bad(WEST, 6.0, kind="429")
    trace.run(3 * 60)
    trip = next(trip for trip in trace.trips if trip.name == "success_2xx")
    assert (trip.measured, trip.threshold, trip.unit) == (94.0, 95.0, "%")
    assert trip.detail == (
        f"below 95 % for 2 windows in a row in {WEST} by the server's counts; "
        "last: 94 % of 6000 attempts"
    )


def queue_of_two(first, second):
    """Trips of one region's queue, from (time, age) of two gateways."""
    guard = Guard(CONTRACT, CONTRACT.gates["M3"], CONTRACT.tiers["G"], 1.0, (WEST,), 4.0)
    trips = []
    points = sorted([(t, "a", age) for t, age in first] + [(t, "b", age) for t, age in second])
    for t, instance, age in points:
        labels = {"region": WEST, "instance": instance}
        fresh = [("queue_age", "q", labels, (t,), (age,))]
        trips += guard.push(fresh, t, rotation=frozenset({WEST}), declared=[])
    return [trip.name for trip in trips if trip.kind == "trigger"]


def test_the_oldest_job_of_all_gateways_counts():
    """One gateway's queue is over its limit for five minutes, then another's for six."""
    first = [(float(t), 40.0 if t < 300 else 0.0) for t in range(700)]
    second = [(t + 0.5, 40.0 if t >= 299 else 0.0) for t in range(700)]
    assert queue_of_two(first, second) == ["queue_age"]
    apart = [(t + 0.5, 40.0 if t >= 310 else 0.0) for t in range(700)]
    assert queue_of_two(first, apart) == []


def test_a_gateway_that_is_gone_holds_no_queue():
    """Its last age, over the limit, is not held against the region for ever."""
    first = [(float(t), 40.0) for t in range(5)]
    second = [(t + 0.5, 0.0) for t in range(700)]
    assert queue_of_two(first, second) == []


def test_a_gap_as_long_as_a_sample_may_be_old_still_counts():
    """Four seconds between scrapes: the queue was over its limit all the time."""
    steps = [(4.0 * step, 40.0) for step in range(160)]
    assert queue_of_two(steps, []) == ["queue_age"]
    wider = [(4.5 * step, 40.0) for step in range(160)]
    assert queue_of_two(wider, []) == []


def test_a_trigger_counts_every_window_however_few_its_attempts():
    """One 5xx of a hundred a minute, five minutes long: too few for a limit, not for a trigger."""
    trace = Trace()
    for key in list(trace.counters):
        if key[0] in ("requests", "client_attempts"):
            del trace.counters[key]
    trace.counters["requests", WEST, "429"] = 5000.0
    for minute in range(7):
        trace.counters["requests", WEST, "200"] = 99.0 * minute
        trace.counters["requests", WEST, "500"] = 1.0 * minute
        for _ in range(60):
            trace.t_s += 1
            trace._push()
    fired = [(t.kind, t.name) for t in trace.trips if t.region == WEST and t.source == "server"]
    assert fired == [("trigger", "rate_5xx")]


def push(guard, t, rows):
    """One scrape of `requests`: (instance, code, value)."""
    fresh = [
        ("requests", "r", {"region": WEST, "instance": instance, "code": code}, (t,), (value,))
        for instance, code, value in rows
    ]
    return guard.push(fresh, t, rotation=frozenset({WEST}), declared=[])


def test_a_process_that_comes_into_sight_hides_no_breach():
    """Its million answers of yesterday are none of this minute: unknown, and the count goes on."""
    guard = Guard(CONTRACT, CONTRACT.gates["M3"], CONTRACT.tiers["G"], 1.0, (WEST,), 4.0)
    trips = []
    for second in range(8 * 60):
        rows = [("a", "200", 90.0 * second), ("a", "500", 10.0 * second)]
        if second >= 150:
            rows.append(("b", "200", 1e6 + 10 * second))
        trips += push(guard, T0 + second, rows)
    [trip] = [t for t in trips if (t.kind, t.name, t.source) == ("trigger", "rate_5xx", "server")]
    assert minutes(trip) == 6.0


def test_a_counter_that_stops_while_its_process_goes_on_is_unknown():
    """Its failures are not zero because nobody shows them any more."""
    guard = Guard(CONTRACT, CONTRACT.gates["M3"], CONTRACT.tiers["G"], 1.0, (WEST,), 4.0)
    trips = []
    for second in range(8 * 60):
        rows = [("a", "200", 90.0 * second)]
        if second < 100:
            rows.append(("a", "500", 10.0 * second))
        trips += push(guard, T0 + second, rows)
    lost = [t for t in trips if (t.kind, t.name, t.source) == ("data_lost", "rate_5xx", "server")]
    assert [minutes(trip) for trip in lost] == [5.0]


def test_a_process_that_is_gone_is_left_out_of_later_windows():
    """Rolling out: the old one's last minute is unknown, then the new one counts alone."""
    guard = Guard(CONTRACT, CONTRACT.gates["M3"], CONTRACT.tiers["G"], 1.0, (WEST,), 4.0)
    trips = []
    for second in range(10 * 60):
        rows = [("b", "200", 50.0 * second), ("b", "500", 5.0 * second)]
        if second < 100:
            rows += [("a", "200", 50.0 * second), ("a", "500", 5.0 * second)]
        trips += push(guard, T0 + second, rows)
    [trip] = [t for t in trips if (t.kind, t.name, t.source) == ("trigger", "rate_5xx", "server")]
    assert minutes(trip) == 6.0
    assert not [
        t for t in trips if t.kind == "data_lost" and t.name == "rate_5xx" and t.source == "server"
    ]


def test_a_breach_that_a_fault_must_cause_is_told_as_expected_window_by_window():
    """Regions by themselves; when it is over, five windows count from there."""
    trace = Trace()
    trace.declared = [Declared("redis_outage", WEST, ("rate_5xx",), T0)]
    trace.bad(WEST, 5.0)
    trace.run(6 * 60 + 10)
    assert trace.trips == []
    told = [t for t in trace.guard.expected if t.region == WEST and t.kind == "trigger"]
    assert [(t.name, minutes(t), len(t.windows)) for t in told] == [
        ("rate_5xx", float(minute), 1) for minute in range(1, 7)
    ]
    assert all(trip.expected for trip in told)
    assert told[0].detail == (
        f"over 0.5 % for a window in {WEST} by the server's counts; last: 5 % of 6000 attempts"
    )


def test_lost_data_says_which_windows_of_whom():
    """And the limits say nothing of it: once is enough."""
    trace = Trace()
    trace.run(60)
    trace.missing = {f"requests/{WEST}"}
    trace.run(4 * 60 + 30)
    [rate, _] = trace.trips
    assert (rate.region, rate.source, rate.windows) == (WEST, "server", ((T0 + 240, T0 + 300),))
    assert rate.detail == "rate_5xx: 4 windows in a row without data from the server"
    assert not rate.expected


def test_a_region_that_was_out_of_rotation_begins_anew():
    """Four windows over, a minute out, four more: nothing fires."""
    trace = Trace()
    trace.bad(WEST, 5.0)
    trace.run(4 * 60 + 10)
    trace.rotation = frozenset({EAST})
    trace.run(2 * 60)
    trace.rotation = frozenset({EAST, WEST})
    trace.run(5 * 60)
    assert "rate_5xx" not in [t.name for t in trace.trips if t.kind == "trigger" and t.region]
