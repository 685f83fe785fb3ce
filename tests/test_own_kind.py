"""What a ledger says of its own drill: its kind, its plan and its events must fit each other."""

from __future__ import annotations

import json
import shutil

import pytest
from bundle_maker import FAILOVER, Story, make_bundle

from muster.bundle import seal
from muster.cli.gate import Asked, answer
from muster.judge.findings import unmeasured
from muster.judge.own_kind import kind_faults
from muster.judge.phases import phases_of
from muster.judge.verdict import judge, write_verdict

SHORT = tuple((n, t, 30.0 if n == "dark" else s) for n, t, s in FAILOVER)
PLAN = [name for name, _, _ in FAILOVER if name != "preflight"]
SOAK = ["ramp", "baseline", "verify"]
AWAY = ("evacuate", "drain", "dark", "restore")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    story = Story(phases=SHORT, server_processes=1, shards=1)
    return make_bundle(tmp_path_factory.mktemp("kinds") / "plain", story)


@pytest.fixture
def edited(made, tmp_path):
    """Writes the bundle again: some events left out, the start with other words."""

    def write(leave_out=lambda event: False, **started):
        bundle = shutil.copytree(made, tmp_path / "bundle")
        events = [json.loads(line) for line in (made / "ledger.jsonl").read_text().splitlines()]
        events = [event for event in events if not leave_out(event)]
        events[0].update(started)
        lines = [json.dumps({**event, "seq": n}) for n, event in enumerate(events, start=1)]
        (bundle / "ledger.jsonl").write_text("\n".join(lines) + "\n")
        return bundle

    return write


def told(bundle):
    """The verdict, and what is unknown; no such bundle opens a gate."""
    verdict = judge(bundle)
    write_verdict(bundle, verdict)
    seal(bundle)
    gate, code = answer(Asked("M3", (bundle,), allow_testbed=True, allow_unsigned=True))
    assert not gate.opens
    assert code != 0
    return verdict.verdict, " | ".join(verdict.document["unknowns"])


def test_a_failover_as_it_was_planned_passes(edited):
    """What the others leave out is all here."""
    assert judge(edited(phases=PLAN)).verdict == "PASS"


def test_a_failover_that_is_said_to_be_a_gate_is_unknown(edited):
    """Its phases were gone through, and the shortened plan has none of them."""
    verdict, unknowns = told(edited(kind="gate", drill="m1_gate", phases=SOAK))
    assert verdict == "INCONCLUSIVE"
    for name in AWAY:
        assert f"phase_complete {name} [ledger] no data: this phase was executed" in unknowns


def test_a_failover_without_its_phases_is_no_gate(edited):
    """Their events are cut out of the ledger, and the region still went dark."""

    def of_them(event):
        return event.get("phase") in AWAY

    verdict, unknowns = told(edited(of_them, kind="gate", drill="m1_gate", phases=SOAK))
    assert verdict == "INCONCLUSIVE"
    assert "phase_complete [ledger]" in unknowns.replace("  ", " ")
    assert "region_dark outside dark and loss" in unknowns


def test_an_experiment_without_a_fault_is_none(edited):
    """Neither its phases nor its events show one."""

    def of_them(event):
        return event.get("phase") in AWAY or event["event"].startswith(("fault_", "region_"))

    verdict, unknowns = told(edited(of_them, kind="experiment", drill="own", phases=SOAK))
    assert verdict == "INCONCLUSIVE"
    assert "any fault" in unknowns
    assert "its effect was never verified" in unknowns


@pytest.mark.parametrize("started", [{}, {"kind": "gate", "drill": "m1_gate"}])
def test_a_dark_phase_in_which_no_region_was_seen_dark_is_unknown(edited, started):
    """Whatever the kind; the gate counts no second of it either."""
    verdict, unknowns = told(edited(lambda e: e["event"] == "region_dark", phases=PLAN, **started))
    assert verdict == "INCONCLUSIVE"
    said = "fault_proof dark [ledger] no data: no region was observed dark in this phase"
    assert said in unknowns


def test_a_dark_phase_without_any_fault_is_unknown_for_a_gate_too(edited):
    """Nobody declared one, nobody saw it bite."""

    def of_fault(event):
        return event["event"].startswith("fault_")

    verdict, unknowns = told(edited(of_fault, kind="gate", drill="m1_gate", phases=PLAN))
    assert verdict == "INCONCLUSIVE"
    assert "its effect was never verified" in unknowns


def test_a_drill_of_no_kind_is_unknown(edited):
    """A word that no drill's file may have."""
    verdict, unknowns = told(edited(kind="soak", phases=PLAN))
    assert verdict == "INCONCLUSIVE"
    assert "no drill is of the kind soak" in unknowns


# The rules by themselves.


def events_of(*names, more=()):
    """A phase every ten seconds, and more events in their places."""
    events = []
    for index, name in enumerate(names):
        events.append({"t": 10.0 * index, "event": "phase_started", "phase": name})
        ended = {"event": "phase_ended", "phase": name, "outcome": "ok"}
        events.append({"t": 10.0 * index + 9, **ended})
    return sorted([*events, *more], key=lambda event: event["t"])


def faults(kind, *names, more=(), **started):
    events = events_of(*names, more=more)
    found = kind_faults({"kind": kind, **started}, phases_of(events), events)
    assert {one.status for one in found} <= {"unknown"}
    return [(one.slo, one.phase, one.reason) for one in found]


def test_preflight_is_never_planned():
    """It changes nothing and is no phase that a drill is about."""
    names = ("preflight", "ramp", "baseline", "verify")
    assert faults("gate", *names, phases=SOAK) == []
    (found,) = faults("gate", *names, phases=["ramp", "verify"])
    assert found[1:] == ("baseline", "this phase was executed but not planned")


def test_a_phase_that_was_planned_once_is_gone_through_once():
    """A second one was not the plan's."""
    twice = ("baseline", "fault", "recovery", "fault", "recovery", "verify")
    plan = ["baseline", "fault", "recovery", "verify"]
    assert [one[1] for one in faults("experiment", *twice, phases=plan)] == ["fault", "recovery"]


@pytest.mark.parametrize(
    ("event", "name", "fits"),
    [
        ("step", "evacuate", True),
        ("step", "restore", True),
        ("step", "shift", True),
        ("step", "shift_back", True),
        ("step", "shifted", False),
        ("fault_declared", "shift", True),
        ("fault_applied", "shift_back", False),
        ("region_dark", "shift", False),
        ("step", "baseline", False),
        ("fault_declared", "fault", True),
        ("fault_applied", "recovery", False),
        ("region_dark", "fault", False),
    ],
)
def test_an_effect_stands_in_a_phase_that_has_it(event, name, fits):
    """In another one it was not planned, and the phase is not what its name says."""
    more = ({"t": 15.0, "event": event},)
    found = [one for one in faults("gate", "ramp", name, more=more) if one[0] == "phase_complete"]
    assert [one[1] for one in found] == ([] if fits else [name])


def test_contradictions_add_up_and_are_the_ledgers_own():
    """Another kind, an unplanned phase and one that was never dark: one finding each."""
    events = events_of("baseline", "dark", "verify")
    started = {"kind": "soak", "phases": ["baseline", "verify"]}
    found = kind_faults(started, phases_of(events), events)
    assert found == [
        unmeasured("phase_complete", "ledger", "unknown", "no drill is of the kind soak"),
        unmeasured(
            "phase_complete",
            "ledger",
            "unknown",
            "this phase was executed but not planned",
            phase="dark",
        ),
        unmeasured(
            "fault_proof",
            "ledger",
            "unknown",
            "no region was observed dark in this phase",
            phase="dark",
        ),
    ]


def test_an_abrupt_loss_needs_a_region_that_went_dark_in_it():
    """Not one that was dark before."""
    names = ("baseline", "loss", "failed_over", "comeback", "verify")
    lost = {"event": "region_dark", "region": "west"}
    assert faults("experiment", *names, more=({"t": 12.0, **lost},)) == []
    found = faults("experiment", *names, more=({"t": 2.0, **lost},))
    assert ("fault_proof", "loss", "no region was observed dark in this phase") in found
    assert ("phase_complete", "baseline", "region_dark outside dark and loss") in found


@pytest.mark.parametrize("t_s", [-1.0, 9.5])
def test_an_effect_between_phases_is_of_no_phase(t_s):
    """Before the first one, and after one that ended."""
    found = faults("gate", *SOAK, more=({"t": t_s, "event": "step"},))
    assert found == [
        ("phase_complete", None, "step outside evacuate, restore, shift, shift_back and stale")
    ]


@pytest.mark.parametrize(("t_s", "seen"), [(10.0, True), (20.0, True), (9.9, False), (20.1, False)])
def test_a_region_that_went_dark_at_an_edge_of_the_phase_went_dark_in_it(t_s, seen):
    """Its first moment and the one at which the next phase begins belong to it."""
    lost = {"t": t_s, "event": "region_dark", "region": "west"}
    found = faults("experiment", "baseline", "loss", "failed_over", more=(lost,))
    assert any(slo == "fault_proof" for slo, _, _ in found) is not seen
