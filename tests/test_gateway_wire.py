"""Pure parts of the data plane: first content, circuit, metrics, planted shares."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.testbed.gateway.circuit import PROBE_S_MAX, Circuit
from muster.testbed.gateway.config import CircuitConfig, GatewayConfig
from muster.testbed.gateway.planted import Planted
from muster.testbed.gateway.redis_wire import command
from muster.testbed.wire.first_content import FirstContent
from muster.testbed.wire.openai import BadRequest, ChatRequest

ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
TOKEN = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


@given(st.lists(st.integers(0, 500), max_size=8))
def test_first_content_is_no_comment_and_no_role_event(cuts):
    """Comments and the empty role event are skipped, however the bytes are split."""
    first = FirstContent()
    for piece in pieces(b': "content":"no"\n\n' + ROLE, cuts):
        assert not first.feed(piece)
    found = [first.feed(piece) for piece in pieces(TOKEN, cuts)]
    assert True in found


def test_a_circuit_opens_on_failures_probes_and_closes():
    """Enough failures open it, one probe at a time goes after open_s, successes close it."""
    config = CircuitConfig(window=10, failures_min=5, open_s=10, successes=2)
    circuit = Circuit(config)
    for _ in range(4):
        circuit.failed(0.0)
    assert circuit.allow(0.0)
    circuit.failed(0.0)
    assert circuit.open
    assert not circuit.allow(9.9)
    assert circuit.allow(10.0)
    assert not circuit.allow(10.0), "one probe at a time"
    assert circuit.allow(10.0 + PROBE_S_MAX), "a probe without an outcome is not waited for"
    circuit.succeeded(15.0)
    assert circuit.open
    assert circuit.allow(15.1)
    circuit.succeeded(15.2)
    assert not circuit.open


def test_a_failed_probe_opens_the_circuit_anew():
    """One failure of a probe starts open_s again; late results of old requests do not."""
    circuit = Circuit(CircuitConfig(window=4, failures_min=2, open_s=10))
    circuit.failed(0.0)
    circuit.failed(0.0)
    circuit.failed(9.0)
    assert circuit.allow(10.0), "what was under way when it opened must not keep it open"
    circuit.failed(10.5)
    assert not circuit.allow(20.0)
    assert circuit.allow(20.5)


def test_few_failures_among_successes_leave_a_circuit_closed():
    """Below the share, failures never open it."""
    circuit = Circuit(CircuitConfig())
    for _ in range(200):
        circuit.succeeded(0.0)
        circuit.succeeded(0.0)
        circuit.failed(0.0)
    assert not circuit.open


def test_a_redis_command_is_framed_by_bytes():
    """Lengths count bytes, not characters."""
    assert command("GET", "é", 7) == b"*3\r\n$3\r\nGET\r\n$2\r\n\xc3\xa9\r\n$1\r\n7\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"model":"m"}',
        b'{"model":"m","messages":[]}',
        b'{"messages":[1]}',
        b'{"model":"m","messages":[1],"stream":1}',
        b'{"model":"m","messages":[1],"max_tokens":0}',
        b'{"model":"m","messages":[1],"max_tokens":true}',
    ],
)
def test_what_is_no_chat_request_is_refused(body):
    """Each part of the request is checked before anything is admitted."""
    with pytest.raises(BadRequest):
        ChatRequest(body)


def gateway_config(defect: str, **changes: int) -> GatewayConfig:
    return GatewayConfig.model_validate(
        {
            "region": "r",
            "listen": ("127.0.0.1", 1),
            "admin": ("127.0.0.1", 1),
            "redis": ("127.0.0.1", 1),
            "providers": {"primary": ("127.0.0.1", 1), "fallback": ("127.0.0.1", 1)},
            "token": "a",
            "canary_token": "b",
            "streams_limit_region": 1500,
            "rate_limit_per_s_region": 1,
            "defect": defect,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("defect", "alone_share"),
    [("undersized_survivor", 1.0), ("sheds_too_much", 0.1)],
)
def test_a_shedding_defect_waits_for_the_shift(defect, alone_share):
    """Half of 1,000 streams (and a tenth more) are served; all of them are shed by a share."""
    planted = Planted(gateway_config(defect))
    assert not any(planted.sheds(550) for _ in range(1000))
    assert sum(planted.sheds(1000) for _ in range(1000)) == pytest.approx(1000 * alone_share, abs=1)
    planted.armed = False
    assert not any(planted.sheds(1000) for _ in range(100))


def test_a_gateway_with_nothing_to_spare_bears_its_part_alone():
    """A quarter of 1,000 streams, and half as many again; not what a lost one of two leaves it."""
    planted = Planted(gateway_config("no_spare_gateway", gateways_in_region=2))
    assert not any(planted.sheds(500, own) for own in (250, 374))
    assert all(planted.sheds(500, own) for own in (375, 500))
    planted.armed = False
    assert not planted.sheds(500, 500)


def test_a_cold_survivor_is_slow_only_beyond_what_it_is_warm_for():
    """One first token in ten is 3 s late after the shift, none before it."""
    planted = Planted(gateway_config("cold_survivor"))
    assert not any(planted.delay_s(550) for _ in range(1000))
    delays = [planted.delay_s(1000) for _ in range(1000)]
    assert sum(delay == 3.0 for delay in delays) == pytest.approx(100, abs=1)


def test_a_stuck_job_ages_from_the_shift_on():
    """Nothing is stuck in the baseline; after it the moment stays until it is disarmed."""
    planted = Planted(gateway_config("queue_stuck"))
    planted.watch_queue(1.0, 550)
    assert planted.stuck_since_s is None
    planted.watch_queue(2.0, 1000)
    planted.watch_queue(3.0, 100)
    assert planted.stuck_since_s == 2.0
    planted.armed = False
    planted.watch_queue(4.0, 1000)
    assert planted.stuck_since_s is None
