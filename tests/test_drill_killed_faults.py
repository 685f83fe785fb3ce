"""Whole drills that are killed while their fault is in effect: the watchdog undoes all of it.

`make test-drills` runs them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_runner import ROOT, drill
from floor_fixtures import await_true
from test_drill_catalogue import ELSEWHERE

from muster import targets
from muster.faults import fault_of
from muster.platform import platform_of
from muster.undo import read_undo

pytestmark = pytest.mark.drills

# One drill for each way back: which faults it must have undone by the end. What a test of `recover`
# on a real testbed undoes in the same way (test_testbed_*.py) needs no drill of its own.
KILLED = {
    "redis_hung": {"redis_hung"},
    "redis_restarted": {"redis_restarted"},
    "redis_full": {"redis_full"},
    "redis_exhausted": {"redis_exhausted"},
    "redis_promoted": {"redis_promoted"},
    "provider_share": {"provider_share"},
    "provider_cut": {"provider_cut"},
    "region_partition": {"region_partition"},
    "dns_stale": {"dns_stale", "traffic_shift"},
    "compound_steering_unavailable": {
        "steering_unavailable", "region_power", "drain", "traffic_shift"
    },
}  # fmt: skip


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_drill_leaves_nothing_of_it(tmp_path: Path, name: str) -> None:
    """The watchdog undoes whatever the drill had begun, and every part of it is read back."""
    fault = name.removeprefix("compound_")
    with drill(tmp_path, **ELSEWHERE.get(name, {})) as one:
        file = one.environment()["MUSTER_TARGET"]
        up = one.command("up", "--target", file, "--profile", "test_short", "--scale", "1")
        assert up.returncode == 0, up.stderr
        one.start(ROOT / "experiments" / f"{name}.json")
        one.await_event("fault_proof", lambda seen: seen["fault"] == fault and seen["proven"])
        assert one.process is not None
        one.process.kill()
        await_true(lambda: any(event["verified"] for event in one.events("verify")), "verify", 90)
        target = targets.resolve(targets.load(file), testbed=one.testbed()["endpoints"])
        entries = read_undo(one.bundle / "undo.jsonl").entries
        assert {entry.kind for entry in entries} == KILLED[name]
        for entry in entries:
            assert entry.state == "done", entry
            back = fault_of(platform_of(target), entry).read_back()
            assert back.ok, back
