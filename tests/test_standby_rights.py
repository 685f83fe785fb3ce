"""Who stands by is ready only if it could restore whatever a drill may change on its target.

Clusters, hooks and Toxiproxy are stand-ins, each of which can say that it has no right.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from command_world import Script
from floor_fixtures import OTHER, REGION, kubeconfig, stand_in
from held_clock import HeldClock
from shared_targets import write_target
from test_standby import clock, dark, looked, waiting, world

from muster.clock import SYSTEM_CLOCK
from muster.drill.recover import rights
from muster.drill.recover import standby as standing_by
from muster.drill.recover.rights import ASK_S_MAX, Part, Rights, parts_of
from muster.drill.recover.standby import LOOK_S_MAX, RIGHTS_S, Standby
from muster.errors import MusterError
from muster.faults.redis_path import RedisLook
from muster.platform import platform_of
from muster.platform.kubernetes import cluster as calls
from muster.platform.port import Denied, PortError
from muster.targets.model import Target

__all__ = ["clock", "dark", "waiting", "world"]
LOOKS = 5
MANIFEST = Path(__file__).resolve().parent.parent / "deploy/game-day/standby.yaml"


# What is asked, and what an answer means


def of(*parts, rights=None, changed=False, clock=None):
    return (rights or Rights(clock or HeldClock())).of(iter(parts), changed=changed)


def fails(error):
    def ask():
        raise error

    return ask


def test_a_line_says_which_part_of_the_target_refuses():
    """A missing right, a refusal, and a part of which nothing is known: none of them is ready."""
    assert of(Part("a", lambda: ())) == ()
    assert of(Part("a", lambda: ("no right to x",)), Part("b", lambda: ())) == ("a: no right to x",)
    assert of(Part("a", fails(Denied("403"))), Part("b", fails(PortError("no answer")))) == (
        "a: 403",
        "b: no answer",
    )


def test_what_nobody_expected_ends_no_standby():
    """One that ended would restore nothing, and a restart waits longer each time."""
    found = of(Part("a", fails(KeyError("x"))), Part("b", fails(Denied("403"))), changed=True)
    assert found == ("a: KeyError: 'x'", "b: 403")


@pytest.mark.parametrize(
    ("inside", "changed", "error", "ready"),
    [
        (True, True, PortError("dark"), True),
        (True, False, PortError("dark"), False),
        (False, True, PortError("dark"), False),
        (True, True, Denied("403"), False),
    ],
)
def test_a_region_that_a_drill_has_stopped_says_nothing_of_rights(inside, changed, error, ready):
    """What stands in it keeps its earlier answer, while a drill has changes there."""
    rights = Rights(HeldClock())
    assert of(Part("a", lambda: (), inside), rights=rights) == ()
    found = of(Part("a", fails(error), inside), rights=rights, changed=changed)
    assert found == (() if ready else (f"a: {error}",))


def test_what_never_answered_is_not_ready_in_a_drill_either():
    """Who began to stand by in mid-dark does not know."""
    assert of(Part("a", fails(PortError("dark")), inside=True), changed=True) == ("a: dark",)


def test_what_hangs_keeps_nothing_waiting():
    """The parts after it count as refused, and are asked the next time."""
    clock, asked = HeldClock(), []

    def hangs():
        clock.advance(ASK_S_MAX + 1)
        return ()

    found = of(Part("a", hangs), Part("b", lambda: asked.append(1) or ()), clock=clock)
    assert found == (f"b: not asked: the others took over {ASK_S_MAX:g} s",)
    assert asked == []


# Every part of a target


@pytest.fixture
def whole(world, tmp_path, monkeypatch):
    """The target with every kind of part on a cluster; `denied`: what it may not do there."""
    denied: set[tuple[str, str]] = set()

    def cluster(call):
        path = call.path.partition("?")[0]
        if path.endswith("/selfsubjectaccessreviews"):
            one = call.json["spec"]["resourceAttributes"]
            resource = "/".join([one["resource"], *filter(None, [one.get("subresource")])])
            return 201, {"status": {"allowed": (one["verb"], resource) not in denied}}
        meta = {"name": "gateway", "uid": "u", "resourceVersion": "1"}
        return 200, {"metadata": meta, "spec": {"replicas": 0}, "status": {"selector": "a=b"}}

    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
    with stand_in(cluster) as api:
        config = str(kubeconfig(tmp_path / "kubeconfig", api.url))
        access = {"kubeconfig": config, "namespace": "chat", "kind": "kubernetes"}
        named = access | {"workloads": ["deployment/gateway"]}
        data = world.data
        data["regions"][REGION] |= {
            "power": named,
            "partition": named | {"kind": "network_policy"},
            "cluster": named | {"node": "n1"},
            "toxiproxy": {
                "url": world.toxiproxy,
                "proxies": {"redis": "redis"},
                "restart": access | {"deployment": "toxiproxy"},
            },
        }
        data["load"] |= access | {"parts": 1, "image": "i", "namespace": "loads"}
        data["shared"] = {"kind": "kubernetes", "kubeconfig": config, "namespace": "muster"}
        world.denied, world.api = denied, api
        yield world


@pytest.fixture
def toxiproxy(world):
    """A Toxiproxy without a proxy."""
    with stand_in(lambda call: (200, {})) as shown:
        world.toxiproxy = shown.url
        yield shown


def refused(world, clock, **more):
    platform = platform_of(Target.model_validate(world.data), clock)
    try:
        return Rights(clock).refused(platform, changed=False, **more)
    finally:
        platform.metrics.close()


RIGHTS = [
    ("shared", "delete", "configmaps"),
    ("shared", "patch", "configmaps"),
    ("load", "delete", "jobs"),
    ("regions.eu-west-1.power", "patch", "deployments/scale"),
    ("regions.eu-west-1.partition", "delete", "networkpolicies"),
    ("regions.eu-west-1.partition", "list", "networkpolicies"),
    ("regions.eu-west-1.cluster", "patch", "nodes"),
    ("regions.eu-west-1.cluster", "patch", "deployments"),
    ("regions.eu-west-1.cluster", "get", "replicasets"),
    ("regions.eu-west-1.cluster", "list", "pods"),
    ("regions.eu-west-1.toxiproxy.restart", "patch", "deployments"),
]


@pytest.mark.parametrize(("key", "verb", "resource"), RIGHTS)
def test_without_any_right_to_undo_it_is_not_ready(toxiproxy, whole, clock, key, verb, resource):
    """With power and steering alone it would look on at most of what a drill leaves."""
    assert refused(whole, clock) == ()
    whole.denied.add((verb, resource))
    lines = refused(whole, clock)
    assert any(line.startswith(f"{key}: no right to {verb} {resource} ") for line in lines), lines


def test_no_right_to_do_it_is_asked_for(toxiproxy, whole, clock):
    """Who restores needs none to delete pods, evict them, or cut a region off."""
    whole.denied |= {("delete", "pods"), ("create", "pods/eviction"), ("create", "networkpolicies")}
    whole.denied |= {("list", "nodes"), ("create", "jobs"), ("patch", "jobs")}
    assert refused(whole, clock) == ()
    changes = [call for call in whole.api.calls if call.method in ("PATCH", "DELETE")]
    assert changes
    assert all("dryRun=All" in call.path for call in changes)


def test_the_standby_asks_every_part_that_the_target_has(toxiproxy, whole, clock):
    """No port of a region is left out: whoever adds one to the platform adds it here."""
    platform = platform_of(Target.model_validate(whole.data), clock)
    keys = {part.key for part in parts_of(platform)}
    platform.metrics.close()
    ports = [name for name, one in vars(platform).items() if isinstance(one, dict)]
    assert {f"regions.{REGION}.{port}" for port in ports} <= keys
    assert {f"regions.{OTHER}.{port}" for port in ports} <= keys
    assert {"shared", "steering", "load", f"regions.{REGION}.toxiproxy"} <= keys


def test_a_toxiproxy_that_is_out_of_reach_from_here_is_told(toxiproxy, whole, clock):
    """A drill's pod may reach it where this one does not."""
    whole.data["regions"][REGION]["toxiproxy"]["url"] = "http://127.0.0.1:9"
    (line,) = refused(whole, clock)
    assert line.startswith(f"regions.{REGION}.toxiproxy: Toxiproxy http://127.0.0.1:9/proxies: ")


@pytest.mark.parametrize("page", ["<html>maintenance</html>", ["no", "object"]])
def test_a_page_in_front_of_toxiproxy_is_told(toxiproxy, whole, clock, page):
    """An ingress may answer 200 for what is away behind it."""
    with stand_in(lambda call: (200, page)) as front:
        whole.data["regions"][REGION]["toxiproxy"]["url"] = front.url
        (line,) = refused(whole, clock)
    assert line.startswith(
        f"regions.{REGION}.toxiproxy: Toxiproxy {front.url}: /proxies answers no"
    )


@pytest.mark.parametrize(("status", "ready"), [(200, True), (401, False), (403, False)])
def test_a_drain_hook_that_does_not_take_the_token_is_told(world, clock, status, ready):
    """Looked at only: the state is not set."""
    with stand_in(lambda call: (status, {"state": "serving"})) as hook:
        world.data["regions"][REGION]["drain"] = {"url": f"{hook.url}/drain", "token": "t"}
        lines = refused(world, clock)
        assert {call.method for call in hook.calls} == {"GET"}
    assert (lines == ()) is ready
    assert ready or f"HTTP {status}" in lines[0]


@pytest.mark.parametrize("section", ["power", "partition", "drain"])
def test_a_command_that_is_not_here_is_told(world, clock, section):
    """The image of who stands by may lack what the drill's has."""
    data = {"kind": "command", "argv": ["/nowhere/switch"]}
    world.data["regions"][REGION][section] = data
    (line,) = refused(world, clock)
    assert line.startswith(f"regions.{REGION}.{section}: argv.0: got '/nowhere/switch'")


@pytest.mark.parametrize("section", ["power", "drain"])
def test_a_command_that_is_here_is_looked_at(world, tmp_path, section):
    """What it cannot even look at it cannot undo; nothing is set."""
    script = Script(tmp_path, "s", REGION)
    data = {"kind": "command", "argv": list(script.argv)}
    world.data["regions"][REGION][section] = data
    assert refused(world, SYSTEM_CLOCK) == ()
    assert script.read()["power"] == "on"
    script.write(secret="another")
    (line,) = refused(world, SYSTEM_CLOCK)
    assert "that is not how I am called" in line


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("PONG", ""),
        ("NOPERM", "Redis answers NOPERM"),
        ("ERR", "Redis answers ERR"),
        (None, "Redis"),
    ],
)
def test_a_redis_that_a_drill_may_change_must_take_the_credentials(
    world, clock, monkeypatch, reply, said
):
    """Only where the blast radius lets a drill change it."""
    look = RedisLook("answer" if reply else "refused", f"answers {reply}", reply)
    monkeypatch.setattr(rights, "look_at_redis", lambda url: look)
    world.data["regions"][REGION]["redis_url"] = "redis://127.0.0.1:9"
    world.data["blast_radius"]["redis"] = []
    assert refused(world, clock) == ()
    world.data["blast_radius"]["redis"] = [REGION]
    lines = refused(world, clock)
    assert bool(lines) is bool(said)
    assert not said or lines[0].startswith(f"regions.{REGION}.redis_url: {said}")


# How often it looks


def gaps(world, tmp_path, monkeypatch, lease_s):
    """Seconds between two signs of being ready, by a standby on a target with that lease."""
    world.data["shared"]["lease_s"] = lease_s
    clock = HeldClock()
    one = Standby(write_target(tmp_path / "long.yaml", world.data), lambda line: None, clock)
    told = []
    tell = Standby._tell
    monkeypatch.setattr(Standby, "_tell", lambda self: (told.append(clock.passed_s), tell(self))[1])
    looked(one, clock, LOOKS * one.look_s)
    return [later - earlier for earlier, later in pairwise(told)]


@pytest.mark.parametrize("lease_s", [5, 60, 480, 600])
def test_a_long_lease_does_not_make_it_look_unready(world, tmp_path, monkeypatch, lease_s):
    """The probe of the manifest looks for a sign within its minute, whatever the lease is."""
    (window_s,) = map(float, re.findall(r'-newermt "(\d+) seconds ago"', MANIFEST.read_text()))
    found = gaps(world, tmp_path, monkeypatch, lease_s)
    assert len(found) == LOOKS - 1
    assert 2 * max(found) < window_s
    # Also if the asking of rights takes all of its time, with one call more that hangs.
    assert window_s > LOOK_S_MAX + ASK_S_MAX + calls.CALL_S_MAX


def test_it_asks_for_its_rights_once_a_minute_however_often_it_looks(world, clock, monkeypatch):
    """Each look costs the store one call; the rest is asked every `RIGHTS_S`."""
    asked = []
    monkeypatch.setattr(
        standing_by, "platform_of", lambda target, clock: asked.append(1) or fails(MusterError())()
    )
    one = Standby(world.file, lambda line: None, clock)
    looked(one, clock, 10 * RIGHTS_S)
    assert 10 <= len(asked) <= 11


def test_the_restore_comes_before_the_rights(world, dark, waiting, clock, monkeypatch):
    """A part that hangs as it is asked does not keep a region dark."""
    looked(waiting, clock, 2 * RIGHTS_S)
    order = []
    monkeypatch.setattr(Standby, "_looked", lambda self: order.append("looked"))
    monkeypatch.setattr(Standby, "_cannot", lambda self: order.append("asked") or ())
    waiting.look()
    assert order == ["looked", "asked"]
