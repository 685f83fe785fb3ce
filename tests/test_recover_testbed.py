"""`chaos drill recover` on real testbeds that are whole, half dead, or hang."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from testbed_peers import alive, small_target, start, until

from muster import targets, testbed
from muster.drill.recover.again import recover_target
from muster.faults import Fault, fault_of
from muster.faults.drain import Drain
from muster.faults.provider_latency import ProviderLatency
from muster.faults.redis_outage import RedisOutage
from muster.faults.region_power import RegionPower
from muster.faults.traffic_shift import TrafficShift
from muster.platform import platform_of
from muster.targets.model import Target
from muster.testbed.rig.state import State
from muster.undo import UndoHeader, UndoLog, read_undo

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("prometheus") is None,
    reason="redis-server or prometheus is missing: make setup",
)
REGION, OTHER = "eu-west-1", "eu-central-1"


class Broken:
    """A testbed on which a drill died: weights moved, Redis away, provider slow, region dark."""

    def __init__(self, work: Path) -> None:
        self.file = work / "it.yaml"
        target = small_target("it").model_copy(update={"name": "it"})
        self.file.write_text(yaml.safe_dump(target.model_dump(mode="json", by_alias=True)))
        self.state: State = start(target)
        self.target: Target = targets.resolve(target, testbed=self.state.endpoints)
        self.said: list[str] = []
        self.log = UndoLog(
            work / "out" / "d1" / "undo.jsonl", UndoHeader("d1", "it", str(self.file))
        )

    def apply(self, fault: Fault) -> None:
        """As a drill does: the undo first."""
        self.log.add(fault.kind, fault.subject, fault.undo_params(), fault.region)
        fault.apply()

    def apply_all(self) -> None:
        """Every kind of fault, the region's Redis and its Toxiproxy included."""
        self.apply(TrafficShift(platform_of(self.target), REGION, 0))
        self.apply(Drain(platform_of(self.target), REGION, "draining"))
        self.apply(ProviderLatency(platform_of(self.target), REGION, latency_ms=100))
        self.apply(RedisOutage(platform_of(self.target), OTHER))
        self.apply(RegionPower(platform_of(self.target), REGION))

    def pid(self, name: str) -> int:
        """The pid of the part whose name begins so."""
        now = testbed.status("it")
        assert now is not None
        return next(p.pid for p in now.processes if p.name.startswith(name) and p.pid is not None)

    def send(self, name: str, number: signal.Signals) -> None:
        """A signal to that part; a kill is awaited."""
        pid = self.pid(name)
        os.kill(pid, number)
        if number == signal.SIGKILL:
            until(lambda: not alive(pid))

    def recover(self) -> int:
        """The command's exit code."""
        self.said.clear()
        return recover_target(str(self.file), self.said.append)

    def read_back(self) -> dict[str, bool]:
        """Whether each thing that was changed is as before, asked of the real systems now."""
        found: dict[str, bool] = {}
        for entry in read_undo(self.log.path).entries:
            found[entry.kind] = fault_of(platform_of(self.target), entry).read_back().ok
        return found


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broken]:
    """A testbed of its own, ended afterwards."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    try:
        yield Broken(tmp_path)
    finally:
        testbed.down("it")


def control(broken: Broken, path: str) -> Any:
    """What the control API shows."""
    endpoints = broken.state.endpoints
    headers = {"Authorization": f"Bearer {endpoints['control_token']}"}
    url = f"{endpoints['control_url']}{path}"
    return httpx.get(url, headers=headers, timeout=10, trust_env=False).json()


def test_half_a_testbed_dead_and_one_part_hanging_goes_back(broken: Broken) -> None:
    """Redis, a gateway, Prometheus and DNS killed, one Toxiproxy stopped, one killed: restored."""
    broken.apply_all()
    for name in (f"gateway-{OTHER}", "prometheus", "dns", f"redis-{OTHER}"):
        broken.send(name, signal.SIGKILL)
    broken.send(f"toxiproxy-{REGION}", signal.SIGSTOP)
    broken.send(f"toxiproxy-{OTHER}", signal.SIGKILL)
    began = time.monotonic()
    code = broken.recover()
    # The other region's Redis is dead, and no drill had stopped it: its outage is not over.
    assert code == 5, broken.said
    assert time.monotonic() - began < 90
    assert any("dns ended by itself" in line for line in broken.said)
    shown = broken.read_back()
    assert {kind for kind, back in shown.items() if not back} == {"redis_outage"}
    assert control(broken, f"/regions/{REGION}")["power"] == "on"
    assert any(line.startswith("by hand: curl ") for line in broken.said)
    assert any(line.startswith("by hand: chaos drill down") for line in broken.said)


def test_a_dead_api_ends_with_the_lines_by_hand_and_down_gives_it_up(broken: Broken) -> None:
    """Route 53 gone: all else is back; with the testbed ended nothing is left changed."""
    broken.apply_all()
    broken.send("route53", signal.SIGKILL)
    assert broken.recover() == 5
    assert any(line.startswith("by hand: env AWS_ACCESS_KEY_ID=") for line in broken.said)
    left = [entry.kind for entry in read_undo(broken.log.path).pending]
    assert left == ["traffic_shift"]
    testbed.down("it")
    assert broken.recover() == 0
    assert read_undo(broken.log.path).pending == ()


def test_a_dead_supervisor_took_all_of_it_along(broken: Broken) -> None:
    """Nothing that was changed exists any more, and the log says so."""
    broken.apply(TrafficShift(platform_of(broken.target), REGION, 0))
    os.kill(broken.state.pid, signal.SIGKILL)
    os.waitpid(broken.state.pid, 0)
    assert broken.recover() == 0
    assert any("is down: what was changed no longer exists" in line for line in broken.said)
    assert broken.recover() == 0
