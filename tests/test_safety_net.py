"""The drill of the safety net: it passes on what holds, and finds what does not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml
from drill_runner import ROOT, TARGET, drill
from shared_targets import MemoryStore
from strict_aws import strict_aws

from muster import contract, targets
from muster.clock import SYSTEM_CLOCK
from muster.drill.lock.lease import SharedLease
from muster.drill.phases import safety
from muster.drill.watchdog.messages import Rehearsed
from muster.stores import Store, Stored


class LenientStore(MemoryStore):
    """A store that lets anyone win, as moto does."""

    def _put(self, key: str, text: str, old: Stored | None) -> None:
        self.held[key] = text


@pytest.mark.parametrize(
    ("kind", "wrong"), [(MemoryStore, ""), (LenientStore, "replaced an outdated state")]
)
def test_a_store_that_lets_two_win_is_found(kind: type[Store], wrong: str) -> None:
    """Tried on the held lock itself, which is still held after."""
    lease = SharedLease(kind(), "t", "d1", place="p", lease_s=60, clock_skew_s_max=1)
    lease.acquire()
    assert (wrong in lease.flaw()) if wrong else lease.flaw() == ""
    lease.renew()
    lease.release()


def test_a_planted_breach_trips_and_a_healthy_trace_does_not() -> None:
    """By the queue's limit of the drill's own gate."""
    rules = contract.load()
    plan = SimpleNamespace(contract=rules, gate=rules.gates["M3"], time_scale=1.0)
    session = SimpleNamespace(plan=plan, target=targets.load("testbed"), clock=SYSTEM_CLOCK)
    assert safety._trips(session, breach=False) == []
    assert {trip.kind for trip in safety._trips(session, breach=True)} == {"limit"}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (Rehearsed(looks=3, sees=True), ""),
        (Rehearsed(looks=0, sees=True), "does not see"),
        (Rehearsed(looks=3, sees=False), "does not see"),
        (None, "did not answer"),
    ],
)
def test_a_watchdog_that_is_deaf_or_blind_is_found(answer, wrong) -> None:
    """It must answer within its lease, and look at the samples."""
    told = safety._watchdog_fails(answer)
    assert (wrong in told) if wrong else told == ""


@pytest.mark.drills
def test_the_whole_drill_passes_with_a_shared_lock(tmp_path) -> None:
    """On the testbed, its lock and undo entries in a strict stand-in store; nothing is left."""
    with strict_aws() as aws:
        data = yaml.safe_load(TARGET.read_text())
        data["shared"] = {"kind": "s3", "bucket": "drills", "endpoint_url": aws.url}
        path = tmp_path / "target.yaml"
        path.write_text(yaml.safe_dump(data))
        with drill(tmp_path / "work", target=str(path)) as one:
            one.start(ROOT / "drills" / "safety_net.json")
            assert one.wait() == 0, one.output
            slos = {finding["slo"] for finding in one.verdict["findings"]}
            assert {"safety_lock_file", "safety_lock_shared", "safety_lock_exclusive"} <= slos
            assert {"safety_freeze", "safety_undo", "safety_guard", "safety_restore_time"} <= slos
            assert "safety_watchdog" in slos
            nothing = {"changed_by_another": [], "commands": [], "pending": []}
            assert one.verdict["undo"] == {**nothing, "verified": True}
        assert [name for name in aws.objects if "undo/" in name] == []
