"""Phases as the ledger tells them, and what is merged when one is too short to show anything."""

from __future__ import annotations

import pytest

from muster.contract.phases import Phase, absences_of, dark_hold_s, merged, phases_of
from muster.contract.windows import Window


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
