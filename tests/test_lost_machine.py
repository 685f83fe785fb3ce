"""The drilling machine is lost: its lock runs out, and another machine puts everything back.

Two clones stand for two machines: each has its own state and evidence directories, and the first
one's are deleted. Route 53 and the store are strict stand-ins.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from floor_fixtures import NOWHERE, OTHER, REGION, stand_in
from shared_targets import shared_document, write_target
from strict_aws import strict_aws, weighted

from muster import aws as aws_clients
from muster import targets
from muster.cli import drill as drill_commands
from muster.drill.lock.held import FileLock
from muster.drill.lock.readiness import readiness, unlock
from muster.drill.recover.again import recover_target
from muster.drill.recover.alone import recover_without_store
from muster.drill.undo.restore import restore
from muster.drill.undo.store import open_undo, stored_undo
from muster.errors import BadInput, DrillAborted
from muster.faults.safety_record import SafetyRecord
from muster.faults.traffic_shift import TrafficShift
from muster.ledger import read_ledger
from muster.platform import platform_of
from muster.platform.steering import SteeringError
from muster.platform.steering.route53 import Route53
from muster.undo import UndoHeader

DRILL = "20260101T000000Z-region_failover-ab12"
FIRST_MACHINE = f"""
import sys, time
from pathlib import Path
from muster import home, targets
from muster.drill.lock.held import TargetLock
from muster.drill.undo.store import open_undo
from muster.faults.traffic_shift import TrafficShift
from muster.ledger import Ledger
from muster.undo import UndoHeader
from muster.platform import platform_of
target = targets.load(sys.argv[1])
TargetLock(target, "{DRILL}").acquire()
bundle = home.out_dir() / "{DRILL}"
Ledger(bundle / "ledger.jsonl").append("drill_started", drill_id="{DRILL}")
undo = open_undo(target, bundle / "undo.jsonl", UndoHeader("{DRILL}", target.name, sys.argv[1]))
for share in (25, 0):
    fault = TrafficShift(platform_of(target), "{REGION}", share)
    undo.add(fault.kind, fault.subject, fault.undo_params(), fault.region)
    fault.apply()
print("dark", flush=True)
time.sleep(120)
"""
RECORD = "chat.staging.example.com."


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A staging platform of two regions that are ready, on stand-ins."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    on_machine(tmp_path, monkeypatch, "two")
    with strict_aws() as aws, stand_in(lambda call: (200, {})) as ready:
        for region, weight in ((REGION, 60), (OTHER, 140)):
            row, xml = weighted(RECORD, region, weight, "192.0.2.1")
            aws.records[row] = xml
        data = shared_document(aws.url)
        for region in (REGION, OTHER):
            data["regions"][region]["ready_url"] = f"{ready.url}/readyz"
        aws.file = write_target(tmp_path / "t.yaml", data)
        aws.target = targets.load(aws.file)
        yield aws


def on_machine(tmp_path, monkeypatch, name):
    """From here on this process is on that machine."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / name / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / name / "out"))


def weights(world):
    return Route53(world.target.steering).weights()


@pytest.fixture
def lost(world, tmp_path):
    """A first machine, gone in mid-drill with all its files."""
    environment = {
        **os.environ,
        "MUSTER_STATE_DIR": str(tmp_path / "one" / "state"),
        "MUSTER_OUT_DIR": str(tmp_path / "one" / "out"),
    }
    child = subprocess.Popen(
        [sys.executable, "-c", FIRST_MACHINE, world.file],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout.readline() == "dark\n"
        yield child
    finally:
        child.kill()
        child.wait(timeout=10)
        child.stdout.close()
        shutil.rmtree(tmp_path / "one", ignore_errors=True)


def end(child, tmp_path):
    child.kill()
    child.wait(timeout=10)
    shutil.rmtree(tmp_path / "one")


def test_another_machine_restores_what_a_lost_one_left(world, lost, tmp_path):
    """While it lives it is left alone; once its lease is over all goes back, on record."""
    said = []
    with pytest.raises(DrillAborted, match=f"held by {DRILL} on .*which is alive"):
        recover_target(world.file, said.append)
    assert weights(world) == {REGION: 0, OTHER: 100}
    end(lost, tmp_path)
    text = "\n".join(readiness(world.target, world.file))
    assert f"lock: held by {DRILL} on" in text
    assert f"undone: 1 changes of {DRILL}: chaos drill recover --target" in text
    assert recover_target(world.file, said.append) == 0
    assert weights(world) == {REGION: 60, OTHER: 140}
    assert stored_undo(world.target) == {}
    assert any("watching it for" in line for line in said)
    ledger = read_ledger(tmp_path / "two" / "out" / DRILL / "ledger.jsonl")
    assert ledger.of("verify")[-1]["verified"] is True
    verdict = json.loads((tmp_path / "two" / "out" / DRILL / "verdict.json").read_text())
    assert verdict["verdict"] == "ABORTED"
    assert recover_target(world.file, said.append) == 0
    assert said[-1] == "target staging: nothing is left changed"
    assert "lock: free" in readiness(world.target, world.file)


def test_of_two_recoveries_at_once_one_acts(world, lost, tmp_path, monkeypatch):
    """On two machines: the other is told that the lock is held, or finds nothing left."""
    end(lost, tmp_path)
    before = world.writes
    outcomes = []

    def recover(name: str) -> None:
        environment = {
            **os.environ,
            "MUSTER_STATE_DIR": str(tmp_path / name / "state"),
            "MUSTER_OUT_DIR": str(tmp_path / name / "out"),
        }
        command = [str(Path(sys.executable).with_name("chaos")), "drill", "recover"]
        done = subprocess.run(
            [*command, "--target", world.file],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        outcomes.append((done.returncode, done.stdout + done.stderr))

    threads = [threading.Thread(target=recover, args=(name,)) for name in ("two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert weights(world) == {REGION: 60, OTHER: 140}
    assert world.writes > before
    restored = [text for code, text in outcomes if code == 0 and "restored: route53" in text]
    assert len(restored) == 1, outcomes
    assert {code for code, _ in outcomes} <= {0, 4}
    assert stored_undo(world.target) == {}


def test_a_first_machine_that_comes_back_does_not_undo_it_again(world, tmp_path, monkeypatch):
    """What the store no longer holds was put back elsewhere: newer weights are not written over."""
    on_machine(tmp_path, monkeypatch, "one")
    header = UndoHeader(DRILL, "staging", world.file)
    bundle = tmp_path / "one" / "out" / DRILL
    undo = open_undo(world.target, bundle / "undo.jsonl", header)
    fault = TrafficShift(platform_of(world.target), REGION, 0)
    undo.add(fault.kind, fault.subject, fault.undo_params(), REGION)
    fault.apply()
    undo.close()
    on_machine(tmp_path, monkeypatch, "two")
    assert recover_target(world.file, lambda line: None) == 0
    Route53(world.target.steering).set_weights({REGION: 99, OTHER: 101})
    on_machine(tmp_path, monkeypatch, "one")
    said = []
    assert recover_target(world.file, said.append) == 5
    assert weights(world) == {REGION: 99, OTHER: 101}
    assert any(line.startswith("NOT RESTORED: route53") for line in said)
    Route53(world.target.steering).set_weights({REGION: 60, OTHER: 140})
    assert recover_target(world.file, said.append) == 0


def test_a_lock_is_broken_by_hand_and_says_what_that_breaks(world, lost, tmp_path):
    """Only by the holder's own name; then nothing waits for its lease."""
    end(lost, tmp_path)
    with pytest.raises(BadInput, match=f"expected its holder: {DRILL} on"):
        unlock(world.target, "someone")
    text = "\n".join(unlock(world.target, DRILL))
    assert f"broken: the lock of staging, held by {DRILL}" in text
    assert "changes that it has not restored yet: 1" in text
    with pytest.raises(BadInput, match="a holder: the lock is free"):
        unlock(world.target, DRILL)
    said = []
    assert recover_target(world.file, said.append) == 0
    assert not any("watching" in line for line in said)


def test_a_file_lock_is_not_broken_by_hand():
    """It is gone with its process, and never before."""
    with pytest.raises(BadInput, match="this one is a file's"):
        unlock(targets.load("testbed"), "d1")


def test_throttled_half_way_a_step_is_whole_or_not_at_all(world, tmp_path, monkeypatch):
    """The weights are those of one step; the abort puts them back, or says how by hand."""
    monkeypatch.setattr(aws_clients, "ATTEMPTS_MAX", 2)
    header = UndoHeader(DRILL, "staging", world.file)
    undo = open_undo(world.target, tmp_path / "undo.jsonl", header)
    shift = TrafficShift(platform_of(world.target), REGION, 25)
    undo.add(shift.kind, shift.subject, shift.undo_params(), REGION)
    shift.apply()
    shift.share_pct = 0
    world.plan = ["throttle", "throttle"]
    with pytest.raises(SteeringError, match="Throttling"):
        shift.apply()
    assert weights(world) == {REGION: 25, OTHER: 75}
    world.plan = ["throttle", "throttle"]
    monkeypatch.setattr(TrafficShift, "retry_s", 0.0)
    failed = restore(platform_of(world.target), undo)
    assert not failed.verified
    assert failed.commands[0].startswith("aws ")
    world.plan = ["lose_answer"]
    assert restore(platform_of(world.target), undo).verified
    assert weights(world) == {REGION: 60, OTHER: 140}
    assert stored_undo(world.target) == {}


def test_an_api_that_throttles_for_a_moment_does_not_fail_a_restore(world, tmp_path, monkeypatch):
    """The revert that raised is tried again until it is back."""
    monkeypatch.setattr(aws_clients, "ATTEMPTS_MAX", 1)
    monkeypatch.setattr("muster.drill.undo.restore.RETRY_S_MIN", 0.01)
    header = UndoHeader(DRILL, "staging", world.file)
    undo = open_undo(world.target, tmp_path / "undo.jsonl", header)
    shift = TrafficShift(platform_of(world.target), REGION, 0)
    undo.add(shift.kind, shift.subject, shift.undo_params(), REGION)
    shift.apply()
    world.plan = ["throttle", "throttle", "throttle"]
    restored = restore(platform_of(world.target), undo)
    assert restored.verified
    assert weights(world) == {REGION: 60, OTHER: 140}


def test_the_safety_nets_own_record_comes_and_goes(world):
    """Written, seen, taken back; what stood there before comes back as it was."""
    fault = SafetyRecord(platform_of(world.target), REGION)
    assert fault.change().before == "no record"
    assert fault.undo_params() == {"text": None}
    fault.apply()
    fault.apply()
    assert fault.observe().proven
    assert world.texts(RECORD) == ["safety._muster-drill." + RECORD]
    assert not fault.read_back().ok
    fault.revert()
    fault.revert()
    assert fault.read_back().ok
    assert world.texts(RECORD) == []
    assert not fault.observe().proven
    SafetyRecord.restore(platform_of(world.target), REGION, {"text": "theirs"}).revert()
    assert fault.change().before == "theirs"


@pytest.fixture
def left_here(world, tmp_path, monkeypatch):
    """A drill of this machine that left its step to 0, and then the store is gone."""
    on_machine(tmp_path, monkeypatch, "one")
    bundle = tmp_path / "one" / "out" / DRILL
    undo = open_undo(world.target, bundle / "undo.jsonl", UndoHeader(DRILL, "staging", world.file))
    fault = TrafficShift(platform_of(world.target), REGION, 0)
    undo.add(fault.kind, fault.subject, fault.undo_params(), REGION)
    fault.apply()
    undo.close()
    data = yaml.safe_load(Path(world.file).read_text())
    data["shared"] |= {"endpoint_url": NOWHERE, "timeout_s": 1}
    monkeypatch.setattr(aws_clients, "ATTEMPTS_MAX", 1)
    world.no_store = write_target(tmp_path / "no_store.yaml", data)
    return world


def test_without_its_store_recover_touches_nothing(left_here):
    """Whether another machine holds the target is unknown: exit 4, in one line."""
    said = []
    with pytest.raises(DrillAborted, match="who holds it is unknown"):
        recover_target(left_here.no_store, said.append)
    assert weights(left_here) == {REGION: 0, OTHER: 100}


def test_whoever_names_the_drill_has_it_restored_from_the_local_log(left_here, tmp_path):
    """All back, said to be on that word, and exit 4: the store knows nothing of it yet."""
    result = CliRunner().invoke(
        drill_commands, ["recover", "--target", left_here.no_store, "--without-store", DRILL]
    )
    assert result.exit_code == 4, result.output
    assert weights(left_here) == {REGION: 60, OTHER: 140}
    assert "NOT KNOWN: whether another machine holds the target" in result.output
    assert "restored: route53" in result.output
    # Once the store answers, plain recovery ends what stands there.
    assert len(stored_undo(left_here.target)[DRILL]) == 1
    assert recover_target(left_here.file, lambda line: None) == 0
    assert stored_undo(left_here.target) == {}
    assert weights(left_here) == {REGION: 60, OTHER: 140}


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("answers", "expected none: the store answers, so recover can use it"),
        ("no store", "expected none: target testbed has no shared store"),
        ("other drill", rf"the one drill that left changes .*\(there: {DRILL}\)"),
        ("torn", "a whole log: .* ends in a torn line"),
        ("unreadable", "logs that can be read: "),
        ("two", rf"\(there: 2.*, {DRILL}\)"),
    ],
)
def test_without_a_store_only_what_is_sure_here_is_restored(left_here, tmp_path, why, said):
    """Each refused in one line, and nothing touched."""
    file = {"answers": left_here.file, "no store": "testbed"}.get(why, left_here.no_store)
    log = tmp_path / "one" / "out" / DRILL / "undo.jsonl"
    other = log.parents[1] / "20250101T000000Z-older" / "undo.jsonl"
    if why == "torn":
        log.write_bytes(log.read_bytes() + b'{"id": "u2"')
    elif why in ("unreadable", "two"):
        other.parent.mkdir()
        text = log.read_text().replace(DRILL, other.parent.name)
        version = '"schema_version":99' if why == "unreadable" else '"schema_version":1'
        other.write_text(text.replace('"schema_version":1', version))
    named = "20990101T000000Z-x" if why == "other drill" else DRILL
    with pytest.raises(BadInput, match=said):
        recover_without_store(file, named, lambda line: None)
    assert weights(left_here) == {REGION: 0, OTHER: 100}


def test_a_drill_that_runs_here_is_never_recovered_under_its_feet(left_here):
    """This machine's own lock still holds, whatever the store does."""
    with FileLock("staging", DRILL), pytest.raises(DrillAborted, match=f"held by {DRILL}"):
        recover_without_store(left_here.no_store, DRILL, lambda line: None)
    assert weights(left_here) == {REGION: 0, OTHER: 100}
