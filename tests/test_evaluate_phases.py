"""Phases as the ledger tells them, and what is merged when one is too short to show anything."""

from __future__ import annotations

import pytest

from muster.judge.phases import Phase, absences_of, dark_hold_s, merged, phases_of
from muster.samples.windows import Absence, Window


def event(t, name, **fields):
    return {"t": float(t), "event": name, **fields}


def phase(name, start, end):
    return Phase(name, "G", float(start), float(end), True)


def test_phases_follow_each_other_without_a_gap():
    """The moment between two of them belongs to the first."""
    events = [
        event(1, "phase_started", phase="baseline", tier="X"),
        event(61, "phase_ended", phase="baseline", outcome="ok"),
        event(62, "phase_started", phase="evacuate", tier="G"),
        event(90, "phase_ended", phase="evacuate", outcome="failed"),
    ]
    assert phases_of(events) == (
        Phase("baseline", "X", 1.0, 62.0, True),
        Phase("evacuate", "G", 62.0, 90.0, False),
    )


def test_a_phase_without_an_end_is_not_complete():
    """It ends with the ledger, or where the next one begins."""
    events = [
        event(1, "phase_started", phase="baseline", tier="X"),
        event(50, "phase_started", phase="evacuate", tier=None),
        event(70, "step"),
    ]
    assert phases_of(events) == (
        Phase("baseline", "X", 1.0, 50.0, False),
        Phase("evacuate", None, 50.0, 70.0, False),
    )


def test_a_lost_region_is_absent_like_a_stopped_one():
    """Killed or stopped, its series end."""
    events = [
        event(10, "fault_declared", fault="region_loss", region="west"),
        event(90, "fault_reverted", fault="region_loss", region="west"),
    ]
    (absence,) = absences_of(events, margin_s=10.0)
    assert (absence.region, absence.start_s, absence.end_s) == ("west", 10.0, 100.0)


def test_a_fault_that_replaces_processes_declares_a_part_of_its_region():
    """By its own word alone, until it is reverted; another fault there ends nothing of it."""
    declared = event(10, "fault_declared", fault="pods_killed", region="west")
    other = event(50, "fault_reverted", fault="provider_cut", region="west")
    reverted = event(90, "fault_reverted", fault="pods_killed", region="west")
    told = {**declared, "replaces_processes": True}
    assert absences_of([told, other, reverted], 10.0) == (Absence("west", 10.0, 100.0, part=True),)
    (going_on,) = absences_of([told, other], 10.0)
    assert (going_on.end_s, going_on.part) == (float("inf"), True)
    for word in ({}, {"replaces_processes": False}, {"replaces_processes": "yes"}):
        assert absences_of([{**declared, **word}, reverted], 10.0) == ()


def test_a_region_is_absent_from_its_declaration_until_it_is_back():
    """With a margin for the scrapes around it; another fault declares no absence."""
    events = [
        event(5, "fault_declared", fault="redis_outage", region="east"),
        event(10, "fault_declared", fault="region_power", region="west"),
        event(12, "region_dark", region="west"),
        event(80, "fault_reverted", fault="redis_outage", region="west"),
        event(90, "fault_reverted", fault="region_power", region="west"),
    ]
    (absence,) = absences_of(events, margin_s=10.0)
    assert (absence.region, absence.start_s, absence.end_s) == ("west", 10.0, 100.0)
    (absence,) = absences_of(events[:3], margin_s=10.0)
    assert absence.end_s == float("inf")


def stretches(phases, enough_s):
    def enough(window: Window) -> bool:
        return window.end_s - window.start_s >= enough_s

    found = merged(phases, 4.0, (), enough)
    return [(name, window.start_s, window.end_s) for name, window in found]


@pytest.mark.parametrize("enough", [True, False])
def test_what_is_merged_is_read_as_each_phase_is(enough):
    """With the same absences and the same age of samples; so is what is asked on the way."""
    absences = (Absence("west", 5.0, 40.0),)
    asked: list[Window] = []

    def judge(window: Window) -> bool:
        asked.append(window)
        return enough and len(asked) == 1

    found = merged([phase("a", 2, 10), phase("b", 10, 15)], 7.0, absences, judge)
    windows = [*asked, *[window for _, window in found]]
    assert {(window.stale_s, window.absences) for window in windows} == {(7.0, absences)}
    assert [(name, window.start_s, window.end_s) for name, window in found] == [("a+b", 2, 15)]


@pytest.mark.parametrize(
    ("enough_s", "wanted"),
    [
        (5, [("a", 0, 10), ("b", 10, 15), ("c", 15, 45), ("d", 45, 50)]),
        (10, [("a", 0, 10), ("b+c+d", 10, 50)]),
        (20, [("a+b+c+d", 0, 50)]),
        (60, [("a+b+c+d", 0, 50)]),
    ],
)
def test_a_phase_too_short_is_merged_forward_and_the_last_one_back(enough_s, wanted):
    """Nothing is left out, and what is long enough stands by itself."""
    phases = [phase("a", 0, 10), phase("b", 10, 15), phase("c", 15, 45), phase("d", 45, 50)]
    assert stretches(phases, enough_s) == wanted


DARK = {"event": "region_dark", "region": "west"}
LIT = {"event": "region_lit", "region": "west"}
REVERTED = {"event": "fault_reverted", "fault": "region_power", "region": "west"}
OTHER = {"event": "fault_reverted", "fault": "redis_outage", "region": "west"}
ENDED = {"event": "phase_ended", "phase": "dark", "outcome": "ok"}


@pytest.mark.parametrize(
    ("events", "held_s"),
    [
        ([(0, ENDED)], 0.0),
        ([(10, DARK), (670, ENDED), (700, LIT)], 660.0),
        ([(10, DARK), (600, REVERTED), (670, ENDED)], 590.0),
        ([(10, DARK), (500, LIT), (670, ENDED)], 490.0),
        ([(10, DARK), (200, OTHER), (670, ENDED)], 660.0),
        ([(10, DARK), (20, DARK), (670, ENDED)], 660.0),
        ([(10, DARK), (50, LIT), (60, DARK), (90, LIT)], 40.0),
        ([(10, DARK)], 0.0),
    ],
)
def test_a_dark_hold_is_from_seen_dark_to_started_again(events, held_s):
    """One that nobody saw end was not held for any known time."""
    assert dark_hold_s([{"t": t, **event} for t, event in events]) == held_s


def test_what_happens_within_a_phase_does_not_end_it():
    """Steps of three phases that follow each other; the ledger begins anywhere."""
    events = [
        event(0.25, "phase_started", phase="ramp"),
        event(5, "step"),
        event(9, "phase_ended", phase="ramp", outcome="ok"),
        event(10, "phase_started", phase="baseline", tier="X"),
        event(70, "phase_ended", phase="baseline", outcome="ok"),
        event(72, "phase_started", phase="evacuate", tier="G"),
    ]
    assert phases_of(events) == (
        Phase("ramp", None, 0.25, 10.0, True),
        Phase("baseline", "X", 10.0, 72.0, True),
        Phase("evacuate", "G", 72.0, 72.0, False),
    )
    assert phases_of(events[:1]) == (Phase("ramp", None, 0.25, 0.25, False),)
    assert phases_of(events[2:3]) == phases_of([]) == ()


def test_a_region_is_back_when_it_is_lit():
    """Each region by itself; one that never came back is absent for good, under its own name."""
    events = [
        event(10, "fault_declared", fault="region_power", region="west"),
        event(20, "fault_declared", fault="region_power", region="east"),
        event(30, "region_lit", region="north"),
        event(40, "region_lit", region="west"),
        event(50, "fault_reverted", fault="region_power", region="west"),
    ]
    found = [(one.region, one.start_s, one.end_s) for one in absences_of(events, margin_s=5.0)]
    assert found == [("west", 10.0, 45.0), ("east", 20.0, float("inf"))]
    again = [*events[:1], event(15, "fault_declared", fault="region_power", region="west")]
    assert absences_of(again, margin_s=5.0)[0].start_s == 10.0


@pytest.mark.parametrize(
    "between",
    [
        {"event": "phase_started", "phase": "dark"},
        {"event": "phase_ended", "phase": "drain"},
        {"event": "step", "phase": "dark", "fault": "region_power"},
    ],
)
def test_a_dark_hold_ends_with_its_own_phase_only(between):
    """Whatever else the ledger tells meanwhile."""
    events = [{"t": 10, **DARK}, {"t": 20, **between}, {"t": 670, **ENDED}]
    assert dark_hold_s(events) == 660.0
