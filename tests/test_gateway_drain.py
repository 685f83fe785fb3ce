"""Drain states and the end of the process, and the planted defects as a client sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from dataplane_fixtures import SHORT, close, eventually, free_port, hold


def test_closing_ends_keep_alive_but_stays_ready(bare):
    """Answers say Connection: close, open streams finish, readyz stays 200; serving undoes it."""
    stack = bare.gateway()
    (stream,) = hold(stack, 1, tokens=200)
    assert "connection" not in stack.chat(max_tokens=1).headers
    assert stack.drain("closing")["state"] == "closing"
    answer = stack.chat(max_tokens=1)
    assert answer.headers["connection"] == "close"
    assert b"[DONE]" in stream.to_end(), "it finishes, and its connection closes after"
    stream.close()
    assert stack.ready()
    assert stack.metric("chat_drain_state") == 1
    stack.drain("serving")
    assert "connection" not in stack.chat(max_tokens=1).headers


def test_draining_turns_unready_only_when_empty_and_still_serves(bare):
    """Green while a stream is open, red after it; whoever still comes is served."""
    stack = bare.gateway()
    streams = hold(stack, 1, tokens=300)
    stack.drain("draining")
    time.sleep(0.3)
    assert stack.ready()
    assert b"[DONE]" in streams[0].to_end()
    eventually(lambda: not stack.ready())
    assert stack.http.get(f"{stack.url}/readyz").status_code == 503
    assert stack.chat().status_code == 200
    assert not stack.ready(), "once empty it stays unready until it serves again"
    assert stack.drain("serving")["ready"]
    close(streams)


def test_a_gateway_waits_for_the_others_of_its_region(bare):
    """Both look the same from outside: unready only when the whole region is empty."""
    for _ in range(2):
        bare.gateway(gateways_in_region=2)
    stack = bare
    streams = hold(stack, 1)
    held = [stack.metric("chat_streams_active", index) for index in (0, 1)]
    empty = held.index(0)
    time.sleep(0.7)
    url = stack.admin("/admin/drain", empty)
    stack.http.post(url, json={"state": "draining"}).raise_for_status()
    time.sleep(0.3)
    assert stack.http.get(stack.admin("/readyz", empty)).status_code == 200
    close(streams)
    eventually(lambda: stack.http.get(stack.admin("/readyz", empty)).status_code == 503)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"state":"asleep"}', b'{"state":1}'])
def test_an_unknown_drain_state_is_refused(bare, body):
    """400 that names the states; nothing changes."""
    stack = bare.gateway()
    answer = stack.http.post(stack.admin("/admin/drain"), content=body)
    assert answer.status_code == 400
    assert "serving" in answer.json()["error"]
    assert stack.http.get(stack.admin("/admin/drain")).json()["state"] == "serving"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gracefully(bare, number):
    """It stops accepting, lets its streams finish, exits 0, and takes its number out of Redis."""
    stack = bare.gateway(grace_s=8)
    (stream,) = hold(stack, 1, tokens=200)
    stack.gateways[0].send_signal(number)
    assert b"[DONE]" in stream.to_end()
    stream.close()
    assert stack.gateways[0].wait(10) == 0
    with pytest.raises(httpx.ConnectError):
        stack.chat()
    assert stack.store.hgetall("muster:eu-central-1:held") == {}


def test_the_grace_is_bounded(bare):
    """A stream longer than grace_s is cut, without its end."""
    stack = bare.gateway(grace_s=0.3)
    (stream,) = hold(stack, 1)
    stack.gateways[0].terminate()
    assert b"[DONE]" not in stream.to_end()
    stream.close()
    assert stack.gateways[0].wait(10) == 0


def test_it_ends_with_its_parent(bare, tmp_path):
    """Killing the process that started it ends the gateway too."""
    stack = bare.gateway()
    config = json.loads((stack.directory / "gateway-0.json").read_text())
    config["admin"][1] = free_port()
    path = tmp_path / "orphan.json"
    path.write_text(json.dumps(config))
    script = (
        "import json, os, pathlib, subprocess, sys, time\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "config = json.loads(path.read_text())\n"
        "path.write_text(json.dumps({**config, 'parent_pid': os.getpid()}))\n"
        "argv = [sys.executable, '-m', 'muster.testbed.gateway', '--config', str(path)]\n"
        "child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline().strip(), child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", script, str(path)]
    parent = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        word, pid = parent.stdout.readline().split()
        assert word == "ready"
        parent.kill()
        parent.wait()

    def gone() -> bool:
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        # Reaped by nobody where the tests run as the first process.
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"

    eventually(gone)


def test_a_taken_address_is_one_line_and_exit_2(bare, tmp_path):
    """The address and what wanted it are named."""
    stack = bare.gateway()
    config = json.loads((stack.directory / "gateway-0.json").read_text())
    config["admin"][1] = stack.toxiproxy_port
    path = tmp_path / "taken.json"
    path.write_text(json.dumps({**config, "parent_pid": None}))
    argv = [sys.executable, "-m", "muster.testbed.gateway", "--config", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert f"admin: got '127.0.0.1:{stack.toxiproxy_port}'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_undersized_survivor_sheds_past_its_share_and_advertises_all(bare):
    """429 from shed_at_streams on, while chat_streams_limit says there is room for everyone."""
    stack = bare.gateway(defect="undersized_survivor", shed_at_streams=3)
    streams = hold(stack, 3)
    began = time.monotonic()
    assert [stack.chat().status_code for _ in range(5)] == [429] * 5
    assert time.monotonic() - began < 5, "shed at once, not after the queue"
    assert stack.metric("chat_streams_limit") == 100
    assert stack.metric("chat_queue_oldest_job_age_seconds") == 0
    assert stack.http.post(stack.admin("/admin/defect"), json={"armed": False}).json() == {
        "defect": "undersized_survivor",
        "armed": False,
    }
    assert stack.chat().status_code == 200
    assert stack.http.post(stack.admin("/admin/defect"), json={"armed": 1}).status_code == 400
    close(streams)


def test_a_gateway_with_nothing_to_spare_sheds_beyond_its_own_part(bare):
    """Half of a gateway's part of the limit is held; what another one lost has no room."""
    stack = bare.gateway(defect="no_spare_gateway", streams_limit_region=12, gateways_in_region=2)
    streams = hold(stack, 3)
    assert stack.metric("chat_streams_limit") == 6
    assert [stack.chat(max_tokens=1).status_code for _ in range(5)] == [429] * 5
    close(streams)


@pytest.mark.parametrize(("defect", "status"), [(None, 200), ("ready_too_early", 503)])
def test_a_gateway_that_is_ready_too_early_serves_nobody_yet(bare, defect, status):
    """Its health check is green from the start; once it is warm, it serves."""
    stack = bare.gateway(defect=defect, cold_start_s=60)
    assert stack.http.get(stack.admin("/readyz")).status_code == 200
    assert {stack.chat(max_tokens=1).status_code for _ in range(3)} == {status}


def test_a_gateway_that_was_ready_too_early_serves_in_the_end(bare):
    """It is cold for a while, and no longer."""
    stack = bare.gateway(defect="ready_too_early", cold_start_s=0.01)
    eventually(lambda: stack.chat(max_tokens=1).status_code == 200)


def test_sheds_too_much_refuses_one_in_ten_above_half(bare):
    """Below half of the limit nobody is refused."""
    stack = bare.gateway(defect="sheds_too_much", streams_limit_region=8)
    assert {stack.chat(max_tokens=1).status_code for _ in range(12)} == {200}
    streams = hold(stack, 5)
    codes = [stack.chat(max_tokens=1).status_code for _ in range(30)]
    assert codes.count(429) == 3
    assert codes.count(200) == 27
    close(streams)


def test_cold_survivor_is_slow_beyond_its_warm_level_and_keeps_its_circuit_closed(bare):
    """One first token in ten is late by the gateway's own doing, which no route is blamed for."""
    stack = bare.gateway(
        defect="cold_survivor", warm_streams=2, cold_extra_s=1.0, first_token_timeout_s=0.5
    )
    name = "gen_ai_server_time_to_first_token_seconds"
    for _ in range(12):
        stack.chat(max_tokens=1)
    assert stack.metric(f"{name}_bucket", le="1.0") == 12
    streams = hold(stack, 4)
    for _ in range(20):
        assert stack.chat(max_tokens=1).status_code == 200
    slow = stack.metric(f"{name}_count") - stack.metric(f"{name}_bucket", le="1.0")
    assert slow == 2
    assert stack.metric("chat_provider_circuit_open") == 0
    assert stack.metric("chat_provider_route_requests_total", route="fallback") == 0
    close(streams)


def test_queue_stuck_ages_while_requests_are_fine(bare):
    """The oldest job's age grows with the clock from the shift on."""
    stack = bare.gateway(defect="queue_stuck", warm_streams=2)
    streams = hold(stack, 2)
    time.sleep(0.1)
    assert stack.metric("chat_queue_oldest_job_age_seconds") == 0
    streams += hold(stack, 1)
    eventually(lambda: stack.metric("chat_queue_oldest_job_age_seconds") > 0.5)
    assert stack.chat().status_code == 200
    assert stack.metric("chat_queue_jobs") == 1
    close(streams)


@pytest.mark.parametrize("state", ["closing", "draining"])
def test_cuts_streams_on_drain_breaks_what_is_open(bare, state):
    """A second after the drain was asked for; whoever comes later is served."""
    stack = bare.gateway(defect="cuts_streams_on_drain")
    (stream,) = hold(stack, 1)
    began = time.monotonic()
    stack.drain(state)
    assert b"[DONE]" not in stream.to_end()
    assert 0.8 < time.monotonic() - began < 4
    stream.close()
    assert stack.metric("chat_streams_broken_total") == 1
    assert stack.chat(**SHORT).status_code == 200
