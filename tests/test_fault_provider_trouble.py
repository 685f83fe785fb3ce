"""The provider in trouble: a real stub behind a real Toxiproxy, told through a stand-in control."""

from __future__ import annotations

import json

import httpx
import pytest
from dataplane_fixtures import module
from floor_fixtures import OTHER, REGION, a_target, free_port, stand_in, toxiproxy_server
from hypothesis import given
from hypothesis import strategies as st

from muster.faults import FaultError, fault_of
from muster.faults.provider_cut import ProviderCut
from muster.faults.provider_errors import ProviderErrors
from muster.faults.provider_first_token import ProviderFirstToken
from muster.faults.provider_path import said
from muster.faults.provider_reset import ProviderReset
from muster.faults.provider_share import EXCHANGES, ProviderShare
from muster.faults.provider_silent import ProviderSilent
from muster.faults.provider_stream_error import ProviderStreamError
from muster.faults.provider_trickle import ProviderTrickle
from muster.faults.toxic import NAME
from muster.platform import platform_of
from muster.targets.provider_stub import ProviderStub
from muster.undo import UndoEntry

MAKE = {
    "provider_cut": lambda platform: ProviderCut(platform, after_tokens=1),
    "provider_errors": lambda platform: ProviderErrors(platform, status=503),
    "provider_first_token": lambda platform: ProviderFirstToken(platform, first_token_ms=800),
    "provider_reset": ProviderReset,
    "provider_silent": ProviderSilent,
    "provider_stream_error": ProviderStreamError,
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """The stub's admin address, and a platform whose two regions reach it by proxies."""
    primary, fallback, admin = (free_port() for _ in range(3))
    config = {
        "routes": {"primary": ["127.0.0.1", primary], "fallback": ["127.0.0.1", fallback]},
        "admin": ["127.0.0.1", admin],
        "first_token_s": {"mean": 0.02, "max": 0.05},
        "tokens_per_s": 200,
        "chunk_s": 0.02,
    }
    path = tmp_path_factory.mktemp("stub") / "provider.json"
    url = f"http://127.0.0.1:{admin}/trouble"

    def control(call):
        if call.headers.get("Authorization") != "Bearer t":
            return 401, {}
        answer = httpx.request(call.method, url, content=call.body, timeout=20, trust_env=False)
        return answer.status_code, answer.json()

    with (
        module("muster.testbed.provider", config, path),
        toxiproxy_server() as server,
        stand_in(control) as shown,
    ):
        server.create("primary", primary)
        access = {"url": server.url, "proxies": {"provider_primary": "primary"}, "timeout_s": 20.0}
        target = a_target(region={"toxiproxy": access})
        regions = {
            name: target.regions[REGION].model_copy() if name == OTHER else region
            for name, region in target.regions.items()
        }
        stub = ProviderStub(url=shown.url, token="t", timeout_s=20.0)
        yield platform_of(target.model_copy(update={"regions": regions, "provider_stub": stub}))


@pytest.fixture(params=MAKE)
def fault(rig, request):
    """Each kind in turn, reverted in any case."""
    made = MAKE[request.param](rig)
    params = made.undo_params()
    yield made, params
    by_another_process(made, params).revert()


def by_another_process(fault, params):
    entry = UndoEntry("u1", fault.kind, fault.subject, None, json.loads(json.dumps(params)))
    return fault_of(fault.platform, entry)


def test_it_bites_is_seen_and_goes_away(fault):
    """From every region's path; another process reverts it from the log, twice."""
    one, params = fault
    assert not one.observe().proven
    one.apply()
    proof = one.observe()
    assert proof.proven, proof
    assert proof.facts["looks"].keys() == {REGION, OTHER}
    restored = by_another_process(one, params)
    for _ in range(2):
        restored.revert()
        assert restored.read_back().ok
    assert not one.observe().proven


def test_it_is_a_fault_of_all_regions(fault):
    """Each must be allowed by name."""
    one, _ = fault
    assert {touch.name for touch in one.touches()} == {REGION, OTHER}


def test_a_provider_in_trouble_before_is_refused(fault):
    """What it was would not be known."""
    one, _ = fault
    one.apply()
    with pytest.raises(FaultError, match="in trouble before the fault"):
        MAKE[one.kind](one.platform).undo_params()
    assert not one.read_back().ok


def test_a_stub_that_only_says_so_is_no_proof(rig):
    """Its streams go on as before: told is not done."""
    fault = ProviderErrors(rig, status=503)
    fault.undo_params()
    told = fault._told
    fault._told = lambda: {"status": 503}
    proof = fault.observe()
    assert (proof.proven, "not seen from" in proof.why) == (False, True)
    fault._told = told


@pytest.mark.parametrize(
    ("now", "proven"),
    [
        ({"status": 200, "first_token_ms": 9.0, "outcome": "cut"}, True),
        ({"status": 200, "first_token_ms": None, "outcome": "cut"}, False),
        ({"status": 200, "first_token_ms": 9.0, "outcome": "whole"}, False),
        ({"status": None, "first_token_ms": None, "outcome": "reset"}, False),
    ],
)
def test_only_a_stream_that_began_and_broke_off_proves_a_cut(rig, now, proven):
    """A reset before its first token is another fault, and a whole stream none."""
    assert ProviderCut(rig, after_tokens=1).shows({}, now) is proven


def test_open_streams_are_not_cut(rig):
    """What began before the fault comes to its end."""
    fault = ProviderCut(rig, after_tokens=1)
    fault.undo_params()
    address = rig.target.regions[REGION].toxiproxy.url
    listen = httpx.get(f"{address}/proxies/primary", headers={"User-Agent": "muster"}).json()
    body = {"model": "m", "stream": True, "max_tokens": 100, "messages": [{}]}
    url = f"http://{listen['listen']}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, timeout=10, trust_env=False) as stream:
        text = stream.iter_text()
        begun = next(text)
        fault.apply()
        try:
            assert (begun + "".join(text)).endswith("data: [DONE]\n\n")
            assert fault.observe().proven
        finally:
            fault.revert()


@pytest.fixture
def trickle(rig):
    """The fault in one region, gone afterwards in any case."""
    fault = ProviderTrickle(rig, REGION, rate_kb_s=40)
    params = fault.undo_params()
    yield fault, params
    fault.revert()


def test_a_trickle_bites_is_seen_and_goes_away(rig, trickle):
    """By the pace of a stream; another process reverts it from the log, twice."""
    fault, params = trickle
    assert not fault.observe().proven
    fault.apply()
    for _ in range(3):
        proof = fault.observe()
        assert proof.proven, proof
    assert not fault.read_back().ok
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    restored = fault_of(rig, entry)
    for _ in range(2):
        restored.revert()
        assert restored.read_back().ok
    assert not fault.observe().proven


def test_a_faster_limit_than_said_is_no_trickle(rig, trickle):
    """The toxic is there, and the stream comes too fast for it."""
    fault, _ = trickle
    fault._proxies[0].add_toxic("muster", "bandwidth", "downstream", {"rate": 400})
    proof = fault.observe()
    assert (proof.proven, "kB/s" in proof.why) == (False, True)


def test_a_route_too_slow_for_the_limit_is_refused(rig, trickle):
    """What is slow before it cannot be told from what is slow by it."""
    fault, _ = trickle
    assert fault.why_not({"kb_per_s": 160}) == ""
    assert "could not be verified" in fault.why_not({"kb_per_s": 159})
    assert fault.effect({"kb_per_s": 400}, {"kb_per_s": 80})[0]
    for shown in (0, 81, 400):
        assert not fault.effect({"kb_per_s": 400}, {"kb_per_s": shown})[0]


def test_a_target_without_a_stub_is_refused_a_trickle(rig):
    """Another provider does not repeat a model's name that it does not know."""
    bare = platform_of(rig.target.model_copy(update={"provider_stub": None}))
    found = ProviderTrickle(bare, REGION, rate_kb_s=40).unusable()
    assert found is not None
    assert found.key == "provider_stub"
    assert ProviderTrickle(rig, REGION, rate_kb_s=40).unusable() is None


@pytest.mark.parametrize("share_pct", [20, 80])
def test_a_share_is_seen_at_every_look_and_goes_away(rig, share_pct):
    """Slow connections and others beside them, at both ends of what may be asked for."""
    fault = ProviderShare(rig, REGION, latency_ms=2000, share_pct=share_pct)
    params = fault.undo_params()
    assert not fault.observe().proven
    fault.apply()
    looks = [fault.observe() for _ in range(4)]
    assert all(proof.proven for proof in looks), [proof.why for proof in looks]
    assert not fault.read_back().ok
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    restored = fault_of(fault.platform, entry)
    assert restored.toxic.share == share_pct / 100
    restored.revert()
    assert restored.read_back().ok
    assert not fault.observe().proven


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_connections_or_none_are_no_share(rig, share):
    """Both kinds must be seen: a toxic on every connection is another fault."""
    fault = ProviderShare(rig, REGION, latency_ms=2000, share_pct=50)
    fault.undo_params()
    delay = {"latency": 2000, "jitter": 0}
    fault._proxies[0].add_toxic(NAME, "latency", "downstream", delay, share)
    try:
        assert not fault.observe().proven
    finally:
        fault.revert()


@given(st.integers(20, 80))
def test_a_look_misses_a_share_less_than_once_in_ten_thousand(share_pct):
    """For every share that may be asked for: all connections draw the same that rarely."""
    share = share_pct / 100
    assert share**EXCHANGES + (1 - share) ** EXCHANGES < 1e-4


def test_a_path_that_is_slow_before_the_share_is_refused(rig):
    """One slow exchange is enough to make it unknown who made it slow."""
    fault = ProviderShare(rig, REGION, latency_ms=400, share_pct=50)
    assert fault.why_not({"slowest_ms": 100}) == ""
    assert "could not be verified" in fault.why_not({"slowest_ms": 101})
    before = {"answer": "200"}
    assert fault.effect(before, {"answer": "200", "slow": 1, "fast": 1})[0]
    assert not fault.effect(before, {"answer": "200, 404", "slow": 1, "fast": 1})[0]


def test_what_a_stream_showed_is_said_in_words():
    """No Python value stands in a proof that people read."""
    whole = {"status": 200, "first_token_ms": 512.3, "outcome": "whole"}
    assert said(whole) == "HTTP 200, the first token after 512.3 ms, whole"
    refused = {"status": 503, "first_token_ms": None, "outcome": "refused"}
    assert said(refused) == "HTTP 503, no token, refused"
    assert said({"status": None, "first_token_ms": None, "outcome": "reset"}) == "reset"


def test_a_target_without_a_stub_is_refused(rig):
    """The missing key is named before anything is started."""
    bare = rig.target.model_copy(update={"provider_stub": None})
    found = ProviderStreamError(platform_of(bare)).unusable()
    assert found is not None
    assert found.key == "provider_stub"
    assert ProviderStreamError(rig).unusable() is None


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"route": "primary"}',
        b'{"route": "third", "trouble": {}}',
        b'{"route": "primary", "trouble": {"status": 200}}',
        b'{"route": "primary", "trouble": {"first_token_ms": -1}}',
        b'{"route": "primary", "trouble": {"colour": "red"}}',
    ],
)
def test_the_stub_refuses_what_it_does_not_know(rig, body):
    """400, and it goes on as before."""
    stub = rig.target.provider_stub
    headers = {"Authorization": f"Bearer {stub.token}"}
    answer = httpx.post(stub.url, content=body, headers=headers, trust_env=False)
    assert answer.status_code == 400
    assert ProviderErrors(rig, status=503)._told() == {}
