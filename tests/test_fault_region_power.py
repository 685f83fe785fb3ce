"""A region goes dark and comes back, through a stand-in for the testbed's switch."""

from __future__ import annotations

import json

import pytest
from floor_fixtures import REGION, a_target, closing_port, free_port, stand_in

from muster.errors import BadInput
from muster.faults import fault_of, kinds, region_away, registered, stops_region
from muster.faults.region_loss import RegionLoss
from muster.faults.region_power import RegionPower
from muster.platform import platform_of
from muster.platform.looks import Look
from muster.platform.port import PortError
from muster.undo import UndoEntry


class Switch:
    """A stand-in control API. `stuck`: the region's front goes on answering."""

    def __init__(self):
        self.power = "on"
        self.slow_looks = 0

    def answer(self, call):
        if call.headers.get("Authorization") != "Bearer secret":
            return 401, {}
        if call.method == "POST":
            self.power = {"stop": "off", "kill": "off", "start": "on"}[call.path.rpartition("/")[2]]
        return 200, {"power": self.power}

    def front(self, call):
        """The region's own front: ready a few looks after it was started."""
        if self.power == "off":
            self.slow_looks = 2
        elif self.slow_looks:
            self.slow_looks -= 1
        return (200 if self.power == "on" and not self.slow_looks else 503), ""


@pytest.fixture
def switch():
    """The switch and its address."""
    switch = Switch()
    with stand_in(switch.answer) as shown:
        yield switch, shown


def power_of(shown, ready_url, *, token="secret", timeout_s=5.0, kind=RegionPower):
    power = {"kind": "process", "url": f"{shown.url}/r", "token": token, "timeout_s": timeout_s}
    return kind(platform_of(a_target(region={"ready_url": ready_url, "power": power})), REGION)


def test_a_region_that_answers_is_not_dark(switch):
    """Stopped by its switch but still answering, even with 503: the fault did not bite."""
    state, shown = switch
    with stand_in(state.front) as front:
        fault = power_of(shown, f"{front.url}/readyz")
        assert not fault.observe().proven
        assert fault.undo_params()["answered"] == 200
        fault.apply()
        assert state.power == "off"
        proof = fault.observe()
        assert (proof.proven, proof.facts["answers"]) == (False, True)
        assert proof.why == "the region still answers: ready_url answers 503"
        assert not fault.read_back().ok


def test_a_region_that_refuses_is_dark(switch):
    """It answered before and nobody listens any more: proven, also from the undo log alone."""
    with stand_in(lambda call: (401, "")) as front:
        fault = power_of(switch[1], f"{front.url}/readyz")
        params = json.loads(json.dumps(fault.undo_params()))
        fault.apply()
    for one in (fault, fault_of(fault.platform, UndoEntry("u1", fault.kind, "x", REGION, params))):
        proof = one.observe()
        assert (proof.proven, proof.why) == (True, "the region refuses connections")
        assert proof.facts["answered_before"] == 401


def test_a_region_that_never_answered_proves_nothing_by_its_silence(switch):
    """A ready_url at which nobody listened before either is no proof of darkness."""
    fault = power_of(switch[1], f"http://127.0.0.1:{free_port()}/readyz")
    fault.undo_params()
    fault.apply()
    proof = fault.observe()
    assert (proof.proven, "even before the fault" in proof.why) == (False, True)


@pytest.mark.parametrize("status", [200, 401, 404, 503])
def test_an_answer_of_any_status_means_that_something_serves(switch, status):
    """Also one that refuses, or that says it is not ready."""
    with stand_in(lambda call: (status, "")) as front:
        fault = power_of(switch[1], front.url)
        fault.undo_params()
        fault.apply()
        assert not fault.observe().proven


def test_a_port_that_accepts_without_an_answer_is_not_dark(switch):
    """Something listens there, whatever it is."""
    with stand_in(lambda call: (200, "")) as front:
        fault = power_of(switch[1], front.url)
        params = fault.undo_params()
    with closing_port() as port:
        region = {
            "ready_url": f"http://127.0.0.1:{port}/",
            "power": fault.target.regions[REGION].power.model_dump(),
        }
        there = RegionPower.restore(platform_of(a_target(region=region)), REGION, params)
        proof = there.observe()
        assert (proof.proven, proof.facts["met"]) == (False, "accepts")


def test_a_look_that_is_blind_is_an_error_and_no_darkness(switch):
    """A name that does not resolve says nothing about the region."""
    fault = power_of(switch[1], "http://nowhere.invalid/readyz")
    fault._answered = 200
    with pytest.raises(PortError, match="does not resolve"):
        fault.observe()


@pytest.mark.parametrize("other_answers", [True, False])
def test_silence_counts_while_another_region_is_reached(switch, monkeypatch, other_answers):
    """Time-outs may be the network of whoever looks: then the look shows nothing."""
    fault = power_of(switch[1], "http://here/")
    fault._answered = 200
    silent, answer = Look("silent", "accepts no connection"), Look("answer", "answers 200", 200)

    def look(url, timeout_s=2.0):
        return silent if url == "http://here/" or not other_answers else answer

    monkeypatch.setattr(region_away, "look_at", look)
    if other_answers:
        assert fault.observe().proven
    else:
        with pytest.raises(PortError, match="no other region answers"):
            fault.observe()


def test_revert_waits_until_the_region_is_ready(switch):
    """Started is not enough; and a second revert changes nothing."""
    state, shown = switch
    with stand_in(state.front) as front:
        fault = power_of(shown, f"{front.url}/readyz")
        fault.apply()
        assert not fault.ready()
        entry = UndoEntry("u1", "region_power", fault.subject, REGION, {})
        restored = fault_of(fault.platform, entry)
        for _ in range(2):
            restored.revert()
            assert restored.read_back().ok
        assert state.power == "on"


def test_a_region_that_never_gets_ready_is_an_error_in_time(switch):
    """The wait for readiness is bounded by the target's own time-out."""
    fault = power_of(switch[1], f"http://127.0.0.1:{free_port()}/", timeout_s=0.3)
    with pytest.raises(PortError, match="started but not ready"):
        fault.revert()
    assert fault.read_back().actual == "not ready, power on"


@pytest.mark.parametrize("power", ["partial", "off", None])
def test_ready_with_a_part_missing_is_not_back(switch, power):
    """One gateway of several answers that it is ready: the region is not as it was."""
    state, shown = switch
    with stand_in(lambda call: (200, "")) as front:
        fault = power_of(shown, front.url)
        assert fault.read_back().ok
        state.power = power
        back = fault.read_back()
        assert (back.ok, back.actual) == (False, f"ready, power {power}")


def test_revert_before_apply_and_after_half_of_it(switch):
    """Nothing was stopped, or only a part of it: the region is whole afterwards."""
    state, shown = switch
    with stand_in(state.front) as front:
        fault = power_of(shown, front.url)
        assert fault.undo_params()["answered"] == 200
        for power in ("on", "partial"):
            state.power = power
            fault.revert()
            assert fault.read_back().ok
    assert fault.command() is None, "only the target's own token starts it"


def test_a_region_that_was_off_is_no_fault_of_ours(switch):
    """The undo would start what somebody else stopped."""
    switch[0].power = "off"
    with pytest.raises(PortError, match="not running before the fault"):
        power_of(switch[1], "http://h/").undo_params()


def test_a_refusing_switch_is_an_error(switch):
    """A wrong token, an answer of 500, nobody there: told, and without the token."""
    with pytest.raises(PortError, match="HTTP 401") as caught:
        power_of(switch[1], "http://h/", token="hunter2").apply()
    assert "hunter2" not in str(caught.value)
    with stand_in(lambda call: (500, "boom")) as broken:
        with pytest.raises(PortError, match="HTTP 500 boom"):
            power_of(broken, "http://h/").apply()


def test_power_none_stops_nothing_and_says_so():
    """The proof names that weight 0 stands for dark; undo only waits for readiness."""
    with stand_in(lambda call: (200, "")) as front:
        region = {"ready_url": front.url, "power": {"kind": "none"}}
        fault = RegionPower(platform_of(a_target(region=region)), REGION)
        assert fault.undo_params() == {}
        fault.apply()
        proof = fault.observe()
        assert proof.proven
        assert "not stopped" in proof.why
        fault.revert()
        assert fault.read_back().ok
        assert fault.command() == f"# region {REGION} was not stopped"


def test_a_lost_region_is_killed_and_comes_back_as_a_stopped_one(switch):
    """Killed, not stopped; the undo log's entry starts it again, twice if need be."""
    state, shown = switch
    with stand_in(state.front) as front:
        fault = power_of(shown, f"{front.url}/readyz", kind=RegionLoss)
        assert (fault.change().before, fault.change().after) == ("on", "gateways killed")
        assert fault.undo_params()["answered"] == 200
        fault.apply()
        assert [call.path for call in shown.calls if call.method == "POST"] == ["/r/kill"]
        assert not fault.read_back().ok
        entry = UndoEntry("u1", "region_loss", fault.subject, REGION, {})
        restored = fault_of(fault.platform, entry)
        for _ in range(2):
            restored.revert()
            assert restored.read_back().ok
    assert (restored.expects, stops_region("region_loss")) == (("series",), True)
    assert not stops_region("redis_outage")
    assert not stops_region("volcano")


def test_a_region_that_can_not_be_killed_is_refused():
    """Where the target's power is none there is no loss to drill: told before anything is done."""
    fault = RegionLoss(platform_of(a_target(region={"power": {"kind": "none"}})), REGION)
    for step in (fault.undo_params, fault.apply):
        with pytest.raises(PortError, match="power is none: a loss needs process, kuber"):
            step()
    assert "refused" in fault.change().after


def test_every_fault_is_registered_under_its_kind():
    """The undo log's kinds lead back to their faults; a kind that nobody knows is bad input."""
    assert registered().flaws == ()
    assert all(kind == fault.kind for kind, fault in kinds().items())
    wanted = {"traffic_shift", "drain", "region_power", "redis_outage", "provider_latency"}
    wanted |= {"safety_record", "region_loss"}
    assert wanted <= set(kinds())
    with pytest.raises(BadInput, match=r"undo log: u7\.kind: got 'volcano', expected one of"):
        fault_of(platform_of(a_target()), UndoEntry("u7", "volcano", "x", REGION, {}))
