"""A slower primary route: a real Toxiproxy in front of a stand-in provider."""

from __future__ import annotations

import json

import pytest
from by_hand_lines import paste
from floor_fixtures import REGION, a_target, free_port, stand_in, toxiproxy_server

from muster.faults import FaultError, fault_of
from muster.faults.provider_jitter import ProviderJitter
from muster.faults.provider_latency import ProviderLatency, ProviderLatencyBoth
from muster.faults.toxic import NAME
from muster.platform import platform_of
from muster.undo import UndoEntry

LATENCY_MS = 400


@pytest.fixture(scope="module")
def rig():
    """A stand-in provider behind two proxies of one real Toxiproxy."""
    with stand_in(lambda call: (404, "")) as provider, toxiproxy_server() as server:
        server.create("primary", provider.port)
        server.create("other", provider.port)
        server.create("nobody", free_port())
        yield server


def the_fault(server, *, proxy="primary", latency_ms=LATENCY_MS, kind=ProviderLatency):
    proxies = {"provider_primary": proxy, "provider_fallback": "other"}
    region = {"toxiproxy": {"url": server.url, "proxies": proxies, "timeout_s": 2.0}}
    platform = platform_of(a_target(region=region))
    return kind(platform, REGION, latency_ms=latency_ms, jitter_ms=10)


def test_it_bites_is_seen_and_goes_away(rig):
    """Exchanges take longer while it is there, and it is gone after revert, twice."""
    fault = the_fault(rig)
    params = fault.undo_params()
    assert not fault.observe().proven
    fault.apply()
    proof = fault.observe()
    assert proof.proven
    before_ms = proof.facts["before"]["exchange_ms"]["primary"]
    assert proof.facts["exchange_ms"]["primary"] - before_ms >= LATENCY_MS / 2
    back = fault.read_back()
    assert (back.ok, back.actual) == (False, NAME)
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    restored = fault_of(fault.platform, entry)
    for _ in range(2):
        restored.revert()
        assert restored.read_back().ok
    assert not fault.observe().proven


def test_both_routes_must_show_the_latency(rig):
    """One of them alone does not prove it, and both are clean after the revert."""
    fault = the_fault(rig, kind=ProviderLatencyBoth)
    params = fault.undo_params()
    fault.apply()
    assert fault.observe().proven
    fault._proxies[1].remove_toxic(NAME, fault._known_before(fault._proxies[1]))
    assert not fault.observe().proven
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    fault_of(fault.platform, entry).revert()
    assert fault.read_back().ok


def test_jitter_is_seen_at_every_look_and_goes_away(rig):
    """By the spread of many exchanges: a look that missed it by chance would end the proof."""
    platform = the_fault(rig).platform
    fault = ProviderJitter(platform, REGION, jitter_ms=800)
    params = fault.undo_params()
    assert not fault.observe().proven
    fault.apply()
    looks = [fault.observe() for _ in range(6)]
    assert all(proof.proven for proof in looks), [proof.why for proof in looks]
    assert not fault.read_back().ok
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    restored = fault_of(fault.platform, entry)
    restored.revert()
    assert restored.read_back().ok
    assert not fault.observe().proven


def test_a_path_that_is_uneven_before_the_jitter_is_refused(rig):
    """What others' toxics do to it would be taken for the fault."""
    fault = ProviderJitter(the_fault(rig).platform, REGION, jitter_ms=400)
    assert fault.why_not({"spread_ms": 50}) == ""
    assert "could not be verified" in fault.why_not({"spread_ms": 51})


def test_a_latency_on_another_route_is_not_proven(rig):
    """The toxic is there, but not on the path that is timed: it did not bite."""
    fault, elsewhere = the_fault(rig), the_fault(rig, proxy="other")
    fault.undo_params()
    elsewhere.undo_params()
    elsewhere.apply()
    try:
        assert not fault.observe().proven
        assert elsewhere.observe().proven
    finally:
        elsewhere.revert()


def test_no_latency_is_never_proven(rig):
    """A fault of 0 ms cannot have bitten: not in an entry that does not say how long it is."""
    fault = the_fault(rig)
    params = fault.undo_params()
    fault.apply()
    try:
        del params["arguments"]
        entry = UndoEntry("u1", fault.kind, fault.subject, REGION, params)
        assert not fault_of(fault.platform, entry).observe().proven
    finally:
        fault.revert()


def test_without_the_speed_before_it_is_not_proven(rig):
    """What was not measured before cannot be compared."""
    proof = the_fault(rig).observe()
    assert not proof.proven
    assert "before the fault is unknown" in proof.why


def test_toxics_left_over_are_refused(rig):
    """The undo must bring back a clean proxy, so it must have been one."""
    fault = the_fault(rig)
    fault.undo_params()
    fault.apply()
    try:
        with pytest.raises(FaultError, match=f"toxics left over: .*{NAME}"):
            the_fault(rig).undo_params()
    finally:
        fault.revert()


def test_a_deleted_proxy_comes_back(rig):
    """A revert that died half way is finished by the next one."""
    fault = the_fault(rig)
    fault.undo_params()
    fault.apply()
    fault._proxies[0].api.delete("/proxies/primary")
    fault.revert()
    assert fault.read_back().ok
    assert fault.look()["exchange_ms"]["primary"] < LATENCY_MS


def test_a_silent_provider_is_an_error(rig):
    """A path without an answer has no speed to compare with."""
    with pytest.raises(FaultError, match="toxiproxy eu-west-1/nobody"):
        the_fault(rig, proxy="nobody").undo_params()


def test_revert_without_the_state_before_is_an_error(rig):
    """A proxy is never made anew from a guess."""
    with pytest.raises(FaultError, match="what primary was before is unknown"):
        the_fault(rig).revert()


def test_the_line_by_hand_puts_it_back(rig):
    """Pasted into a shell: the toxic is gone, the other proxies are as they were."""
    fault = the_fault(rig)
    fault.undo_params()
    before = fault._proxies[0].server()
    fault.apply()
    done = paste(fault.command())
    assert done.returncode == 0, done.stderr
    assert fault.read_back().ok
    assert sorted(map(str, fault._proxies[0].server())) == sorted(map(str, before))


def test_revert_before_apply_changes_nothing(rig):
    """A drill that died between undo and toxic leaves a clean proxy, and it stays the same one."""
    fault = the_fault(rig)
    fault.undo_params()
    state = fault._proxies[0].state()
    fault.revert()
    assert fault._proxies[0].state() == state


def test_a_toxic_of_somebody_else_is_not_as_before(rig):
    """Ours goes, theirs stays and is told: nobody's change is taken away unseen."""
    fault = the_fault(rig)
    fault.undo_params()
    fault.apply()
    fault._proxies[0].add_toxic("theirs", "latency", "downstream", {"latency": 1, "jitter": 0})
    try:
        fault.revert()
        back = fault.read_back()
        assert (back.ok, back.actual) == (False, "theirs")
    finally:
        assert paste(fault.command()).returncode == 0


def test_a_route_that_was_slow_already_is_refused(rig):
    """What takes longer before the fault than it would have to during it proves nothing."""
    slow = the_fault(rig)
    slow._proxies[0].add_toxic("theirs", "latency", "downstream", {"latency": 100, "jitter": 0})
    try:
        with pytest.raises(FaultError, match=r"toxics left over"):
            slow.undo_params()
        other = the_fault(rig, latency_ms=40)
        other._proxies = (NoToxics(other._proxies[0]),)
        with pytest.raises(
            FaultError, match=r"ms before the fault: another 40 ms could not be verified"
        ):
            other.undo_params()
    finally:
        slow._proxies[0].api.delete("/proxies/primary/toxics/theirs")


class NoToxics:
    """A Toxiproxy whose API does not show what slows it."""

    def __init__(self, real):
        self.real, self.name = real, real.name

    def state(self):
        return {**self.real.state(), "toxics": []}

    def server(self):
        return self.real.server()

    def toxics(self):
        return {}


def test_a_slow_route_without_the_toxic_is_not_proven(rig):
    """Slower, and the API shows no toxic: something else made it slow."""
    fault = the_fault(rig)
    fault.undo_params()
    fault.apply()
    real, fault._proxies = fault._proxies, (NoToxics(fault._proxies[0]),)
    try:
        proof = fault.observe()
        assert (proof.proven, "shows no toxic" in proof.why) == (False, True)
    finally:
        fault._proxies = real
        fault.revert()


def test_another_answer_than_before_is_not_proven(rig):
    """A slow error of somebody else's is not the provider, made slower."""
    fault = the_fault(rig)
    fault.undo_params()
    fault._path_before = {**fault._path_before, "answer": {"primary": "200"}}
    fault.apply()
    try:
        proof = fault.observe()
        assert (proof.proven, "answers 404, but answered 200 before" in proof.why) == (False, True)
    finally:
        fault.revert()


def test_the_undo_log_knows_the_speed_before(rig):
    """Whoever takes the fault from the undo log can see whether it bites."""
    fault = the_fault(rig)
    params = json.loads(json.dumps(fault.undo_params()))
    fault.apply()
    try:
        entry = UndoEntry("u1", fault.kind, fault.subject, REGION, params)
        assert fault_of(fault.platform, entry).observe().proven
    finally:
        fault.revert()


def test_a_route_that_stays_slow_is_not_back(rig):
    """The API shows no toxic any more, and the path is as slow as with it: not back."""
    fault = the_fault(rig)
    params = json.loads(json.dumps(fault.undo_params()))
    fault.apply()
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, params)
    hidden = fault_of(fault.platform, entry)
    real, hidden._proxies = hidden._proxies, (NoToxics(hidden._proxies[0]),)
    try:
        back = hidden.read_back()
        assert (back.ok, "ms longer" in back.actual) == (False, True)
    finally:
        hidden._proxies = real
        hidden.revert()
    assert hidden.read_back().ok
