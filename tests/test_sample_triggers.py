"""Triggers that look at each sample, one at a time: when they trip, when again, and when never."""

from __future__ import annotations

import pytest

from muster.guard.sample_triggers import OpenFor, OverFor, Unresolved
from muster.guard.trips import Declared

CAUSE = Declared("redis_outage", "west", ("admission_failures",), 0.0)
REVERTED = Declared("redis_outage", "west", ("admission_failures",), 0.0, 20.0)


def circuit(samples, open_s_max=120.0):
    """(time, open, expected) to [(time, seconds open, had a cause)] of each trip."""
    one = OpenFor(open_s_max)
    found = []
    for t_s, is_open, expected in samples:
        open_s = one.sample(t_s, is_open, expected)
        if open_s is not None:
            found.append((t_s, open_s, one.expected))
    return found


def test_a_circuit_trips_once_and_again_only_when_it_closed_in_between():
    """Open for 121 s, on for ten minutes, closed, and open once more."""
    samples = [(float(t), True, False) for t in range(700)]
    assert circuit(samples) == [(121.0, 121.0, False)]
    samples += [(700.0, False, False)] + [(float(t), True, False) for t in range(701, 900)]
    assert circuit(samples) == [(121.0, 121.0, False), (822.0, 121.0, False)]


def test_a_circuit_with_a_cause_counts_anew_when_the_cause_is_over():
    """Expected while its provider is slowed; unexpected two minutes after that."""
    slowed = [(float(t), True, t < 200) for t in range(400)]
    assert circuit(slowed) == [(121.0, 121.0, True), (321.0, 121.0, False)]
    assert circuit([(float(t), True, True) for t in range(400)]) == [(121.0, 121.0, True)]
    closed = [(0.0, True, True), (1.0, False, True), (2.0, True, False), (123.0, True, False)]
    assert circuit(closed) == [(123.0, 121.0, False)]


def test_a_cause_that_begins_later_does_not_start_the_count_over():
    """Open for 100 s by itself, then slowed: it is one stretch, and it ends as expected."""
    assert circuit([(float(t), True, t >= 100) for t in range(130)]) == [(121.0, 121.0, True)]


def queue(samples, over_s_max=600.0, stale_s=4.0):
    """(time, instance, age, expected) to [(time, oldest age)] of each trip."""
    one = OverFor(30.0, over_s_max, stale_s)
    found = [(t, one.sample(t, instance, age, cause)) for t, instance, age, cause in samples]
    return [(t, worst) for t, worst in found if worst is not None]


def ages(since, until, age, instance="a", expected=False):
    return [(float(t), instance, age, expected) for t in range(since, until)]


def test_the_limit_itself_is_allowed_for_ever():
    """30 s at a limit of 30."""
    assert queue(ages(0, 1000, 30.0)) == []
    assert queue(ages(0, 1000, 30.1)) == [(601.0, 30.1)]


def test_a_queue_trips_once_and_starts_over_when_it_was_under_its_limit():
    """Eleven minutes over, one sample under, ten minutes over, and one second more."""
    first = ages(0, 700, 31.0)
    assert queue(first) == [(601.0, 31.0)]
    again = [*first, *ages(700, 701, 5.0), *ages(701, 1302, 31.0)]
    assert queue(again) == [(601.0, 31.0)]
    assert queue([*again, *ages(1302, 1303, 31.0)]) == [(601.0, 31.0), (1302.0, 31.0)]


def test_what_is_expected_of_a_queue_starts_it_over():
    """A declared fault lets it grow; what is left of that counts from its end."""
    assert queue([*ages(0, 500, 31.0, expected=True), *ages(500, 1101, 31.0)]) == []
    assert queue([*ages(0, 500, 31.0, expected=True), *ages(500, 1102, 31.0)]) == [(1101.0, 31.0)]


@pytest.mark.parametrize(("over_s_max", "trips"), [(0.0, [0.0]), (1.0, [2.0])])
def test_a_limit_of_no_seconds_trips_at_the_first_sample(over_s_max, trips):
    """And one of a second does not."""
    assert [t for t, _ in queue(ages(0, 10, 31.0), over_s_max)] == trips


def test_a_gateway_counts_for_as_long_as_its_sample_may_stand():
    """Four seconds after its last sample, and not five."""
    for silent_s, trips in ((4.0, [(0.0, 50.0)]), (4.5, [(0.0, 50.0)])):
        samples = [(0.0, "a", 50.0, False), (silent_s, "b", 0.0, False)]
        assert queue(samples, over_s_max=0.0) == trips
    held = [(0.0, "a", 50.0, False), (4.0, "b", 0.0, False), (8.0, "b", 0.0, False)]
    one = OverFor(30.0, 0.0, 4.0)
    assert [one.sample(*sample) for sample in held] == [50.0, None, None]
    assert [one.over for one in after(held)] == [True, True, False]


def after(samples):
    """The detector as it stands after each sample."""
    found = []
    for count in range(1, len(samples) + 1):
        one = OverFor(30.0, 0.0, 4.0)
        for sample in samples[:count]:
            one.sample(*sample)
        found.append(one)
    return found


def failures(samples, unresolved_s=60.0):
    """(time, value, cause) of one process to [(time, seconds)] of each answer."""
    one = Unresolved(unresolved_s)
    found = [(t, one.sample(t, "a", value, cause)) for t, value, cause in samples]
    return [(t, lasted_s) for t, lasted_s in found if lasted_s is not None]


def rising(since, until, base=0, cause=None):
    return [(float(t), float(base + t), cause) for t in range(since, until)]


def test_a_failure_trips_once_and_again_after_it_was_resolved():
    """Rising for five minutes, quiet for two, rising again."""
    first = rising(0, 300)
    assert failures(first) == [(62.0, 61.0)]
    again = [*first, *[(float(t), 299.0, None) for t in range(300, 420)], *rising(420, 490)]
    assert failures(again) == [(62.0, 61.0), (481.0, 61.0)]


def test_sixty_seconds_of_quiet_resolve_and_fifty_nine_do_not():
    """Strictly more than the contract's minute lies between two rows."""
    for gap_s, trips in ((60, [(61.0 + 60.0, 120.0)]), (61, [])):
        steps = [(0.0, 0.0, None), (1.0, 1.0, None)]
        steps += [(1.0 + gap_s * n, 1.0 + n, None) for n in range(1, 4)]
        assert failures(steps)[:1] == trips


def test_a_process_that_starts_anew_has_failed_only_if_it_shows_so():
    """From 50 to 0 is a restart; from 50 to 3 is one that failed three times since."""
    still = [(0.0, 50.0, None), (1.0, 50.0, None), (2.0, 0.0, None)]
    assert failures([*still, (100.0, 0.0, None)]) == []
    one = Unresolved(60.0)
    for t_s, value, _ in still:
        one.sample(t_s, "a", value, None)
    assert (one.shown("a"), one.shown("b")) == (0.0, None)
    fell = [(0.0, 50.0, None), (1.0, 3.0, None), *[(float(t), 1.0 + t, None) for t in range(3, 70)]]
    assert failures(fell) == [(62.0, 61.0)]


def test_what_a_fault_must_cause_is_told_once_and_counts_from_its_end():
    """Rising with a cause: 0.0, once. Past its end: from then on."""
    assert failures(rising(0, 100, cause=CAUSE)) == [(1.0, 0.0)]
    samples = [*rising(0, 20, cause=CAUSE), *rising(20, 80, cause=REVERTED)]
    assert failures([*samples, *rising(80, 90)]) == [(1.0, 0.0), (81.0, 61.0)]


def test_a_failure_that_was_there_before_its_cause_is_told_when_the_cause_comes():
    """And a second cause after a quiet time is told again."""
    assert failures([*rising(0, 10), *rising(10, 20, cause=CAUSE)]) == [(10.0, 0.0)]
    quiet = [(float(t), 19.0, None) for t in range(20, 120)]
    twice = [*rising(0, 20, cause=CAUSE), *quiet, *rising(120, 130, cause=CAUSE)]
    assert failures(twice) == [(1.0, 0.0), (120.0, 0.0)]


def test_a_failure_after_a_quiet_time_has_no_cause_left():
    """Its cause is long over: it counts from its own first increase."""
    quiet = [(float(t), 19.0, None) for t in range(20, 200)]
    samples = [*rising(0, 20, cause=CAUSE), *quiet, *rising(200, 262)]
    assert failures(samples) == [(1.0, 0.0), (261.0, 61.0)]


def test_a_cause_whose_end_nobody_knows_ends_with_the_first_failure_without_it():
    """No revert was told: what fails on counts from there."""
    assert failures([*rising(0, 20, cause=CAUSE), *rising(20, 82)]) == [(1.0, 0.0), (81.0, 61.0)]


def test_a_circuit_that_closed_has_nothing_left_of_what_was():
    """Neither a trip nor a cause."""
    one = OpenFor(120.0)
    for t_s in range(130):
        one.sample(float(t_s), True, True)
    assert (one.tripped, one.expected) == (True, True)
    one.sample(130.0, False, True)
    assert (one.since_s, one.tripped, one.expected) == (None, False, False)


def test_a_restarted_process_that_shows_no_failure_keeps_none_alive():
    """It fell to 0: that is no increase, and one was seen 50 s before."""
    steps = [(0.0, 0.0, None), (1.0, 1.0, None), (50.0, 0.0, None), (100.0, 1.0, None)]
    assert failures([*steps, (150.0, 2.0, None)]) == []


def failures_with_gaps(samples, stale_s=4.0):
    """As `failures`, where a sample stands for four seconds."""
    one = Unresolved(60.0, stale_s)
    found = [(t, one.sample(t, "a", value, cause)) for t, value, cause in samples]
    return [(t, lasted_s) for t, lasted_s in found if lasted_s is not None]


def test_a_gap_in_a_hard_failure_neither_counts_nor_resets():
    """Forty seconds of it, ninety unseen, twenty-two more: as long as sixty-two in one piece."""
    whole = rising(0, 300)
    assert failures_with_gaps(whole) == failures(whole) == [(62.0, 61.0)]
    for gap_s in (5, 50, 90, 1000):
        shifted = [(t + gap_s, v, c) for t, v, c in rising(41, 300)]
        (trip,) = failures_with_gaps([*rising(0, 41), *shifted])
        # Nothing is known of the step over the gap: it is left out too.
        assert trip == (63.0 + gap_s, 61.0), gap_s


def test_a_sample_stands_for_as_long_as_it_may():
    """Four seconds without one are none, and five are a gap."""
    for apart_s, first in ((4, 68.0), (5, None)):
        steps = [(float(t), float(t), None) for t in range(0, 200, apart_s)]
        found = failures_with_gaps(steps)
        assert [t for t, _ in found][:1] == ([first] if first else [])


def test_quiet_that_nobody_saw_resolves_nothing():
    """Fifty-nine seconds of quiet in sight and a long gap are no minute of quiet."""
    quiet = [(float(t), 30.0, None) for t in range(31, 90)]
    again = [(t + 500.0, v, c) for t, v, c in rising(90, 200)]
    (trip,) = failures_with_gaps([*rising(0, 31), *quiet, *again])
    assert trip[0] == 590.0
    longer = [(float(t), 30.0, None) for t in range(31, 92)]
    again = [(t + 500.0, v, c) for t, v, c in rising(92, 200)]
    (trip,) = failures_with_gaps([*rising(0, 31), *longer, *again])
    assert trip[0] == 592.0 + 61.0


def test_samples_that_only_say_that_nothing_changed_are_seen():
    """Of a process that is calm, by their times alone."""
    one = Unresolved(60.0, 4.0)
    one.sample(0.0, "a", 1.0, None)
    one.sample(1.0, "a", 2.0, None)
    for t_s in range(2, 60):
        one.saw(float(t_s))
    assert one.sample(60.0, "a", 3.0, None) is None
    assert one.sample(61.5, "a", 4.0, None) == 60.5


def test_a_gap_after_a_cause_is_over_does_not_count():
    """Its end at 20, in sight until 40, then unseen for a hundred seconds: 41 more make 61."""
    caused = rising(0, 40, cause=CAUSE)
    on = [(float(t), float(t), None) for t in range(140, 240)]
    # Nobody knows when it ended: counted from the first failure without it.
    assert failures_with_gaps([*caused, *on]) == [(1.0, 0.0), (201.0, 61.0)]
    known = [*rising(0, 20, cause=CAUSE), *rising(20, 40, cause=REVERTED), *on]
    (_, trip) = failures_with_gaps(known)
    # At most the second between the last failure under it and its end is counted besides.
    assert trip == (181.0, 61.0)
    before = [(t + 100.0, v, c) for t, v, c in rising(10, 20, cause=CAUSE)]
    ended = Declared("redis_outage", "west", ("admission_failures",), 0.0, 120.0)
    after_it = [(t + 100.0, v, ended) for t, v, _ in rising(20, 30)]
    on = [(t + 100.0, v, None) for t, v, _ in rising(30, 100)]
    found = failures_with_gaps([*rising(0, 10, cause=CAUSE), *before, *after_it, *on])
    assert found == [(1.0, 0.0), (181.0, 61.0)]


def test_a_late_sample_of_another_process_makes_no_gap():
    """It is older than what was seen already."""
    one = Unresolved(60.0, 4.0)
    trips = []
    for t_s in range(63):
        trips.append(one.sample(float(t_s), "a", float(t_s), None))
        one.sample(max(0.0, t_s - 7.0), "b", 5.0, None)
    assert [lasted_s for lasted_s in trips if lasted_s is not None] == [61.0]


def test_a_gap_before_a_cause_was_over_moves_its_end():
    """Out of sight from 4 to 14, first increase after the end at 20: 61 s later it trips."""
    samples = [(float(t), 0.0, None) for t in (0, 4, 14, 18, 22)]
    samples += [(float(t), float(t), REVERTED) for t in range(25, 81)]
    samples += [(float(t), float(t), None) for t in range(81, 90)]
    assert failures_with_gaps(samples) == [(25.0, 0.0), (81.0, 61.0)]
