"""The guard's duty ends with the drill's last effect: what comes later changes no verdict."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from bundle_maker import Story, make_bundle
from floor_fixtures import await_true
from guarded_drill import starting
from test_watchdog_process import platform

from muster import home
from muster.bundle import MANIFEST, check_seal
from muster.drill import conclude as concluding
from muster.drill.conclude import conclude_released
from muster.drill.lock.runs import runs_of
from muster.drill.recover.again import recover_target
from muster.jsonl import read_lines
from muster.judge.guarded import duty_over, guard_faults
from muster.judge.verdict import judge

__all__ = ["platform"]
TESTS = Path(__file__).parent
UNGUARDED = "ledger.jsonl: the drill was not guarded by a live watchdog throughout"


def events(*states, then=()):
    return [{"event": "watchdog", "state": state} for state in states] + [
        {"event": event} for event in then
    ]


@pytest.mark.parametrize(
    ("states", "ended", "guarded"),
    [
        (("started", "released"), True, True),
        (("started", "released"), False, True),
        (("started", "alive_at_end"), True, True),
        (("started", "alive"), False, True),
        (("started", "alive", "alive_at_end"), True, True),
        (("started", "alive"), True, False),
        (("started",), True, False),
        (("released",), True, False),
        ((), True, False),
        (("started", "lost"), True, False),
        (("started", "took_over"), True, False),
        (("started", "lost", "released"), True, False),
        (("started", "took_over", "released"), True, False),
        (("started", "released", "took_over"), True, False),
    ],
)
def test_a_drill_was_guarded_if_a_live_watchdog_was_released(states, ended, guarded):
    """Older ledgers say that it was alive at the end; one that was lost guarded nothing."""
    assert guard_faults(events(*states), ended=ended) == ([] if guarded else [UNGUARDED])
    assert duty_over(events(*states)) is ("released" in states)


@pytest.mark.parametrize("event", ["phase_started", "fault_declared", "fault_applied", "step"])
def test_no_effect_may_come_after_the_guards_duty(event):
    """What was done unguarded is named; the drill's own end is no effect."""
    after = events("started", "released", then=["drill_ended"])
    assert guard_faults(after, ended=True) == []
    (fault,) = guard_faults([*after, {"event": event}], ended=True)
    assert event in fault


def bundle_at_its_end(directory: Path, story: Story | None = None, *, lines=()) -> Path:
    """A whole drill's bundle without the lines of its end, and `lines` in their place."""
    bundle = make_bundle(directory, story)
    path = bundle / "ledger.jsonl"
    kept = [
        event
        for event in map(json.loads, path.read_text().splitlines())
        if event["event"] != "drill_ended" and event.get("state") != "alive_at_end"
    ]
    end_s = kept[-1]["t"] + 1
    kept += [{"seq": 0, "t": end_s + number, **line} for number, line in enumerate(lines)]
    whole = [{**event, "seq": number} for number, event in enumerate(kept, start=1)]
    path.write_text("".join(json.dumps(event) + "\n" for event in whole))
    return bundle


RELEASED = {"event": "watchdog", "state": "released"}


def test_a_released_drill_passes_and_one_that_was_not_does_not(tmp_path):
    """Before its last line as after it."""
    ended = [RELEASED, {"event": "drill_ended"}]
    assert judge(bundle_at_its_end(tmp_path / "a", lines=ended)).verdict == "PASS"
    assert judge(bundle_at_its_end(tmp_path / "b", lines=[RELEASED]), ended=False).verdict == "PASS"
    cut = bundle_at_its_end(tmp_path / "c", lines=[{"event": "drill_ended"}])
    assert judge(cut).verdict == "INCONCLUSIVE"


@pytest.fixture
def drawn(monkeypatch):
    """Bundles whose report was drawn; none is drawn for real."""
    found = []
    monkeypatch.setattr(concluding, "draw", lambda bundle: found.append(bundle) or "")
    return found


def test_evidence_of_a_released_drill_is_judged_as_it_stands(tmp_path, drawn):
    """Whoever finishes it adds the missing last line, judges, reports and seals."""
    bundle = bundle_at_its_end(tmp_path / "a", lines=[RELEASED])
    assert conclude_released(bundle) == "PASS"
    assert drawn == [bundle]
    assert check_seal(bundle).intact
    sealed = (bundle / MANIFEST).read_bytes()
    assert conclude_released(bundle) == "PASS"
    assert (bundle / MANIFEST).read_bytes() == sealed


def test_a_verdict_that_was_decided_stands(tmp_path, drawn):
    """Not one byte of it changes; what is missing around it is made."""
    bundle = bundle_at_its_end(tmp_path / "a", lines=[RELEASED, {"event": "drill_ended"}])
    decided = b'{"verdict": "FAIL", "stopped_by": "a reason of its own"}\n'
    (bundle / "verdict.json").write_bytes(decided)
    assert conclude_released(bundle) == "FAIL"
    assert (bundle / "verdict.json").read_bytes() == decided
    assert check_seal(bundle).intact


QUICK = """
import os, sys
if "muster.drill.drawing" in sys.orig_argv:
    open(os.path.join(sys.orig_argv[-2], "drawn"), "w").close()
    os._exit(0)
"""
"""Every process reads it; the one that draws only says that it was asked to."""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a drill's process at its end; whatever is left of it is ended."""
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "sitecustomize.py").write_text(QUICK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "quick"), prepend=os.pathsep)
    with starting("ending_drill.py", tmp_path, 300) as run:
        yield run


def test_a_process_that_is_starved_after_the_guards_duty_ends_by_itself(tmp_path, platform, start):
    """It holds the interpreter's lock for two leases and more; nobody kills it, and it passes."""
    bundle = bundle_at_its_end(tmp_path / "out" / "released")
    child = start("released", "")
    assert child.stdout.readline() == "PASS None\n"
    assert child.wait(120) == 0
    assert json.loads((bundle / "verdict.json").read_text())["verdict"] == "PASS"
    states = [e["state"] for e in read_lines(bundle / "ledger.jsonl").records if "state" in e]
    assert states[-1] == "released"


def test_a_process_that_is_starved_while_it_is_guarded_is_ended(tmp_path, platform, start):
    """The near miss: before its release the same silence is a hang."""
    bundle_at_its_end(tmp_path / "out" / "hogs")
    assert start("hogs", "").wait(60) == -signal.SIGKILL


def test_a_drill_that_dies_before_its_decision_is_judged_as_it_stands(tmp_path, platform, start):
    """The evidence was complete: the watchdog adds the last line and takes nothing away."""
    bundle = bundle_at_its_end(tmp_path / "out" / "complete")
    child = start("complete", "released")
    child.kill()
    await_true(lambda: not runs_of("it"), "the watchdog's end", 300)
    assert json.loads((bundle / "verdict.json").read_text())["verdict"] == "PASS"
    assert check_seal(bundle).intact
    assert not [e for e in read_lines(bundle / "ledger.jsonl").records if e["event"] == "stopped"]


def test_a_drill_that_dies_after_its_decision_keeps_its_verdict(tmp_path, platform, start):
    """The watchdog draws and seals what is missing, and writes no verdict."""
    bundle = bundle_at_its_end(tmp_path / "out" / "decided")
    child = start("decided", "decided")
    verdict, ledger = bundle / "verdict.json", bundle / "ledger.jsonl"
    before = (verdict.stat().st_ino, verdict.read_bytes(), ledger.read_bytes())
    child.kill()
    await_true(lambda: not runs_of("it"), "the watchdog's end", 300)
    assert (verdict.stat().st_ino, verdict.read_bytes(), ledger.read_bytes()) == before
    assert (bundle / "drawn").exists()
    assert check_seal(bundle).intact


def test_recovery_finishes_released_evidence_and_rewrites_no_verdict(tmp_path, monkeypatch, drawn):
    """Where drill and watchdog both died after the decision."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    bundle = bundle_at_its_end(tmp_path / "out" / "one", lines=[RELEASED])
    decided = b'{"verdict": "PASS"}\n'
    (bundle / "verdict.json").write_bytes(decided)
    said = []
    target = home.root() / "targets" / "testbed.yaml"
    assert recover_target(str(target), said.append) == 0
    assert (bundle / "verdict.json").read_bytes() == decided
    assert (bundle / MANIFEST).exists()
    assert any("had ended: PASS" in line for line in said)
