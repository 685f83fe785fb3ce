"""Which phases a drill must have gone through, by its plan and by its kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.judge.phases import Phase
from muster.judge.required import SEQUENCES, WANTED_PHASES, missing_phases

FAILOVER = ["preflight", "ramp", *WANTED_PHASES["failover"]]
OUTAGE = ["preflight", "ramp", "baseline", "fault", "recovery", "verify"]


def missed(drill, kind, gone_through, incomplete=(), **started):
    phases = [
        Phase(name, None, float(i), float(i + 1), name not in incomplete)
        for i, name in enumerate(gone_through)
    ]
    found = missing_phases({"drill": drill, "kind": kind, **started}, phases)
    assert {one.status for one in found} <= {"unknown"}
    return [one.phase for one in found]


def test_a_plan_that_was_gone_through_misses_nothing():
    """In its order, with whatever stands between."""
    assert missed("redis_outage", "experiment", OUTAGE, phases=OUTAGE) == []
    assert missed("region_failover", "failover", FAILOVER, phases=FAILOVER) == []
    assert missed("x", "experiment", [*OUTAGE[:3], "more", *OUTAGE[3:]], phases=OUTAGE) == []


@pytest.mark.parametrize("name", OUTAGE)
def test_each_phase_of_the_plan_is_required(name):
    """Left out, or begun and not completed."""
    without = [other for other in OUTAGE if other != name]
    assert missed("redis_outage", "experiment", without, phases=OUTAGE) == [name]
    assert missed("redis_outage", "experiment", OUTAGE, (name,), phases=OUTAGE) == [name]


def test_a_phase_that_is_planned_twice_must_be_there_twice():
    """And in its place."""
    twice = ["baseline", "fault", "recovery", "fault", "recovery", "verify"]
    assert missed("x", "experiment", twice, phases=twice) == []
    once = ["baseline", "fault", "recovery", "verify"]
    assert missed("x", "experiment", once, phases=twice) == ["fault", "recovery"]
    turned = ["baseline", "recovery", "fault", "verify"]
    assert missed("x", "experiment", turned, phases=once) == ["recovery"]


@pytest.mark.parametrize("plan", [[], None, "baseline", [1, 2], {"baseline": 1}])
def test_a_plan_of_nothing_is_unknown(plan):
    """Nobody knows what the drill had set out to do."""
    assert missed("redis_outage", "experiment", OUTAGE, phases=plan) == [None]


@pytest.mark.parametrize(
    ("drill", "kind"),
    [
        ("any", "failover"),
        ("region_evacuation", "experiment"),
        ("region_loss", "experiment"),
        ("hello", "experiment"),
    ],
)
def test_a_short_plan_takes_nothing_from_what_its_kind_must_have(drill, kind):
    """A failover that never planned to go dark is none."""
    wanted = WANTED_PHASES[drill if kind == "experiment" else kind]
    short = ["baseline", "verify"]
    left_out = [name for name in wanted if name not in short]
    assert missed(drill, kind, short, phases=short) == left_out


def test_a_ledger_older_than_the_plan_is_held_to_its_kind():
    """As it was when it was written."""
    assert missed("region_failover", "failover", FAILOVER) == []
    assert missed("region_failover", "failover", FAILOVER, ("dark",)) == ["dark"]
    assert missed("redis_outage", "experiment", OUTAGE) == []
    assert missed("redis_outage", "experiment", ["baseline"]) == [None, "verify"]
    assert missed("own", "experiment", [*OUTAGE[:4], "verify"]) == ["recovery"]


@pytest.mark.parametrize("drill", ["redis_outage", "provider_503", "own", "redis_outage_2", ""])
def test_an_experiment_that_changed_nothing_is_unknown(drill):
    """Whatever it is called, and although it went through all that it had planned."""
    short = ["preflight", "ramp", "baseline", "verify"]
    assert missed(drill, "experiment", short, phases=short) == [None]
    assert missed(drill, "experiment", short) == [None]


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence[0])
def test_any_one_sequence_is_enough_and_only_a_whole_one_in_its_order(sequence):
    """Left out, not completed, not planned, or turned round: each is told."""
    whole = ["baseline", *sequence, "verify"]
    assert missed("own", "experiment", whole, phases=whole) == []
    for name in sequence:
        without = [other for other in whole if other != name]
        told = [None] if name == sequence[0] else [name]
        assert missed("own", "experiment", without, phases=without) == told
        assert missed("own", "experiment", whole, (name,), phases=without) == [name]
    turned = ["baseline", *reversed(sequence), "verify"]
    assert missed("own", "experiment", turned, phases=turned) == [None]


@given(
    st.lists(st.sampled_from(sorted({name for one in SEQUENCES for name in one})), unique=True).map(
        lambda names: ["baseline", *names, "verify"]
    )
)
def test_no_experiment_passes_without_a_whole_sequence(names):
    """Whatever was planned and gone through, in any order."""
    whole = any([name for name in names if name in one] == list(one) for one in SEQUENCES)
    if not whole:
        assert missed("own", "experiment", names, phases=names) != []
    if missed("own", "experiment", names, phases=names) == []:
        assert whole


def test_who_changes_nothing_needs_no_sequence_but_finishes_the_one_begun():
    """A soak of a gate and the drill of the safety net; a kind that nobody knows is no excuse."""
    short = ["baseline", "verify"]
    assert missed("m1_gate", "gate", short, phases=short) == []
    assert missed("own", "another", short, phases=short) == [None]
    begun = ["baseline", "fault", "verify"]
    assert missed("m1_gate", "gate", begun, phases=begun) == ["recovery"]


def test_a_drill_is_held_to_its_name_whatever_kind_it_says():
    """An evacuation that is said to be a gate is an evacuation all the same."""
    left_out = ["evacuate", "drain", "dark", "restore"]
    short = ["baseline", "verify"]
    for drill in ("region_failover", "region_evacuation"):
        assert missed(drill, "gate", short, phases=short) == left_out
    assert missed("m1_gate", "gate", short, phases=short) == []
    assert missed("m1_gate", "gate", ["baseline"], phases=["baseline"]) == ["verify"]
