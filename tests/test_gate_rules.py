"""A gate's own rules to the second: gaps, first samples, dark regions, minutes that nobody saw."""

from __future__ import annotations

import pytest
from test_evaluate import CONTRACT, samples_of
from test_evidence_gaps import arrivals, circuit, gauge, rule, steering

from muster.judge.gate_rules import judge_gate_rules
from muster.samples.series import series_of
from muster.samples.windows import Absence, Window

NAN = float("nan")
ALL = set(range(241))


def short(gate, end_s, *series):
    """The rule on the first seconds only."""
    window = Window(0.0, end_s, 4.0)
    [finding] = judge_gate_rules(
        samples_of(*series), window, "baseline", CONTRACT, CONTRACT.gates[gate], 1.0
    )
    return finding


# Circuits


def test_a_closed_circuit_was_open_for_no_time():
    """And says nothing more; without one there is no data."""
    finding = rule("M1", gauge("circuit_open", [0] * 241))
    assert (finding.measured, finding.status, finding.reason) == (0.0, "pass", "")
    assert (finding.tier, finding.phase, finding.region) == (None, "baseline", None)
    assert (finding.source, finding.samples, finding.slo) == ("server", None, "circuit_open")
    assert finding.window == (0.0, 240.0)
    none = rule("M1")
    assert (none.measured, none.margin, none.reason) == (None, None, "no data")


def test_a_circuit_without_a_sample_is_unknown_however_short_the_window():
    """A minute could hide no two minutes; but nobody saw that there is a circuit at all."""
    unseen = gauge("circuit_open", [0] * 400, set(range(300, 400)))
    finding = short("M1", 60.0, unseen)
    assert (finding.status, finding.reason) == ("unknown", "no sample of west")
    assert short("M1", 60.0, gauge("circuit_open", [NAN] * 241)).status == "unknown"
    assert short("M1", 60.0, gauge("circuit_open", [0])).status == "pass"


def test_two_minutes_without_a_sample_are_allowed_to_the_second():
    """120 s between two samples that show it closed hide no longer stretch."""
    assert circuit([0] * 241, ALL - set(range(51, 170))) == "pass"
    assert circuit([0] * 241, ALL - set(range(51, 171))) == "unknown"
    finding = rule("M1", gauge("circuit_open", [0] * 241, ALL - set(range(51, 171))))
    assert finding.reason == "in west no sample shows it closed for 121 s"


def test_a_circuit_open_for_just_its_limit_excuses_no_gap():
    """At the limit it does not fail, so what nobody saw still counts."""
    opened = gauge("circuit_open", [1] * 120 + [0] * 121)
    assert (rule("M1", opened).measured, rule("M1", opened).status) == (120.0, "pass")
    unseen = gauge("circuit_open", [0] * 400, set(range(300, 400)), route="b")
    assert rule("M1", opened, unseen).status == "unknown"


def test_a_gap_is_a_dark_regions_where_its_middle_is():
    """The declaration, not the last sample, says when it was gone."""
    seen = gauge("circuit_open", [0] * 241, set(range(40)) | set(range(200, 241)))
    for start_s, end_s, status in ((100, 210, "pass"), (35, 110, "unknown"), (130, 210, "unknown")):
        absence = Absence("west", float(start_s), float(end_s))
        assert rule("M1", seen, absences=(absence,)).status == status


# Records


def weights(*points):
    return series_of("steering_weight", "w", {"region": "west"}, points)


STEADY = [(float(t), 50.0) for t in range(2, 241, 2)]
MOVED = [(t, 40.0 if t > 2 else v) for t, v in STEADY]


@pytest.mark.parametrize(
    ("points", "changes"),
    [
        ([(-2.0, 40.0), (0.0, 50.0), *STEADY], 0.0),
        ([(-4.0, 40.0), (-2.0, 50.0), *STEADY], 0.0),
        ([(-4.0, 40.0), *STEADY], 1.0),
        ([(-4.5, 40.0), *STEADY], 0.0),
        ([(-40.0, 10.0), (-30.0, 20.0), *MOVED], 1.0),
        ([*STEADY, (241.0, 0.0)], 0.0),
    ],
)
def test_a_weight_changes_between_the_last_reading_before_the_start_and_the_end(points, changes):
    """That reading may be four seconds old, and only the last one counts."""
    assert rule("M2", weights(*points), arrivals()[0]).measured == changes


def test_records_may_be_read_every_eight_seconds():
    """Twice as long as a sample may stand, and no longer."""
    assert rule("M2", *steering(keep=set(range(0, 241, 8))), *arrivals()).status == "pass"
    finding = rule("M2", *steering(keep=set(range(0, 241, 10))), *arrivals())
    assert (finding.status, finding.reason) == (
        "unknown",
        "the records of east were not read all the time",
    )
    assert rule("M2", *arrivals()).reason == "the steering records were not read"
    assert short("M2", 6.0, weights((300.0, 50.0)), *arrivals()).status == "unknown"
    assert short("M2", 6.0, weights((3.0, 50.0)), *arrivals()).status == "pass"


def test_a_change_that_was_seen_needs_no_reason():
    """It fails, whatever else nobody saw; the limit is none."""
    finding = rule("M2", weights(*STEADY[:50], (150.0, 0.0)), *arrivals())
    assert (finding.status, finding.measured, finding.reason) == ("fail", 1.0, "")
    assert (finding.threshold, finding.margin, finding.unit) == (0.0, -1.0, "changes")
    assert (finding.source, finding.phase) == ("steering", "baseline")
    assert finding.slo == "failover_action_in_baseline"
    left = rule("M2", weights(*STEADY, (260.0, 50.0)), *arrivals(west=lambda t: 0.0))
    assert (left.status, left.measured) == ("unknown", 0.0)
    assert left.reason.startswith("under 100 attempts")


def test_a_baseline_may_begin_at_any_time():
    """Four minutes of it, and no more, are looked at."""
    window = Window(1000.0, 1240.0, 4.0)
    regions = [
        series_of(signal, "s", {"region": region}, [(1000.0 + t, of(t)) for t in range(241)])
        for signal, of in (
            ("steering_weight", lambda t: 50.0),
            ("client_attempts", lambda t: 9.0 * t),
        )
        for region in ("east", "west")
    ]
    [finding] = judge_gate_rules(
        samples_of(*regions), window, "baseline", CONTRACT, CONTRACT.gates["M2"], 1.0
    )
    assert (finding.status, finding.measured, finding.reason) == ("pass", 0.0, "")


# Regions that new streams left


def test_a_region_that_was_left_needs_no_reason_either():
    """Whatever was not read of the records."""
    idle = arrivals(west=lambda t: 100.0 * min(t, 60) + 100.0 * max(0, t - 120))
    finding = rule("M2", *steering(keep=set(range(0, 200))), *idle)
    assert (finding.status, finding.measured, finding.reason) == ("fail", 1.0, "")


def test_three_minutes_that_nobody_saw_are_borne_and_four_are_not():
    """In a row, anywhere; one that was seen starts over."""
    for seen in (range(180, 241), range(0, 61), [*range(0, 61), *range(118, 121)]):
        assert rule("M2", *steering(), *arrivals(keep=set(seen))).status == "pass"
    none = rule("M2", *steering(), *arrivals(keep={30}))
    assert (none.status, none.measured) == ("unknown", 0.0)
    assert none.reason == "the split of new streams was not observed all the time"


def test_a_region_whose_attempts_show_up_later_began_at_none():
    """The other region was counted already: in the first minute no stream went there."""
    west = arrivals(west=lambda t: 100.0 * (t - 70), keep=set(range(70, 122)))[0]
    east = arrivals(keep=set(range(122)))[1]
    finding = rule("M2", *steering(), west, east)
    assert (finding.status, finding.measured) == ("fail", 1.0)


def test_a_hundred_attempts_show_a_split():
    """Fewer show it in a longer window; fewer in all of the baseline leave it unknown."""
    for per_minute, status, measured in ((100, "fail", 4.0), (99, "fail", 2.0), (20, "unknown", 0)):
        east = arrivals(west=lambda t: 0.0, east=lambda t, n=per_minute: n * t / 60)
        finding = rule("M2", *steering(), *east)
        assert (finding.status, finding.measured) == (status, measured)


def test_a_weight_read_some_seconds_before_a_minute_stands_for_it():
    """Records are read less often than counters."""
    idle = arrivals(west=lambda t: 100.0 * min(t, 60) + 100.0 * max(0, t - 120))
    assert rule("M2", *steering(keep=set(range(0, 241, 8))), *idle).measured == 1.0


def test_a_region_declared_dark_was_left_not_unseen():
    """Its process is gone, and its weight is not."""
    west = arrivals(keep=set(range(61)))[0]
    gone = (Absence("west", 59.0, 300.0),)
    finding = rule("M2", *steering(), west, arrivals()[1], absences=gone)
    assert (finding.status, finding.measured) == ("fail", 3.0)


# What is read at which moment


def test_a_declared_circuit_is_not_judged_unless_it_is_seen():
    """Only for its own signal, and only where no sample says otherwise."""

    def declared(name, *series):
        window = Window(0.0, 240.0, 4.0)
        found = {name: "one provider, no breaker"}
        [finding] = judge_gate_rules(
            samples_of(*series), window, "baseline", CONTRACT, CONTRACT.gates["M1"], 1.0, found
        )
        return finding

    none = declared("circuit_open")
    assert (none.slo, none.status, none.measured) == ("circuit_open", "declared", None)
    assert none.reason == 'declared none: "one provider, no breaker"'
    assert declared("queue_age").status == "unknown"
    seen = declared("circuit_open", gauge("circuit_open", [1] * 130 + [0] * 111))
    assert (seen.status, seen.measured, seen.unit) == ("fail", 130.0, "s")


def test_limits_are_as_many_times_shorter_as_time_is_faster():
    """The circuit's, and the minute in which a region is seen to be left."""
    opened = rule("M1", gauge("circuit_open", [0] * 60 + [1] * 70 + [0] * 111), time_scale=2.0)
    assert (opened.threshold, opened.measured, opened.status) == (60.0, 70.0, "fail")
    idle = arrivals(west=lambda t: 100.0 * min(t, 60) + 100.0 * max(0, t - 90))
    assert rule("M2", *steering(), *idle).measured == 0.0
    assert rule("M2", *steering(), *idle, time_scale=2.0).measured == 1.0


@pytest.mark.parametrize(
    ("values", "keep", "measured", "status"),
    [
        ([0] * 60 + [1] * 30 + [0] * 151, ALL, 30.0, "pass"),
        ([0] * 100 + [1] * 141, ALL, 140.0, "fail"),  # to its last sample
        ([0] * 241, set(range(101)), 0.0, "unknown"),  # closed 140 s before the end
        # Seen open in the middle of 122 s in which nobody saw it closed.
        ([0] * 51 + [1] * 121 + [0] * 69, ALL - set(range(51, 172)) | {100, 101}, 72.0, "unknown"),
    ],
)
def test_how_long_a_circuit_was_open_and_was_not_seen_closed(values, keep, measured, status):
    """From the first sample that shows it open to the one that shows it closed, or the last."""
    finding = rule("M1", gauge("circuit_open", values, keep))
    assert (finding.measured, finding.status) == (measured, status)


def test_each_circuit_is_looked_at_whatever_the_one_before_shows():
    """One was never scraped, and the next was open for too long: that fails, and needs no more."""
    unseen = gauge("circuit_open", [0] * 400, set(range(300, 400)))
    opened = gauge("circuit_open", [1] * 130 + [0] * 111, route="b")
    finding = rule("M1", unseen, opened)
    assert (finding.measured, finding.status, finding.reason) == (130.0, "fail", "")


def test_changes_of_all_regions_add_up_to_the_windows_last_moment():
    """One each; a reading at the very end is one of it."""
    both = steering(west=lambda t: 50 if t < 100 else 60, east=lambda t: 50 if t < 240 else 40)
    assert rule("M2", *both, *arrivals()).measured == 2.0


@pytest.mark.parametrize(("west", "east", "measured"), [(1, 99, 0.0), (9, 991, 1.0), (0, 100, 1.0)])
def test_a_region_with_less_than_the_share_was_left(west, east, measured):
    """Under 1 % of the minute's attempts; at 1 % it was not."""
    shown = arrivals(west=lambda t: west * t / 60, east=lambda t: east * t / 60)
    assert short("M2", 60.0, *steering(), *shown).measured == measured


def test_a_late_baseline_has_no_more_minutes_than_it_lasts():
    """Three that nobody saw are borne at its end, and no others are looked for after it."""
    window = Window(1000.0, 1240.0, 4.0)
    rows = (("steering_weight", lambda t: 50.0, 241), ("client_attempts", lambda t: 9.0 * t, 62))
    series = [
        series_of(signal, "s", {"region": region}, [(1000.0 + t, of(t)) for t in range(many)])
        for signal, of, many in rows
        for region in ("east", "west")
    ]
    [finding] = judge_gate_rules(
        samples_of(*series), window, "baseline", CONTRACT, CONTRACT.gates["M2"], 1.0
    )
    assert (finding.status, finding.measured) == ("pass", 0.0)


def test_what_is_left_after_the_last_whole_minute_is_no_window_of_its_own():
    """Streams leave for its last half a minute: a change of weights is seen there, a share not."""
    idle = arrivals(west=lambda t: 100.0 * min(t, 60))
    assert short("M2", 90.0, *steering(), *idle).measured == 0.0
    moved = steering(west=lambda t: 50 if t < 80 else 0)
    assert short("M2", 90.0, *moved, *idle).measured == 1.0
