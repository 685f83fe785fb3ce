"""A gateway that is cut off, and one whose routes are all given up: what its clients and checks
see.
"""

from __future__ import annotations

from contextlib import suppress

import httpx
import pytest
from dataplane_fixtures import Stack, Stream, eventually

from muster.testbed.gateway.circuit import Circuit
from muster.testbed.gateway.config import CircuitConfig
from muster.testbed.gateway.front import PROBED
from muster.testbed.gateway.probing import Probe, given_up, probe

CIRCUIT = {"window": 10, "failures_min": 3, "open_s": 1.0, "successes": 2}


def cut(stack: Stack, wanted: object) -> httpx.Response:
    return stack.http.post(stack.admin("/admin/partition"), json={"cut": wanted})


def is_cut(stack: Stack) -> bool:
    return stack.http.get(stack.admin("/admin/partition")).json()["cut"] is True


def asked(stack: Stack) -> str:
    """What a client on a connection of its own meets."""
    try:
        return str(httpx.get(f"{stack.url}/readyz", trust_env=False).status_code)
    except httpx.ConnectError:
        return "refused"


def test_a_gateway_in_a_pod_lets_nobody_in_before_its_probe_found_it_ready(bare):
    """Asked by anybody else it says that it is ready, and listens to nobody all the same."""
    stack = bare.gateway(waits_for_probe=True)
    assert stack.ready()
    assert asked(stack) == "refused"
    assert stack.http.get(stack.admin(f"/readyz?{PROBED}")).status_code == 200
    eventually(lambda: asked(stack) == "200")
    assert stack.chat(max_tokens=1).status_code == 200


@pytest.mark.parametrize("waits", [False, True])
def test_a_probe_does_not_end_a_partition(bare, waits):
    """Who was cut off stays so, found ready before or not."""
    stack = bare.gateway(waits_for_probe=waits)
    cut(stack, True)
    for _ in range(3):
        assert stack.http.get(stack.admin(f"/readyz?{PROBED}")).status_code == 200
    assert asked(stack) == "refused"
    cut(stack, False)
    eventually(lambda: asked(stack) == "200")


def test_a_gateway_that_is_cut_off_lives_and_nobody_reaches_it(bare):
    """Streams are reset, connections refused, the process and its own figures go on; twice."""
    stack = bare.gateway()
    stream = Stream(stack, 2000)
    stream.until(b"data:")
    for _ in range(2):
        assert cut(stack, True).json() == {"cut": True}
    with suppress(ConnectionResetError):
        stream.to_end()
    assert b"[DONE]" not in stream.data
    eventually(lambda: asked(stack) == "refused")
    assert stack.ready()
    assert stack.metric("chat_ready") == 1
    for _ in range(2):
        cut(stack, False)
    eventually(lambda: not is_cut(stack) and asked(stack) == "200")
    assert stack.chat().status_code == 200
    stream.close()


def test_what_is_no_cut_is_refused(bare):
    """By the key and its value; nothing is changed."""
    stack = bare.gateway()
    answer = cut(stack, "yes")
    assert (answer.status_code, "cut: got 'yes'" in answer.text) == (400, True)
    assert not is_cut(stack)


def test_a_gateway_without_any_route_is_not_ready_and_finds_back_alone(bare):
    """No client asks meanwhile: its own probes close the circuits, and not before the revert."""
    stack = bare.gateway(circuit=CIRCUIT)
    for route in ("primary", "fallback"):
        stack.toxic(route, "reset_peer", timeout=0)
    eventually(lambda: stack.chat().status_code >= 500 and not stack.ready())
    requests = stack.metric("http_server_requests_total")
    stack.heal("fallback")
    eventually(stack.ready)
    stack.heal("primary")
    assert stack.metric("http_server_requests_total") == requests, "no client was needed"
    assert stack.chat().status_code == 200


def test_a_shallow_health_check_sees_nothing_of_it(bare):
    """The planted defect: ready, whatever becomes of the streams."""
    stack = bare.gateway(circuit=CIRCUIT, defect="shallow_health")
    for route in ("primary", "fallback"):
        stack.toxic(route, "reset_peer", timeout=0)
    for _ in range(10):
        assert stack.chat().status_code >= 500
    assert stack.metric("chat_provider_circuit_open") == 2
    assert stack.ready()


def test_one_route_left_is_enough_to_be_ready(bare):
    """A fault of one route must not take its region out."""
    stack = bare.gateway(circuit=CIRCUIT)
    stack.toxic("primary", "reset_peer", timeout=0)
    for _ in range(5):
        assert stack.chat().status_code == 200
    assert stack.metric("chat_provider_circuit_open", route="primary") == 1
    assert stack.ready()


class Pools:
    """Pools that keep what they are asked to send."""

    def __init__(self):
        self.sent = []

    def send(self, attempt, *, fresh=False):
        self.sent.append((attempt, fresh))


def opened(now_s=0.0):
    circuit = Circuit(CircuitConfig.model_validate(CIRCUIT))
    for _ in range(3):
        circuit.failed(now_s)
    assert circuit.open
    return circuit


def test_a_fallback_that_no_client_reaches_is_asked_until_its_circuit_closes():
    """The primary route serves again: nobody else would ever find out that the fallback does."""
    fallback, pools = opened(), {"primary": Pools(), "fallback": Pools()}
    circuits = {"primary": Circuit(CircuitConfig()), "fallback": fallback}
    now_s, wanted = 1.5, CircuitConfig.model_validate(CIRCUIT).successes
    for number in range(1, wanted + 1):
        assert fallback.open
        probe(circuits, pools, now_s)
        assert len(pools["fallback"].sent) == number
        fallback.succeeded(now_s)
        now_s += 1.0
    assert not fallback.open
    probe(circuits, pools, now_s)
    assert (len(pools["primary"].sent), len(pools["fallback"].sent)) == (0, wanted)


def test_probes_are_sent_only_where_no_client_goes_and_one_at_a_time():
    """A route that clients try has probes enough; an open circuit is left its time."""
    well, pools = Circuit(CircuitConfig()), {"primary": Pools(), "fallback": Pools()}
    probe({"primary": opened(), "fallback": well}, pools, 5.0)
    assert not pools["primary"].sent
    circuits = {"primary": opened(), "fallback": opened()}
    assert given_up(circuits)
    probe(circuits, pools, 0.5)
    assert not pools["primary"].sent
    for _ in range(3):
        probe(circuits, pools, 1.5)
    assert [len(pool.sent) for pool in pools.values()] == [1, 1]


@pytest.mark.parametrize("end", ["route_failed", "lost", "lost at"])
def test_a_probe_that_fails_keeps_its_circuit_open(monkeypatch, end):
    """Whatever ended it counts once."""
    now = [0.0]
    monkeypatch.setattr("muster.testbed.gateway.probing.time.monotonic", lambda: now[0])
    circuit = opened()
    now[0] = 1.5
    assert circuit.allow(now[0])
    one = Probe(circuit)
    assert one.awaits(1)
    for _ in range(2):
        {
            "route_failed": one.route_failed,
            "lost": lambda: one.route_lost(resend=True),
            "lost at": lambda: one.route_lost_at(1),
        }[end]()
    assert circuit.open
    assert not circuit.allow(2.0)
    assert not one.awaits(1)
