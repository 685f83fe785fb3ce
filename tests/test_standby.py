"""Standing by for a drill whose machine is gone: it alone is restored, and after its lease alone.

Route 53 and the store are strict stand-ins; the first machine is what it left there.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from floor_fixtures import OTHER, REGION, stand_in
from held_clock import HeldClock
from shared_targets import shared_document, write_target
from strict_aws import strict_aws, weighted

from muster import aws as aws_clients
from muster import targets
from muster.cli import drill as drill_commands
from muster.drill.lock.lease import WATCHED, SharedLease, record_of
from muster.drill.phases.preflight import stood_by
from muster.drill.recover.standby import RIGHTS_S, Standby
from muster.drill.undo.beside import SAID_S, SAID_S_MAX
from muster.drill.undo.store import StoreMirror, open_undo, stored_undo
from muster.faults.traffic_shift import TrafficShift
from muster.platform import platform_of
from muster.platform.power.none import PowerByNobody
from muster.platform.steering import SteeringError
from muster.platform.steering.route53 import Route53
from muster.stores import store_of
from muster.targets import resolve_shared
from muster.undo import UndoHeader

DRILL = "20260101T000000Z-region_failover-ab12"
RECORD = "chat.staging.example.com."
LEASE_S = 16.0
BEFORE = {REGION: 60, OTHER: 140}
DARK = {REGION: 0, OTHER: 100}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A staging platform on stand-ins, and this process as the second machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "two" / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "two" / "out"))
    monkeypatch.setattr(aws_clients, "ATTEMPTS_MAX", 1)
    # A held clock has no time for threads: the tests renew, where a thread would.
    for work in ("_keep", "_expire"):
        monkeypatch.setattr(SharedLease, work, lambda self: None)
    with strict_aws() as aws, stand_in(lambda call: (200, {})) as ready:
        for region, weight in BEFORE.items():
            row, xml = weighted(RECORD, region, weight, "192.0.2.1")
            aws.records[row] = xml
        data = shared_document(aws.url, lease_s=LEASE_S)
        for region in (REGION, OTHER):
            data["regions"][region]["ready_url"] = f"{ready.url}/readyz"
        aws.data, aws.file = data, write_target(tmp_path / "t.yaml", data)
        aws.target = targets.load(aws.file)
        aws.store = store_of(resolve_shared(aws.target))
        aws.weights = Route53(aws.target.steering).weights
        yield aws


@pytest.fixture
def clock():
    return HeldClock(time.time())


@pytest.fixture
def dark(world, tmp_path, clock):
    """The lease of a drill of the first machine, which has moved all traffic away."""
    lease = SharedLease(
        world.store,
        "staging",
        DRILL,
        place="one",
        lease_s=LEASE_S,
        clock_skew_s_max=1,
        clock=clock,
    )
    lease.acquire()
    header = UndoHeader(DRILL, "staging", world.file)
    undo = open_undo(world.target, tmp_path / "one" / "undo.jsonl", header)
    fault = TrafficShift(platform_of(world.target), REGION, 0)
    undo.add(fault.kind, fault.subject, fault.undo_params(), REGION)
    fault.apply()
    undo.close()
    return lease


@pytest.fixture
def waiting(world, clock):
    """Who stands by, and the lines that were said."""
    said: list[str] = []
    one = Standby(world.file, said.append, clock)
    one.said = said
    return one


def looked(one, clock, seconds):
    """Looks for `seconds`; the exit codes of recoveries."""
    end_s = clock.passed_s + seconds
    codes = []
    while clock.passed_s < end_s:
        codes.append(one.look())
        clock.advance(one.look_s)
    return [code for code in codes if code is not None]


def test_a_drill_that_renews_its_lock_is_left_alone(world, dark, waiting, clock):
    """However long it lasts, and however late each renewal comes."""
    for _ in range(10):
        assert looked(waiting, clock, LEASE_S) == []
        dark.renew()
    assert world.weights() == DARK
    assert waiting.said == []


def test_a_drill_that_is_gone_is_restored_after_its_lease(world, dark, waiting, clock):
    """Not a moment before; then all is as it was, and nobody holds the target."""
    assert looked(waiting, clock, WATCHED * LEASE_S) == []
    assert world.weights() == DARK
    assert looked(waiting, clock, 2 * waiting.look_s) == [0]
    assert world.weights() == BEFORE
    assert stored_undo(world.target) == {}
    assert record_of(world.store.read("lock/staging")).holder == ""
    assert "1 changes are left and the lock, held by 20260101" in waiting.said[0]
    assert any("restored: route53" in line for line in waiting.said)
    assert looked(waiting, clock, 3 * LEASE_S) == []


def test_nothing_left_is_no_reason_to_take_the_lock(world, dark, waiting, clock):
    """Who died without a change holds it until its lease is over, and who begins next gets it."""
    (entry,) = world.store.under("undo/staging")
    world.store.remove(entry)
    before = world.store.read("lock/staging")
    assert looked(waiting, clock, 4 * LEASE_S) == []
    assert world.store.read("lock/staging") == before


def test_a_free_lock_with_changes_is_watched_all_the_same(world, dark, waiting, clock):
    """Broken by hand under a living drill, which then restores by itself: each entry is a sign."""
    dark.release()
    assert looked(waiting, clock, WATCHED * LEASE_S) == []
    (entry,) = stored_undo(world.target)[DRILL]
    mirror = StoreMirror(world.store, UndoHeader(DRILL, "staging", world.file))
    mirror.put(entry.__class__(**{**entry.__dict__, "params": {**entry.params, "more": 1}}))
    assert looked(waiting, clock, WATCHED * LEASE_S) == []
    assert looked(waiting, clock, 2 * waiting.look_s) == [0]
    assert world.weights() == BEFORE


def test_of_two_that_stand_by_one_restores(world, dark, waiting, clock, monkeypatch):
    """The other one sees that the lock has changed, and touches nothing."""
    looked(waiting, clock, WATCHED * LEASE_S)
    other = SharedLease(
        world.store,
        "staging",
        "recover-other",
        place="three",
        lease_s=LEASE_S,
        clock_skew_s_max=1,
        clock=clock,
    )
    changed = Standby._restored

    def late(self, state, silent_s):
        other.acquire(patient=True)
        return changed(self, state, silent_s)

    monkeypatch.setattr(Standby, "_restored", late)
    assert looked(waiting, clock, 2 * waiting.look_s) == []
    assert "left alone: target staging: held by recover-other on" in waiting.said[-1]
    assert world.weights() == DARK


def test_a_store_that_does_not_answer_is_told_once_and_restores_nothing(
    world, dark, waiting, clock
):
    """Not ready meanwhile; the drill that nobody saw renewing is still watched for a lease."""
    waiting.look()
    assert waiting.ready_file.exists()
    waiting.ready_file.unlink()
    world.down = True
    assert looked(waiting, clock, 3 * LEASE_S) == []
    assert len([line for line in waiting.said if line.startswith("NOT READY")]) == 1
    assert not waiting.ready_file.exists()
    world.down = False
    dark.renew()
    assert looked(waiting, clock, WATCHED * LEASE_S) == []
    assert waiting.said[-1] == "ready to restore again"
    assert waiting.ready_file.exists()
    assert world.weights() == DARK


def test_what_cannot_be_restored_is_tried_again_after_a_lease(
    world, dark, waiting, clock, monkeypatch
):
    """Each time with the line for a person; once the platform takes it, all is back."""
    real = Route53.set_weights
    monkeypatch.setattr(TrafficShift, "retry_s", 0.0)

    def refuse(self, weights):
        raise SteeringError("refused")

    monkeypatch.setattr(Route53, "set_weights", refuse)
    assert looked(waiting, clock, 3 * LEASE_S) == [5, 5]
    assert any(line.startswith("by hand: aws ") for line in waiting.said)
    assert "target staging: recover ended with 5: it is tried again" in waiting.said
    monkeypatch.setattr(Route53, "set_weights", real)
    assert looked(waiting, clock, 2 * LEASE_S) == [0]
    assert world.weights() == BEFORE


def test_who_lacks_a_right_to_restore_is_not_ready(waiting, clock, monkeypatch):
    """Asked now and then, before it is needed; the file that a probe looks at is not touched."""
    missing = ("no right to patch deployments/scale",)
    monkeypatch.setattr(PowerByNobody, "rehearse_revert", lambda self: missing)
    waiting.look()
    assert waiting.said == [
        f"NOT READY to restore: regions.{name}.power: {missing[0]}" for name in (REGION, OTHER)
    ]
    assert not waiting.ready_file.exists()
    monkeypatch.setattr(PowerByNobody, "rehearse_revert", lambda self: ())
    waiting.look()
    assert not waiting.ready_file.exists(), "what was asked last stands"
    clock.advance(RIGHTS_S)
    waiting.look()
    assert waiting.ready_file.exists()


def preflight_says(world, clock):
    """What the check says to a drill on this target."""
    target = world.target.model_copy(
        update={"shared": world.target.shared.model_copy(update={"standby": True})}
    )
    lease = SimpleNamespace(store=world.store, clock_skew_s_max=30.0)
    session = SimpleNamespace(target=target, lock=SimpleNamespace(lease=lease), clock=clock)
    assert stood_by(SimpleNamespace(target=world.target, lock=session.lock)) == ""
    return stood_by(session)


def test_a_drill_that_wants_somebody_beside_it_is_refused_without(world, waiting, clock):
    """Nobody yet; somebody; nobody any more, or one who could not restore."""
    assert "nobody stands by: run chaos drill standby --target staging" in preflight_says(
        world, clock
    )
    looked(waiting, clock, SAID_S + 1)
    assert preflight_says(world, clock) == ""
    waiting._rights, waiting._rights_at_s = ("no right",), clock.boot_s() + 1e6
    looked(waiting, clock, SAID_S_MAX)
    assert preflight_says(world, clock) == ""
    clock.advance(31)
    assert "said so last" in preflight_says(world, clock)
    world.store.write("standby/staging", "?", world.store.read("standby/staging"))
    assert "no record of who stands by" in preflight_says(world, clock)


@pytest.mark.parametrize(
    ("target", "said"),
    [("testbed", "a store off the machine"), ("shared testbed", "a target off the testbed")],
)
def test_a_target_that_nobody_else_can_restore_is_refused(world, tmp_path, target, said):
    """One line, exit code 2."""
    if target != "testbed":
        data = targets.load("testbed").model_dump(mode="json", by_alias=True)
        data["shared"] = world.data["shared"]
        target = write_target(tmp_path / "shared.yaml", data)
    result = CliRunner().invoke(drill_commands, ["standby", "--target", target])
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_the_command_ends_when_it_is_told_to(world):
    """SIGTERM, as a pod gets it: exit code 0."""
    command = [str(Path(sys.executable).with_name("chaos")), "drill", "standby"]
    child = subprocess.Popen(
        [*command, "--target", world.file], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    timer = threading.Timer(120, child.kill)
    timer.start()
    try:
        assert "standing by" in child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        assert "no longer standing by" in child.stdout.read()
        assert child.wait() == 0
    finally:
        timer.cancel()
        child.kill()
        child.wait()
        child.stdout.close()
