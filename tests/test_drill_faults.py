"""Whole drills whose own parts break: disk, name server, Toxiproxy, load. Each ends restored."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from disks import fill, tmpfs
from drill_runner import ROOT, TARGET, Drill, drill

from muster import targets
from muster.faults.region_power import RegionPower
from muster.faults.toxiproxy import ProxyHandle
from muster.judge.verdict import EXIT_CODES
from muster.platform import platform_of
from muster.platform.steering.route53 import Route53

pytestmark = pytest.mark.drills
REGION = "eu-west-1"


def with_testbed(one: Drill) -> dict[str, Any]:
    """A testbed that the drill did not start, and so does not end; its state."""
    one.work.mkdir(parents=True, exist_ok=True)
    done = one.command("up", "--target", str(TARGET), "--profile", "test_short", "--scale", "1")
    assert done.returncode == 0, done.stderr
    return one.testbed()


def is_as_before(one: Drill) -> bool:
    """Asked of the real systems: weights, region, and every proxy."""
    target = targets.resolve(targets.load(str(TARGET)), testbed=one.testbed()["endpoints"])
    clean = []
    for region in target.regions.values():
        assert region.toxiproxy is not None
        for name in region.toxiproxy.proxies.values():
            state = ProxyHandle(region.toxiproxy.url, name, 3).state()
            clean.append(bool(state["enabled"]) and not state["toxics"])
    weights = Route53(target.steering).weights()
    power = RegionPower(platform_of(target), REGION).read_back()
    return len(set(weights.values())) == 1 and 0 not in weights.values() and power.ok and all(clean)


def pid_of(one: Drill, name: str) -> int:
    """The testbed's part whose name begins so."""
    return next(p["pid"] for p in one.testbed()["processes"] if p["name"].startswith(name))


def test_a_disk_that_is_full_before_the_drill_refuses_it(tmp_path: Path) -> None:
    """No room for ledger and undo log: nothing is started, and one line says why."""
    with tmpfs(tmp_path / "full", "1m") as place, drill(tmp_path / "work") as one:
        fill(place / "filler")
        one.variables["MUSTER_OUT_DIR"] = str(place / "out")
        one.start()
        assert one.wait(60) == 2
        assert "MUSTER_OUT_DIR" in one.output
        assert not (one.work / "state" / "testbed-test" / "state.json").exists()


def test_a_disk_that_fills_up_in_the_dark_aborts_and_restores(tmp_path: Path) -> None:
    """Never on unlogged: all is put back, the run fails, and `recover` ends it with room again."""
    with tmpfs(tmp_path / "small", "200m") as place, drill(tmp_path / "work") as one:
        one.variables["MUSTER_OUT_DIR"] = str(place / "out")
        with_testbed(one)
        one.start()
        one.await_event("fault_proof")
        fill(place / "filler")
        assert one.wait() != 0, one.output
        assert "No space left" in one.output
        assert is_as_before(one)
        (place / "filler").unlink()
        done = one.command("recover", "--target", str(TARGET))
        assert done.returncode == 0, done.stdout + done.stderr
        verdicts = [json.loads(p.read_text()) for p in (place / "out").glob("*/verdict.json")]
        assert all(verdict["verdict"] != "PASS" for verdict in verdicts)


def test_a_dead_name_server_stops_the_drill_and_everything_is_back(tmp_path: Path) -> None:
    """Nobody finds the platform any more: never a PASS, and all that was changed is put back."""
    with drill(tmp_path) as one:
        with_testbed(one)
        one.start()
        one.await_event("fault_proof")
        os.kill(pid_of(one, "dns"), signal.SIGKILL)
        code = one.wait()
        assert one.verdict["verdict"] in ("FAIL", "ABORTED"), one.output
        assert code == EXIT_CODES[one.verdict["verdict"]]
        assert one.events("verify")[-1]["verified"] is True
        assert is_as_before(one)


def test_a_dead_load_in_the_dark_restores_and_blames_the_rig(tmp_path: Path) -> None:
    """Every load process killed: INCONCLUSIVE, no finding made of silence, all is back."""
    with drill(tmp_path) as one:
        with_testbed(one)
        one.start()
        one.await_event("fault_proof")
        (started,) = one.events("load_started")
        for pid in started["pids"]:
            os.kill(pid, signal.SIGKILL)
        assert one.wait() == 3
        assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
        assert one.verdict["stopped_by"] == "load_died"
        assert "restore_time" not in one.failures()
        assert is_as_before(one)


def test_a_toxiproxy_that_hangs_in_an_outage_is_restarted(tmp_path: Path) -> None:
    """SIGSTOP while the region's Redis is away: whatever stops the drill, the region is back."""
    with drill(tmp_path) as one:
        with_testbed(one)
        one.start(ROOT / "experiments" / "redis_outage.json")
        one.await_event("fault_proof")
        pid = pid_of(one, f"toxiproxy-{REGION}")
        os.kill(pid, signal.SIGSTOP)
        code = one.wait()
        assert one.verdict["verdict"] in ("FAIL", "ABORTED", "INCONCLUSIVE"), one.output
        assert code == EXIT_CODES[one.verdict["verdict"]]
        assert one.events("verify")[-1]["verified"] is True
        assert pid_of(one, f"toxiproxy-{REGION}") != pid
        assert is_as_before(one)
