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
