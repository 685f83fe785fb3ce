"""A Toxiproxy that hangs: the fault goes back all the same, by the server's restart at the last."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from by_hand_lines import paste
from floor_fixtures import (
    REGION,
    KubernetesStandIn,
    a_target,
    await_true,
    free_port,
    kubeconfig,
    listens,
    redis_server,
    stand_in,
    toxiproxy_binary,
    toxiproxy_server,
)

from muster.faults import fault_of
from muster.faults.provider_latency import ProviderLatency
from muster.faults.redis_outage import RedisOutage
from muster.platform import platform_of
from muster.platform.port import PortError
from muster.platform.restart import restart_of
from muster.targets.model import ToxiproxyAccess
from muster.undo import UndoEntry

RESTART = """#!/bin/sh
# What an operator would do: end the server that hangs, start another one in its place.
kill -9 "$(cat {pid})"
while kill -0 "$(cat {pid})" 2>/dev/null; do sleep 0.05; done
{server} -host 127.0.0.1 -port {port} >/dev/null 2>&1 &
echo $! > {pid}
"""


def reap(child):
    """Take the exit code when it ends: a child of this process would stay a zombie."""
    threading.Thread(target=child.wait, daemon=True).start()


@contextmanager
def rig_at(tmp_path, redis_port):
    """Redis and a stand-in provider behind a real Toxiproxy that a script can restart."""
    pid, script = tmp_path / "pid", tmp_path / "restart"
    with toxiproxy_server() as server, stand_in(lambda call: (200, {})) as provider:
        pid.write_text(str(server.child.pid))
        reap(server.child)
        port = server.url.rpartition(":")[2]
        script.write_text(RESTART.format(pid=pid, port=port, server=toxiproxy_binary()))
        script.chmod(0o700)
        try:
            yield SimpleNamespace(
                server=server,
                pid=pid,
                script=script,
                redis=server.create("redis", redis_port),
                primary=server.create("primary", provider.port),
            )
        finally:
            later = int(pid.read_text())
            if later != server.child.pid:
                os.kill(later, signal.SIGKILL)
                await_true(lambda: not listens(int(port)), "the end of the restarted server")


@pytest.fixture
def rig(tmp_path):
    """The rig of one test."""
    with redis_server() as port, rig_at(tmp_path, port) as rig:
        yield rig


def target_of(rig, *, call_s=0.5, **restart):
    toxiproxy = {
        "url": rig.server.url,
        "proxies": {"redis": "redis", "provider_primary": "primary"},
        "timeout_s": call_s,
        "restart": restart or {"kind": "command", "argv": [str(rig.script)], "timeout_s": 20},
    }
    region = {"toxiproxy": toxiproxy, "redis_url": f"redis://127.0.0.1:{rig.redis}"}
    return a_target(region=region)


def fault_on(kind, target):
    return RedisOutage(platform_of(target), REGION) if kind == "redis_outage" else ProviderLatency(
        platform_of(target), REGION, latency_ms=1000
    )  # fmt: skip


def hang(rig):
    pid = rig.server.child.pid
    os.kill(pid, signal.SIGSTOP)
    # The signal is only sent: wait until every thread has stopped.
    threads = Path(f"/proc/{pid}/task")

    def stopped():
        states = [one.read_text().rpartition(")")[2].split()[0] for one in threads.glob("*/stat")]
        return states and set(states) <= {"T", "t"}

    await_true(stopped, "that it stops")


@pytest.mark.parametrize("kind", ["redis_outage", "provider_latency"])
def test_a_stopped_server_is_restarted_and_everything_is_back(rig, kind):
    """SIGSTOP in the middle of a fault: another process restores, all proxies as before."""
    target = target_of(rig)
    fault = fault_on(kind, target)
    before = fault._proxies[0].server()
    params = json.loads(json.dumps(fault.undo_params()))
    fault.apply()
    hang(rig)
    restored = fault_of(platform_of(target), UndoEntry("u1", kind, fault.subject, REGION, params))
    restored.revert()
    assert restored.read_back().ok
    assert sorted(map(str, fault._proxies[0].server())) == sorted(map(str, before))
    pid = rig.pid.read_text()
    restored.revert()
    assert rig.pid.read_text() == pid, "a second revert restarts nothing"


def test_a_dead_server_is_restarted(rig):
    """A server that is gone has lost every proxy; the other one comes back with it."""
    target = target_of(rig)
    fault = fault_on("redis_outage", target)
    fault.undo_params()
    fault.apply()
    os.kill(rig.server.child.pid, signal.SIGKILL)
    fault.revert()
    assert fault.read_back().ok
    assert {one["name"] for one in fault._proxies[0].server()} == {"redis", "primary"}


def test_without_a_way_to_restart_the_line_by_hand_says_what_to_do(rig):
    """Told in time; the line waits for the person's restart, and then puts everything back."""
    target = target_of(rig, kind="none")
    fault = fault_on("provider_latency", target)
    before = fault._proxies[0].server()
    fault.undo_params()
    fault.apply()
    hang(rig)
    began = time.monotonic()
    with pytest.raises(PortError, match="the target names no way to restart that Toxiproxy"):
        fault.revert()
    assert time.monotonic() - began < 10
    line = fault.command()
    subprocess.run([str(rig.script)], check=True)
    await_true(lambda: listens(int(rig.server.url.rpartition(":")[2])), "the restarted server")
    done = paste(line)
    assert done.returncode == 0, done.stderr
    assert fault.read_back().ok
    assert sorted(map(str, fault._proxies[0].server())) == sorted(map(str, before))


def test_the_line_by_hand_restarts_a_server_that_hangs(rig):
    """With a command in the target, one paste does all of it."""
    fault = fault_on("provider_latency", target_of(rig))
    fault.undo_params()
    fault.apply()
    hang(rig)
    line = fault.command().replace("-m 10", "-m 1")
    done = paste(line)
    assert done.returncode == 0, done.stderr
    assert fault.read_back().ok


def access(**way):
    data = {"url": "http://127.0.0.1:9", "proxies": {}, "restart": way}
    return ToxiproxyAccess.model_validate(data)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["/no/such/program"], "restart: /no/such/program: No such file"),
        (["sh", "-c", "echo it is locked; exit 3"], "restart: sh: exit 3: it is locked"),
        (["sh", "-c", "sleep 60 & wait"], "restart: sh: not done in 0.3 s"),
    ],
)
def test_a_restart_that_fails_is_told_in_time(argv, says):
    """No such program, an exit code, a command that hangs with its children."""
    began = time.monotonic()
    with pytest.raises(PortError, match=says.replace(".", r"\.")):
        restart_of(access(kind="command", argv=argv, timeout_s=0.3).restart).restart()
    assert time.monotonic() - began < 20


def test_a_restart_that_brings_nothing_back_is_a_failure(rig):
    """The command says that it went well, and the server still hangs."""
    fault = fault_on("redis_outage", target_of(rig, kind="command", argv=["true"], timeout_s=1))
    fault.undo_params()
    fault.apply()
    hang(rig)
    with pytest.raises(PortError, match="restarted: no answer after its restart"):
        fault.revert()


def test_a_deployment_is_rolled_over(tmp_path, monkeypatch):
    """As `kubectl rollout restart` does, against a stand-in for the cluster's API."""
    cluster = KubernetesStandIn({"toxiproxy": 2})
    with stand_in(cluster.answer) as api:
        path = kubeconfig(tmp_path / "kubeconfig", api.url)
        monkeypatch.setenv("KUBECONFIG", str(path))
        way = {"kind": "kubernetes", "namespace": "chat", "deployment": "toxiproxy"}
        restart_of(access(**way, timeout_s=5).restart).restart()
        assert len(cluster.restarts["toxiproxy"]) == 1
        cluster.stuck = True
        with pytest.raises(PortError, match=r"not restarted in 0\.1 s: the controller has not"):
            restart_of(access(**way, timeout_s=0.1).restart).restart()


@pytest.mark.parametrize("aborts_per_s", [60, 300])
def test_real_aborting_streams_do_not_keep_a_latency(tmp_path, aborts_per_s):
    """Where the server deadlocks under aborts, and where it does not: the toxic is gone after."""
    with rig_at(tmp_path, free_port()) as rig:
        fault = ProviderLatency(platform_of(target_of(rig, call_s=1.0)), REGION, latency_ms=200)
        upstream = free_port()
        fault._proxies[0].api.post("/proxies/primary", json={"upstream": f"127.0.0.1:{upstream}"})
        fault._server = tuple(fault._proxies[0].server())
        program = str(Path(__file__).with_name("abort_storm.py"))
        storm = subprocess.Popen(
            [sys.executable, program, str(upstream), str(rig.primary), str(aborts_per_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert storm.stdout.readline() == b"ready\n"
            for _ in range(2):
                fault.apply()
                await_true(lambda: storm.stdout.readline() == b"aborted\n", "more aborts")
                fault.revert()
                assert fault.read_back().ok
        finally:
            storm.stdin.close()
            storm.wait(timeout=20)
            storm.stdout.close()
