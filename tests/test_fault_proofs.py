"""Whether the effect of each declared fault was seen at every look and to the end of its hold."""

from __future__ import annotations

import pytest

from muster.judge.every_finding import _covers_hold, _fault_proofs
from muster.judge.findings import unmeasured
from muster.judge.phases import Phase
from muster.ledger import LedgerRead

HOLD = {"looks": 9, "looks_proven": 9, "held_s": 20.0}
DARK = Phase("dark", "G", 0.0, 60.0, True)
BASELINE = Phase("baseline", "X", 0.0, 60.0, True)


def declared(fault="power", region="west"):
    return {"event": "fault_declared", "fault": fault, "region": region}


def look(why="no answer", proven=True, fault="power", region="west", **facts):
    return {
        "event": "fault_proof",
        "fault": fault,
        "region": region,
        "proven": proven,
        "why": why,
        "proof": facts,
    }


def proofs(*events, kind="failover", evacuated="west", phases=(BASELINE, DARK)):
    started = {"kind": kind} | ({"evacuated": evacuated} if evacuated else {})
    return _fault_proofs(LedgerRead(events, False), started, phases)


def finding(status, reason, samples, fault="power", region="west"):
    return unmeasured("fault_proof", fault, status, reason, region=region, samples=samples)


def test_a_fault_that_every_look_saw_to_the_end_of_its_hold_is_proven():
    """What was seen is said once each, in order."""
    looks = (look("no answer"), look("no answer"), look("9 of 9 looks", **HOLD))
    assert proofs(declared(), *looks) == [finding("pass", "no answer; 9 of 9 looks", 3)]


@pytest.mark.parametrize("proven", [False, None, 1, "yes"])
def test_one_look_that_did_not_see_it_leaves_it_unproven(proven):
    """Nothing but true is true, and no summary makes up for it."""
    looks = (look("no answer", proven), look("9 of 9 looks", **HOLD))
    assert proofs(declared(), *looks) == [finding("unknown", "no answer; 9 of 9 looks", 2)]
    del looks[0]["proven"]
    assert proofs(declared(), *looks)[0].status == "unknown"


def test_looks_without_a_summary_of_the_hold_prove_nothing_of_it():
    """What they saw is said before; nothing, where they said nothing."""
    missing = "no look is on record for its hold"
    looks = (look("no answer"), look("refused"))
    assert proofs(declared(), *looks) == [finding("unknown", f"no answer; refused; {missing}", 2)]
    assert proofs(declared(), look("")) == [finding("unknown", missing, 1)]
    mute = look("")
    del mute["why"]
    assert proofs(declared(), mute) == [finding("unknown", missing, 1)]
    unseen = (look("answered", False),)
    assert proofs(declared(), *unseen) == [finding("unknown", "answered", 1)]


@pytest.mark.parametrize(
    ("facts", "covers"),
    [
        (HOLD, True),
        ({"looks_proven": 1, "held_s": 0.5}, True),
        ({"looks_proven": 0, "held_s": 20.0}, False),
        ({"looks_proven": 9, "held_s": 0.0}, False),
        ({"looks_proven": 9}, False),
        ({"held_s": 20.0}, False),
        ({"looks_proven": 9, "held_s": "20"}, False),
        ({"looks_proven": None, "held_s": 20.0}, False),
        ({"looks_proven": -9, "held_s": -20.0}, False),
        ({}, False),
        (None, False),
        ([["looks_proven", 9], ["held_s", 20.0]], False),
    ],
)
def test_a_summary_says_how_long_it_was_held_and_that_a_look_saw_it(facts, covers):
    """Anything else is a look at one moment."""
    assert _covers_hold({"proof": facts}) is covers
    assert _covers_hold({}) is False


def test_each_fault_in_each_region_has_its_own_looks():
    """In the order of names; one region's summary, or another fault's, proves no other one."""
    events = (
        declared("redis", "west"),
        declared("power", "west"),
        declared("power", "east"),
        declared("latency", None),
        look("w", region="west", **HOLD),
        look("e", region="east"),
        look("all", fault="latency", region=None, **HOLD),
    )
    assert proofs(*events) == [
        finding("pass", "all", 1, "latency", None),
        finding("unknown", "e; no look is on record for its hold", 1, "power", "east"),
        finding("pass", "w", 1, "power", "west"),
        finding("unknown", "its effect was never verified", 0, "redis", "west"),
    ]


def test_a_fault_in_no_region_stands_before_the_same_one_in_a_region():
    """A ledger may have both."""
    events = (declared("latency", "AZ1"), declared("latency", None))
    assert [one.region for one in proofs(*events)] == [None, "AZ1"]


def test_a_look_at_a_fault_that_was_never_declared_is_judged_too():
    """It is on record that there was one."""
    assert proofs(look("w", **HOLD)) == [finding("pass", "w", 1)]
    assert proofs(look("w", False)) == [finding("unknown", "w", 1)]


@pytest.mark.parametrize(
    ("kind", "phases", "asked"),
    [
        ("failover", (BASELINE,), True),
        ("experiment", (BASELINE,), True),
        ("gate", (BASELINE,), False),
        ("safety", (BASELINE,), False),
        ("gate", (BASELINE, DARK), True),
        ("gate", (Phase("fault", "G", 0.0, 60.0, True),), True),
        ("gate", (), False),
    ],
)
def test_a_drill_that_must_have_a_fault_and_declares_none_is_unknown(kind, phases, asked):
    """By its kind, or by a phase that has one."""
    never = finding("unknown", "its effect was never verified", 0, "any fault")
    assert proofs(kind=kind, phases=phases) == [never] * asked
    other = ({"event": "region_dark", "fault": "power", "region": "west"},)
    assert proofs(*other, kind=kind, phases=phases) == [never] * asked


def test_only_the_safety_nets_fault_has_no_hold():
    """It is applied and reverted at once; everywhere else a look at the start shows nothing."""
    own = {"kind": "safety", "phases": (BASELINE,)}
    assert proofs(declared(), look(), **own) == [finding("pass", "no answer", 1)]
    assert proofs(declared(), look(proven=False), **own)[0].status == "unknown"
    assert proofs(declared(), look(), kind="safety")[0].status == "unknown"
    for kind in ("failover", "experiment", "gate"):
        assert proofs(declared(), look(), kind=kind, phases=(BASELINE,))[0].status == "unknown"


def test_a_fault_that_is_declared_is_judged_whatever_the_kind():
    """And a drill that evacuates no region says so."""
    told = proofs(declared(), kind="gate", phases=(BASELINE,))
    assert told == [finding("unknown", "its effect was never verified", 0)]
    (one,) = proofs(evacuated=None)
    assert (one.source, one.region) == ("any fault", None)


def test_names_that_are_no_words_are_read_as_such():
    """A ledger may hold a number."""
    numbers = look("w", fault=7, region=8, **HOLD)
    assert proofs(numbers) == [finding("pass", "w", 1, "7", "8")]
