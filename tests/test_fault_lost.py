"""Faults by which users lose a region whose processes go on, through stand-ins of its front and its
switch: proven only by what is seen from outside, and back only for good.
"""

from __future__ import annotations

import json

import pytest
from floor_fixtures import OTHER, REGION, a_target, closing_port, free_port, stand_in
from held_clock import HeldClock

from muster.errors import BadInput
from muster.faults import Scene, fault_of, region_away, registered
from muster.faults.lost import Lost, check_limits
from muster.faults.region_grey import RegionGrey
from muster.faults.region_loss import RegionLoss
from muster.faults.region_partition import RegionPartition
from muster.platform import platform_of
from muster.platform.looks import Look
from muster.platform.port import PortError
from muster.undo import UndoEntry

SECRET = "secret"
ROUTES = ("provider_primary", "provider_fallback")
STEPS = {step.func: step for step in registered().steps}


class Switch:
    """A stand-in control API. `front`: what the region's own front answers; None: nothing."""

    def __init__(self):
        self.state = "whole"

    def answer(self, call):
        if call.method == "POST":
            self.state = call.json["state"]
        return 200, {"state": self.state}


@pytest.fixture
def switch():
    state = Switch()
    with stand_in(state.answer) as shown:
        yield state, shown


def partition_of(shown, ready_url, **more):
    section = {"kind": "process", "url": f"{shown.url}/p", "token": SECRET}
    target = a_target(region={"ready_url": ready_url, "partition": section})
    return RegionPartition(platform_of(target), REGION, **more)


def test_a_region_that_refuses_and_is_said_to_be_cut_is_proven(switch):
    """Also by another process, from the undo log alone."""
    with stand_in(lambda call: (200, "")) as front:
        fault = partition_of(switch[1], front.url, steady_s=3.0)
        params = json.loads(json.dumps(fault.undo_params()))
        assert not fault.observe().proven
        fault.apply()
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, params)
    again = fault_of(fault.platform, entry)
    assert again.steady_s == 3.0
    for one in (fault, again):
        proof = one.observe()
        assert proof.proven
        assert proof.facts == {"state": "cut", "met": "refused", "status": None}


@pytest.mark.parametrize(("status", "proven"), [(200, False), (401, False), (503, True)])
def test_what_a_front_still_answers(switch, status, proven):
    """Only a load balancer's word that nothing is behind it counts as no answer."""
    with stand_in(lambda call: (200 if switch[0].state == "whole" else status, "")) as front:
        fault = partition_of(switch[1], front.url)
        fault.undo_params()
        fault.apply()
        assert fault.observe().proven is proven


def test_a_region_that_refuses_and_is_not_said_to_be_cut_is_not_proven(switch):
    """Something else keeps it away."""
    fault = partition_of(switch[1], f"http://127.0.0.1:{free_port()}/")
    assert not fault.observe().proven
    with closing_port() as port:
        fault = partition_of(switch[1], f"http://127.0.0.1:{port}/")
        switch[0].state = "partly"
        assert not fault.observe().proven


@pytest.mark.parametrize("others", [True, False])
def test_silence_counts_while_another_region_is_reached(switch, monkeypatch, others):
    """Otherwise it may be the network of whoever looks."""
    switch[0].state = "cut"
    fault = partition_of(switch[1], "http://here/")
    silent, answer = Look("silent", "accepts no connection"), Look("answer", "answers 200", 200)
    monkeypatch.setattr(
        region_away, "look_at", lambda url: answer if others and url != "http://here/" else silent
    )
    if others:
        assert fault.observe().proven
    else:
        with pytest.raises(PortError, match="could not look"):
            fault.observe()


def test_a_name_that_does_not_resolve_proves_nothing(switch):
    """The look was blind."""
    switch[0].state = "cut"
    with pytest.raises(PortError, match="could not look"):
        partition_of(switch[1], "http://nowhere.invalid/").observe()


def test_what_is_not_whole_or_not_ready_before_is_no_fault_of_ours(switch):
    """The undo would join what somebody else cut off; an unready region shows no effect."""
    with stand_in(lambda call: (503, "")) as front:
        with pytest.raises(PortError, match="before the fault its ready_url answers 503"):
            partition_of(switch[1], front.url).undo_params()
        switch[0].state = "cut"
        with pytest.raises(PortError, match="cut before the fault"):
            partition_of(switch[1], front.url).undo_params()


def test_it_is_back_only_when_ready_without_a_break_and_whole(switch):
    """Ready once, or ready and still cut, is not back; a break begins the stretch anew."""
    ready = [True]
    with stand_in(lambda call: (200 if ready[0] else 503, "")) as front:
        clock = HeldClock()
        section = {"kind": "process", "url": f"{switch[1].url}/p", "token": SECRET}
        target = a_target(region={"ready_url": front.url, "partition": section})
        fault = RegionPartition(platform_of(target, clock), REGION, steady_s=2.0)

        def looked():
            return fault.look_back()[0].ok

        assert not looked()
        clock.sleep(1.0)
        ready[0] = False
        assert not looked()
        ready[0] = True
        for apart_s, back in ((1.0, False), (1.0, False), (1.0, True)):
            clock.sleep(apart_s)
            assert looked() is back
        switch[0].state = "partly"
        seen, may_come = fault.look_back()
        assert (seen.ok, may_come, seen.actual) == (False, False, "ready, partly")


def test_a_region_that_never_gets_ready_is_not_back_in_bounded_time(switch):
    """The read-back waits for it, and then says so."""
    clock = HeldClock()
    section = {"kind": "process", "url": f"{switch[1].url}/p", "token": SECRET}
    url = f"http://127.0.0.1:{free_port()}/"
    target = a_target(region={"ready_url": url, "partition": section})
    back = RegionPartition(platform_of(target, clock), REGION).read_back()
    assert (back.ok, back.actual) == (False, "not ready, whole")


def test_without_a_partition_it_is_refused_by_its_key():
    """Before anything is locked; its own other wrong settings too."""
    fault = RegionPartition(platform_of(a_target()), REGION)
    found = fault.unusable()
    assert (found.key, found.value) == (f"regions.{REGION}.partition.kind", "none")
    section = {"kind": "command", "argv": ["/no/such/program"]}
    found = RegionPartition(platform_of(a_target(region={"partition": section})), REGION).unusable()
    assert found.key == f"regions.{REGION}.partition.argv.0"


@pytest.mark.parametrize("kind", ["region_loss", "region_partition", "region_grey"])
def test_a_loss_without_limits_is_refused_in_one_line(kind):
    """By the key that is missing; with it the step says what it does."""
    scene = Scene(platform_of(a_target().model_copy(update={kind: None})))
    with pytest.raises(BadInput, match=f"{kind}: got None, expected rto_s_max and streams") as said:
        check_limits(scene, kind)
    assert "\n" not in str(said.value)
    proxies = dict(zip(ROUTES, ROUTES, strict=True))
    region = {"toxiproxy": {"url": "http://127.0.0.1:9", "proxies": proxies}}
    planned = STEPS[kind].planned(Scene(platform_of(a_target(region=region))), {})
    assert [one.kind for one in planned.faults] == [kind]


def test_what_the_phases_of_a_loss_ask_of_each():
    """Whose processes end, whose go on, and which the guard leaves out."""
    assert {one.kind: one.stops_region for one in (RegionLoss, RegionPartition, RegionGrey)} == {
        "region_loss": True,
        "region_partition": False,
        "region_grey": False,
    }
    for one in (RegionLoss, RegionPartition, RegionGrey):
        assert one.loses_region
        assert "series" in one.expects
        assert one.undone
    assert issubclass(RegionGrey, Lost)
    assert OTHER != REGION


@pytest.mark.parametrize(
    ("now", "seen"),
    [
        (("reset", "reset"), True),
        (("reset", "whole"), False),
        (("silent", "reset"), False),
        (("whole", "whole"), False),
    ],
)
def test_a_grey_region_is_one_without_any_route(now, seen):
    """One route left is a fault of a route, and no lost region."""
    proxies = dict(zip(ROUTES, ROUTES, strict=True))
    region = {"toxiproxy": {"url": "http://127.0.0.1:9", "proxies": proxies}}
    fault = RegionGrey(platform_of(a_target(region=region)), REGION)
    before = dict.fromkeys(ROUTES, "whole")
    assert fault.why_not(before) == ""
    assert "provider_primary reset" in fault.why_not({**before, "provider_primary": "reset"})
    assert fault.effect(before, dict(zip(ROUTES, now, strict=True)))[0] is seen
    touched = {(one.kind, one.name) for one in fault.touches()}
    assert touched == {("regions", REGION), *(("proxies", f"{REGION}/{one}") for one in ROUTES)}
