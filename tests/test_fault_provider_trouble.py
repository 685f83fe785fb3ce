"""The provider in trouble: a real stub behind a real Toxiproxy, told through a stand-in control."""

from __future__ import annotations

import json

import httpx
import pytest
from dataplane_fixtures import module
from floor_fixtures import OTHER, REGION, a_target, free_port, stand_in, toxiproxy_server

from muster.faults import FaultError, fault_of
from muster.faults.provider_errors import ProviderErrors
from muster.faults.provider_first_token import ProviderFirstToken
from muster.faults.provider_reset import ProviderReset
from muster.faults.provider_silent import ProviderSilent
from muster.faults.provider_stream_error import ProviderStreamError
from muster.platform import platform_of
from muster.targets.provider_stub import ProviderStub
from muster.undo import UndoEntry

MAKE = {
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
