"""What this machine holds is asked before a drill locks anything, and is on record."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from drill_runner import TARGET

from muster import testbed
from muster.drill.plan import capacity as drill_capacity
from muster.drill.plan.capacity import capacity_of, told
from muster.drill.plan.describe import describe
from muster.drill.plan.permit import permit
from muster.drill.plan.plan import make_plan
from muster.drill.start import start
from muster.errors import BadInput
from muster.machine import Machine
from muster.testbed import api

MACHINE = Machine(open_files=20_000, ports=28_000, memory_bytes=8 << 30, cores=1)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of one core, on which no testbed is up."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    monkeypatch.setattr(api, "measured", lambda: MACHINE)
    return tmp_path


def plan_of(scale):
    """A drill of m3_20k at `scale` on the tests' testbed."""
    configuration = {"target": str(TARGET), "profile": "m3_20k", "scale": str(scale)}
    return make_plan(configuration, drill="d", title="d", kind="failover", gate="M3")


def test_more_than_the_machine_holds_is_refused_before_the_lock(machine):
    """By the permit, and by the start itself: no lock, no testbed, no evidence."""
    for step in (permit, start):
        with pytest.raises(BadInput, match=r"--scale: got 0\.9, expected at most .* \(cores\)"):
            step(plan_of(0.9))
    assert not list((machine / "state").rglob("*.lock"))
    assert not list((machine / "state").glob("testbed-*"))
    assert not list((machine / "out").glob("*/ledger.jsonl"))


def test_the_plan_says_what_the_machine_holds_and_what_is_too_much(machine):
    """The line with each limit where it fits; the refusal where it does not."""
    fits = "\n".join(describe(plan_of(0.1)).lines())
    assert "this machine holds " in fits
    assert "REFUSED" not in fits
    much = "\n".join(describe(plan_of(0.9)).lines())
    assert "REFUSED at present: --scale: got 0.9, expected at most" in much


def test_only_a_testbed_that_is_still_to_start_is_asked_about(machine, monkeypatch):
    """Off a testbed the load alone stands here; one that is up has shown that it fits."""
    plan = plan_of(0.1)
    assert capacity_of(plan) is not None
    elsewhere = replace(plan, target=plan.target.model_copy(update={"class_": "staging"}))
    assert (capacity_of(elsewhere), told(elsewhere, None)) == (None, None)
    up = SimpleNamespace(shape={"gateways_per_region": 2})
    monkeypatch.setattr(drill_capacity.testbed, "status", lambda name: up)
    assert capacity_of(plan_of(0.9)) is None


def test_the_ledger_is_told_all_of_it(machine, monkeypatch):
    """Each limit, which one binds, and the processes; what nobody measured is left open."""
    plan = plan_of(0.1)
    holds = capacity_of(plan)
    assert told(plan, holds) is None, "no testbed is up"
    shape = {"streams": 2000, "gateways_per_region": 2}
    monkeypatch.setattr(testbed, "status", lambda name: SimpleNamespace(shape=shape))
    said = told(plan, holds)
    assert (said["asked_streams"], said["bound_by"], said["shape"]) == (2000, "cores", shape)
    assert said["holds_streams"] == said["streams_by"]["cores"] == holds.streams
    assert told(plan, None)["holds_streams"] is None
