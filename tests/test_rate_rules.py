"""Rate triggers window by window: few attempts, expected breaches, new series and late ones."""

from __future__ import annotations

import pytest
from test_triggers import EAST, WEST

from muster.contract import load
from muster.guard.rate_guard import RateGuard
from muster.guard.rate_triggers import RateRule, WindowCounts, tolerated
from muster.guard.sample_triggers import OverFor
from muster.guard.trips import Declared
from muster.samples.streaming import CounterStream

CONTRACT = load()
G = CONTRACT.tiers["G"]
LIMIT = tolerated(G, "rate_5xx")


def rule(*windows, kind="limit", slo="rate_5xx", count=2, expected=(), region=WEST):
    """(bad, total) of each minute to the trips, with the number of the window that they end."""
    one = RateRule(slo, kind, count, 3)
    found = []
    for number, (bad, total) in enumerate(windows):
        bads = {"rate_5xx": bad, "success_2xx": bad}
        counts = WindowCounts(region, "server", 60.0 * number, 60.0 * number + 60, total, bads)
        trips = one.window(counts, tolerated(G, slo), number in expected)
        found += [(number, trip) for trip in trips]
    return found


def when(*windows, **options):
    return [(number, trip.kind) for number, trip in rule(*windows, **options)]


BREACH, GOOD, FEW, NONE, UNKNOWN = (60, 6000), (0, 6000), (1, 50), (0, 0), (None, 6000)


def test_a_limit_is_neither_counted_nor_started_over_by_a_window_of_few():
    """Nor by one without attempts, nor by an unknown one; a good one starts it over."""
    for between in (FEW, NONE, UNKNOWN, (60, None)):
        assert when(BREACH, between, BREACH) == [(2, "limit")]
    assert when(BREACH, GOOD, BREACH) == []
    assert when(BREACH, BREACH, BREACH) == [(1, "limit")]
    assert when(BREACH, BREACH, GOOD, BREACH, BREACH) == [(1, "limit"), (4, "limit")]
    assert when((2, 50), (2, 50)) == [(1, "limit")]


def test_a_trigger_takes_the_share_of_however_few():
    """One of fifty is over half a percent; at the limit is none."""
    assert when(FEW, FEW, kind="trigger") == [(1, "trigger")]
    assert when((30, 6000), (30, 6000), kind="trigger") == []
    assert when((31, 6000), (31, 6000), kind="trigger") == [(1, "trigger")]


def test_a_trigger_is_not_started_over_by_a_window_without_attempts():
    """One attempt is one, and counts."""
    assert when(BREACH, NONE, BREACH, kind="trigger") == [(2, "trigger")]
    assert when(BREACH, (1, 1), kind="trigger") == [(1, "trigger")]
    assert when(BREACH, (0, 1), BREACH, kind="trigger") == []


def test_a_rule_remembers_no_more_windows_than_trip_it():
    """However long the breach lasts, from the first window on or after a good one."""
    one = RateRule("rate_5xx", "trigger", 2, 3)
    for number in range(20):
        bads = {"rate_5xx": float(number != 9)}
        counts = WindowCounts(WEST, "server", 60.0 * number, 60.0 * number + 60, 10.0, bads)
        list(one.window(counts, LIMIT, expected=False))
        assert len(one._runs[WEST, "server"].seen) <= 2


def test_the_fourth_window_without_data_is_told_once_and_by_the_trigger():
    """The limit has the same windows; a window with data starts the count over."""
    lost = [UNKNOWN] * 6
    assert when(*lost, kind="trigger", count=5) == [(3, "data_lost")]
    assert when(*lost) == []
    again = [*lost[:3], GOOD, *lost[:3], NONE, *lost[:3]]
    assert when(*again, kind="trigger", count=5) == []
    [(_, trip)] = rule(*lost, kind="trigger", count=5)
    assert (trip.name, trip.region, trip.t_trip_s) == ("rate_5xx", WEST, 240.0)
    assert (trip.windows, trip.source) == (((180.0, 240.0),), "server")
    assert trip.detail == "rate_5xx: 4 windows in a row without data from the server"


def test_a_breach_that_a_fault_must_cause_is_told_and_left_out():
    """It neither counts nor starts over; a window that holds is not told."""
    found = rule(BREACH, BREACH, BREACH, expected=(1,))
    assert [(n, trip.expected) for n, trip in found] == [(1, True), (2, False)]
    (_, first), (_, second) = found
    assert first.windows == ((60.0, 120.0),)
    assert second.windows == ((0.0, 60.0), (120.0, 180.0))
    assert "for a window in" in first.detail
    assert rule(BREACH, GOOD, BREACH, expected=(1,))[0][0] == 2


@pytest.mark.parametrize(
    ("slo", "measured", "threshold", "side"),
    [("rate_5xx", 33.3333, 0.5, "over"), ("success_2xx", 66.6667, 95.0, "below")],
)
def test_a_trip_says_what_was_measured(slo, measured, threshold, side):
    """Of its last window, to four digits; of all regions together it names none."""
    [(_, trip)] = rule((9, 9), (3, 9), kind="trigger", slo=slo)
    assert (trip.name, trip.measured, trip.threshold, trip.unit) == (slo, measured, threshold, "%")
    assert (trip.region, trip.source, trip.t_trip_s) == (WEST, "server", 120.0)
    assert trip.detail.startswith(f"{side} {threshold:g} % for 2 windows in a row in {WEST} by the")
    assert trip.detail.endswith(f"server's counts; last: {measured:.3g} % of 9 attempts")
    [(_, trip)] = rule((9, 9), (3, 9), kind="trigger", slo=slo, region=None)
    assert "in a row by the server's counts" in trip.detail


# From counters to windows


def guard(*regions):
    return RateGuard(CONTRACT, G, regions or (WEST,), 4.0, 60.0)


def minutes(rates, series, count, kept=frozenset({WEST}), declared=()):
    """(minute, kind, name, region, source) of each trip; `series` gives what a second shows."""
    found = []
    for minute in range(count):
        for t in range(60 * minute + (minute > 0), 60 * minute + 61):
            for signal, labels, value in series(t):
                rates.add(signal, signal, labels, [float(t)], [value])
        trips = rates.close(60.0 * minute, 60.0 * minute + 60, kept, declared)
        found += [
            (minute + 1, "expected" if t.expected else t.kind, t.name, t.region, t.source)
            for t in trips
        ]
    return found


def triggers(found, name="rate_5xx"):
    return [row for row in found if row[1:3] == ("trigger", name)]


def labels(part, instance="a", region=WEST, key="code"):
    return {"region": region, "instance": instance, key: part}


def test_a_new_label_of_a_known_process_began_at_zero_however_high_it_stands():
    """50 errors in its first scrape are errors of that minute."""

    def series(t):
        yield "requests", labels("200"), 1000.0 + 10 * t
        if t >= 30:
            yield "requests", labels("500"), 50.0 + (t - 30) // 2

    assert triggers(minutes(guard(), series, 5)) == [(5, "trigger", "rate_5xx", WEST, "server")]


def test_the_first_series_of_a_signal_has_an_unknown_past():
    """Another signal that was scraped before is no sibling of it."""

    def series(t):
        yield "client_attempts", labels("success", key="outcome"), 10.0 * t
        if t >= 50:
            yield "requests", labels("500"), 9.0 + (t - 50)

    assert triggers(minutes(guard(), series, 5)) == []
    assert triggers(minutes(guard(), series, 6)) == [(6, "trigger", "rate_5xx", WEST, "server")]


def test_a_counter_without_a_sample_is_none_yet():
    """It does not make its siblings late, nor its process known."""
    rates = guard()
    rates.add("requests", "r", labels("200"), [], [])
    rates.add("requests", "r", labels("500"), [1.0, 60.0], [5.0, 9.0])
    assert list(rates.close(0.0, 60.0, frozenset({WEST}), ())) == []
    assert len(rates._series) == 1


@pytest.mark.parametrize(
    ("signal", "good", "bad", "key"),
    [
        ("requests", "200", "500", "code"),
        ("client_attempts", "success", "timeout", "outcome"),
    ],
)
def test_breaches_before_a_region_left_do_not_count_after_its_return(signal, good, bad, key):
    """Four, one window out of rotation, four: no five in a row, in no source and for no region."""
    rates = guard()
    found = []
    for minute in range(10):
        for t in range(60 * minute + (minute > 0), 60 * minute + 61):
            rates.add(signal, signal, labels(good, key=key), [float(t)], [10.0 * t])
            rates.add(signal, signal, labels(bad, key=key), [float(t)], [1.0 * t])
        kept = frozenset() if minute == 4 else frozenset({WEST})
        found += [
            (minute + 1, trip.region, trip.source)
            for trip in rates.close(60.0 * minute, 60.0 * minute + 60, kept, ())
            if (trip.kind, trip.name) == ("trigger", "rate_5xx")
        ]
    source = "server" if signal == "requests" else "client"
    groups = [WEST] if source == "server" else [None, WEST]
    assert found == [(10, region, source) for region in groups]


def test_an_attempt_to_an_unknown_region_counts_among_all():
    """One to a region out of rotation does not."""

    def series(t):
        yield "client_attempts", labels("success", key="outcome"), 10.0 * t
        yield "client_attempts", labels("refused", region="unknown", key="outcome"), 1.0 * t
        yield "client_attempts", labels("timeout", region=EAST, key="outcome"), 5.0 * t
        yield "requests", labels("200"), 10.0 * t

    found = triggers(minutes(guard(WEST, EAST), series, 5))
    assert found == [(5, "trigger", "rate_5xx", None, "client")]


@pytest.mark.parametrize(("per_s", "trips"), [(5.1, True), (5.0, False)])
def test_a_stream_that_was_cut_was_a_200_and_is_no_success(per_s, trips):
    """It is no attempt of its own: 5.1 of 100 are under the floor, 5.1 of 105.1 are not."""

    def series(t):
        yield "requests", labels("200"), 100.0 * t
        yield "streams_broken", labels("", key="job"), per_s * t

    found = triggers(minutes(guard(), series, 10), "success_2xx")
    assert found == ([(10, "trigger", "success_2xx", WEST, "server")] if trips else [])
    assert triggers(minutes(guard(), series, 10)) == []


@pytest.mark.parametrize("code", [None, "", "0", "4xx", "UNAVAILABLE", "2000", "999"])
def test_an_answer_without_a_status_code_is_unknown(code):
    """It could be a failure; an attempt without an outcome is no success."""

    def series(t):
        yield "requests", labels("200"), 1000.0 * t
        yield "requests", labels("a", key="path") if code is None else labels(code), 10.0 * t
        yield "client_attempts", labels("a", key="path"), 10.0 * t

    found = minutes(guard(), series, 10)
    server = [row for row in found if row[4] == "server"]
    assert server == [(4, "data_lost", slo, WEST, "server") for slo in ("rate_5xx", "success_2xx")]
    client = {row[3:] for row in triggers(found, "success_2xx")}
    assert client == {(WEST, "client"), (None, "client")}


def test_a_code_that_is_none_and_never_counted_changes_nothing():
    """A series that stood there before the drill says nothing of it."""

    def series(t):
        yield "requests", labels("200"), 100.0 * t
        yield "requests", labels("0"), 70.0

    assert [row for row in minutes(guard(), series, 10) if row[4] == "server"] == []


@pytest.mark.parametrize(
    ("expects", "declared_s", "excused", "minute"),
    [
        ("rate_5xx", 0.0, [1, 2, 3, 4, 5], None),
        ("success_2xx", 0.0, [], 5),
        ("rate_5xx", 200.0, [4, 5], None),
        ("rate_5xx", 300.0, [], 5),
    ],
)
def test_a_window_in_which_a_fault_must_cause_it_is_left_out(expects, declared_s, excused, minute):
    """Declared before or within it, and not at its very end."""

    def series(t):
        yield "requests", labels("200"), 10.0 * t
        yield "requests", labels("500"), 1.0 * t
        yield "client_attempts", labels("success", key="outcome"), 10.0 * t

    fault = Declared("f", WEST, (expects,), declared_s)
    found = minutes(guard(), series, 5, declared=(fault,))
    assert [row[0] for row in triggers(found)] == ([] if minute is None else [minute])
    told = {row[0] for row in found if row[1:3] == ("expected", "rate_5xx")}
    assert sorted(told) == excused


def beside_a_breach(other):
    """In which minute a process that fails one in ten trips, beside what another one shows."""

    def series(t):
        yield "requests", labels("200"), 9.0 * t
        yield "requests", labels("500"), 1.0 * t
        value = other(t)
        if value is not None:
            yield "requests", labels("200", "b"), value

    return [minute for minute, *_ in triggers(minutes(guard(), series, 9))]


def test_a_process_that_is_gone_is_left_out_of_later_windows():
    """Its own last window stays unknown: the second one for 56 s, the first one for 55 s."""
    assert beside_a_breach(lambda t: None) == [5]
    assert beside_a_breach(lambda t: 10.0 * t if t <= 56 else None) == [6]
    assert beside_a_breach(lambda t: 10.0 * t if t <= 55 else None) == [6]


@pytest.mark.parametrize(("start_s", "kept"), [(60.0, ["a"]), (60.5, ["a", "b"])])
def test_a_process_is_left_out_only_where_its_region_was_seen_since(start_s, kept):
    """At the window's start at the latest; a region that fell silent as a whole is unknown."""
    rates = guard()
    rates.add("requests", "r", labels("200", "a"), [0.0, 60.0], [0.0, 9.0])
    rates.add("requests", "r", labels("200", "b"), [0.0, 50.0], [0.0, 9.0])
    rates._drop_gone(start_s)
    assert [one.process[2] for one in rates._series.values()] == kept


def test_each_judged_window_is_told_with_its_counts():
    """Of a region by the platform and by the load, and of all by the load."""
    told = []
    rates = RateGuard(CONTRACT, G, (WEST,), 4.0, 60.0, told.append)
    for signal, part in (("requests", labels("200")), ("requests", labels("500"))):
        rates.add(signal, signal, part, [0.0, 60.0], [0.0, 30.0])
    assert list(rates.close(0.0, 60.0, frozenset({WEST}), ())) == []
    assert [(one.region, one.source, one.total) for one in told] == [
        (None, "client", None),
        (WEST, "client", None),
        (WEST, "server", 60.0),
    ]
    assert told[-1].bad == {"rate_5xx": 30.0, "success_2xx": 30.0}
    assert (told[-1].start_s, told[-1].end_s) == (0.0, 60.0)


def test_a_process_that_comes_back_is_believed_as_any_that_was_never_seen():
    """A million that it counted out of sight does not make good what fails meanwhile."""
    back = beside_a_breach(lambda t: 10.0 * t if t <= 55 else 1e6 + t if t >= 200 else None)
    assert back == [7]
    new = beside_a_breach(lambda t: 10.0 * t if t <= 55 else 1.0 * (t - 200) if t >= 200 else None)
    assert new == [6]


def test_a_region_of_which_nobody_shows_a_counter_is_unknown():
    """Never shown is not without attempts."""

    def series(t):
        yield "client_attempts", labels("success", key="outcome"), 10.0 * t

    found = minutes(guard(), series, 4)
    assert {row[1:3] + row[4:] for row in found} == {
        ("data_lost", "rate_5xx", "server"),
        ("data_lost", "success_2xx", "server"),
    }


# Streams of samples


def test_a_restart_is_seen_by_the_first_sample_after_the_gap():
    """However far the new process has come since."""
    stream = CounterStream(began_at_zero=False, stale_s=4.0)
    stream.add([0.0], [5.0])
    stream.close(0.0, 20.0)
    stream.add([30.0, 38.0, 40.0], [3.0, 8.0, 9.0])
    assert stream.close(20.0, 40.0) == 9.0


def stream(*chunks, began_at_zero=False):
    one = CounterStream(began_at_zero=began_at_zero, stale_s=4.0)
    for t_s, values in chunks:
        one.add(t_s, values)
    return one


def test_samples_come_in_any_order_and_the_first_of_a_time_counts():
    """Also before the first window closed; None and NaN are left out."""
    nan = float("nan")
    for chunks in (
        [([0.0, 2.0, 1.0], [0.0, 20.0, 10.0])],
        [([2.0], [20.0]), ([0.0], [0.0])],
        [([0.0, 2.0], [0.0, 20.0]), ([2.0, 3.0], [99.0, 30.0])],
        [([0.0, 1.0, 2.0], [0.0, None, 20.0])],
        [([0.0, 2.0], [0.0, 20.0]), ([2.5], [nan])],
        [([0.0, 2.0], [0.0, 20.0]), ([2.5], [None]), ([3.0], [30.0])],
    ):
        assert stream(*chunks).close(0.0, 2.0) == 20.0
    late = stream(([0.0, 1.0, 2.0], [0.0, 10.0, 20.0]))
    assert late.close(0.0, 2.0) == 20.0
    late.add([0.5, 3.0], [5.0, 30.0])
    assert (late.close(2.0, 3.0), late.newest_s) == (10.0, 3.0)
    unknown = stream(([0.0, 2.0], [0.0, 20.0]), ([2.5], [nan]))
    assert unknown.close(0.0, 3.0) == 20.0


def test_a_process_never_seen_before_must_look_like_a_new_one():
    """Unless who makes the stream says that it was seen."""
    old = stream(([10.0, 20.0], [1e6, 1e6 + 5]), began_at_zero=True)
    assert old.close(0.0, 20.0) is None
    new = stream(([10.0, 20.0], [5.0, 9.0]), began_at_zero=True)
    assert new.close(0.0, 20.0) == 9.0


def test_a_gateway_counts_beside_one_that_is_gone():
    """One fell silent five seconds ago, another four."""
    one = OverFor(30.0, 0.0, 4.0)
    one.sample(5.0, "a", 90.0, False)
    one.sample(6.0, "b", 50.0, False)
    one.sample(10.0, "c", 0.0, False)
    assert one.over
    one.sample(10.5, "c", 0.0, False)
    assert not one.over
