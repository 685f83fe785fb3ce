"""The steering adapter `gateway_api` against the suite, on a real API server.

The CRD is the Gateway API's own. No gateway stands behind it: a thread plays the controller, and
sets the route's status as one would. What goes wrong goes wrong on the way.
"""

from __future__ import annotations

import json
import re
import shlex
import threading

import pytest
import yaml
from conformance.steering import BEFORE, CHECKS, EAST, WEST, World, again, shift
from conformance.world import Trouble
from floor_fixtures import await_true, kubeconfig, stand_in
from kubernetes_world import Live

from muster import home
from muster.errors import BadInput
from muster.platform.kubernetes import cluster as calls
from muster.platform.steering import SteeringError
from muster.platform.steering.gateway_api import ROUTES, GatewayApi
from muster.targets.steering import GatewayApiSteering

pytestmark = pytest.mark.kubernetes
HELD_S_MAX = 20.0
LATE_S = 1.0
LOOK_S = 0.02
SECTION = {"kind": "gateway_api", "route": "chat", "calls_per_s_max": 1000}
ROLE = home.root() / "deploy/kubernetes/role.yaml"
(STEERING,) = (
    one["rules"]
    for one in yaml.safe_load_all(ROLE.read_text())
    if one["metadata"]["name"] == "muster-steering"
)
READ = [{**STEERING[0], "verbs": ["get"]}]
BACKENDS = {EAST: "gateway-east", WEST: "gateway-west"}


@pytest.fixture(scope="session")
def routes(live: Live) -> Live:
    """The cluster, in which there are HTTPRoutes."""
    path = home.tools_dir() / "kubernetes/gateway_api/httproutes.yaml"
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    live.call("POST", crds, yaml.safe_load(path.read_text()))
    listed = f"/apis/{ROUTES.group_version}/{ROUTES.plural}"
    await_true(lambda: live.http.get(listed).is_success, "HTTPRoutes", 60)
    return live


class Route(World):
    """A route of three rules in a namespace of its own, two of which steer."""

    halves = False

    def __init__(self, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
        self.live = live
        self.space = live.namespace()
        self.monkeypatch = monkeypatch
        self.fails: Trouble | None = None
        self.released, self.ended = threading.Event(), threading.Event()
        self.front = ""
        self.path = ROUTES.path(self.space.name, "chat")
        both = [
            {"name": BACKENDS[region], "port": 80, "weight": BEFORE[region]} for region in BEFORE
        ]
        rules = [
            {"matches": [{"path": {"value": f"/{word}"}}], "backendRefs": backends}
            for word, backends in (("v1", both), ("v2", both), ("docs", [{"name": "d", "port": 1}]))
        ]
        body = {
            "apiVersion": ROUTES.group_version,
            "kind": ROUTES.name,
            "metadata": {"name": "chat"},
            "spec": {"parentRefs": [{"name": "front"}], "rules": rules},
        }
        live.call("POST", ROUTES.path(self.space.name), body)
        self.acts = threading.Thread(target=self.act, daemon=True)

    def act(self) -> None:
        """What a controller does: it says which generation it has taken."""
        seen = 0
        while not self.ended.wait(LOOK_S):
            generation = self.route()["metadata"]["generation"]
            if generation != seen:
                self.say(generation)
                seen = generation

    def say(self, generation: int, accepted: str = "True") -> None:
        now = {"lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": generation}
        conditions = [
            {"type": kind, "status": status, "reason": "Said", "message": "", **now}
            for kind, status in (("Accepted", accepted), ("ResolvedRefs", "True"))
        ]
        who = {"controllerName": "muster.test/gateway", "parentRef": {"name": "front"}}
        status = {"parents": [{**who, "conditions": conditions}]}
        self.live.call("PATCH", f"{self.path}/status", {"status": status})

    def route(self):
        return self.live.call("GET", self.path)

    def answer(self, call):
        """The API server behind its front."""
        if self.fails == "nonsense":
            return 200, None
        if call.method == "PATCH":
            self.changes += 1
            if self.fails == "refuses":
                return 403, {"kind": "Status", "status": "Failure", "message": "forbidden"}
            if self.fails == "late after":
                self.passed_on(call)
            if self.fails:
                self.released.wait(HELD_S_MAX)
                return 504, {"kind": "Status", "status": "Failure", "message": "too late"}
        return self.passed_on(call)

    def passed_on(self, call):
        kind = call.headers.get("Content-Type", "application/json")
        answer = self.live.http.request(
            call.method, call.path, content=call.body, headers={"Content-Type": kind}
        )
        return answer.status_code, json.loads(answer.content)

    def adapter(self) -> GatewayApi:
        section = {"namespace": self.space.name, "kubeconfig": self.front, "backends": BACKENDS}
        return GatewayApi(GatewayApiSteering.model_validate(SECTION | section), (EAST, WEST))

    def weights(self) -> dict[str, int]:
        rules = [
            {one["name"]: one["weight"] for one in rule["backendRefs"]}
            for rule in self.route()["spec"]["rules"][:2]
        ]
        assert rules[0] == rules[1]
        return {region: rules[0][name] for region, name in BACKENDS.items() if name in rules[0]}

    def change(self, alter) -> None:
        rules = self.route()["spec"]["rules"]
        for rule in rules[:2]:
            alter(rule)
        self.live.call("PATCH", self.path, {"spec": {"rules": rules}})
        generation = self.route()["metadata"]["generation"]
        await_true(lambda: self.seen() >= generation, "the controller")

    def seen(self) -> int:
        parents = self.route().get("status", {}).get("parents") or [{"conditions": [{}]}]
        return int(parents[0]["conditions"][0].get("observedGeneration", 0))

    def put(self, region: str, weight: int) -> None:
        def alter(rule) -> None:
            for one in rule["backendRefs"]:
                if one["name"] == BACKENDS[region]:
                    one["weight"] = weight

        self.change(alter)

    def put_rest(self, region: str) -> None:
        self.change(lambda rule: rule.update(timeouts={"request": "9s"}))

    def remove(self, region: str) -> None:
        def alter(rule) -> None:
            name = BACKENDS[region]
            rule["backendRefs"] = [one for one in rule["backendRefs"] if one["name"] != name]

        self.change(alter)

    def trouble(self, kind: Trouble | None) -> None:
        self.fails = kind
        late = kind is not None and kind.startswith("late")
        self.monkeypatch.setattr(calls, "CALL_S_MAX", LATE_S if late else 60.0)


@pytest.fixture
def unseen(routes, tmp_path, monkeypatch):
    """A route whose status nobody sets."""
    one = Route(routes, monkeypatch)
    monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    with stand_in(one.answer) as api:
        one.front = str(kubeconfig(tmp_path / "kubeconfig", api.url))
        yield one
        one.released.set()
        one.ended.set()
        if one.acts.ident is not None:
            one.acts.join(timeout=30)


@pytest.fixture
def world(unseen):
    """A route with its controller."""
    unseen.acts.start()
    await_true(lambda: unseen.seen() > 0, "the controller")
    return unseen


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)


def test_a_route_on_which_nobody_acts_is_refused(unseen):
    """Its weights could be set, and nothing would follow them."""
    with pytest.raises(SteeringError, match="no controller acts on it: its status names no parent"):
        unseen.adapter().weights()
    unseen.say(1, accepted="False")
    with pytest.raises(SteeringError, match=r"muster\.test/gateway: Accepted is False"):
        unseen.adapter().weights()
    unseen.say(1)
    assert unseen.adapter().weights() == BEFORE


def test_a_change_that_the_controller_does_not_see_is_an_error(unseen):
    """The API server accepted it; the traffic stays where it was."""
    unseen.say(1)
    steering = unseen.adapter()
    steering._settings = steering._settings.model_copy(update={"timeout_s": 0.5})
    with pytest.raises(SteeringError, match="has not seen the present generation, 2"):
        steering.set_weights({EAST: 0, WEST: 100})
    assert unseen.weights() == {EAST: 0, WEST: 100}


def test_an_undo_that_the_controller_does_not_see_is_not_back(unseen):
    """The route shows the old weights, since the undo wrote them."""
    unseen.say(1)
    fault = shift(unseen, 0, sets=[unseen.adapter().plan({EAST: 0, WEST: 100})])
    fault.undo_params()
    fault._steering._settings = fault._steering._settings.model_copy(update={"timeout_s": 0.5})
    with pytest.raises(SteeringError):
        fault.apply()
    unseen.say(2)
    with pytest.raises(SteeringError, match="has not seen the present generation, 3"):
        fault.revert()
    assert unseen.weights() == BEFORE
    assert not fault.read_back().ok
    unseen.say(3)
    fault.revert()
    assert fault.read_back().ok


def test_a_change_that_would_be_refused_is_told_before_any_is_made(world, routes, tmp_path):
    """A missing right; with the role of the documentation all of it can be done."""
    space = world.space
    for rules, says in ((READ, "cannot patch resource"), (STEERING, "")):
        path = space.kubeconfig_of(tmp_path, rules)
        section = {"namespace": space.name, "kubeconfig": path, "backends": BACKENDS}
        steering = GatewayApi(GatewayApiSteering.model_validate(SECTION | section), (EAST, WEST))
        told = " ".join(steering.rehearse())
        assert says in told
        assert bool(told) is bool(says)
        assert world.weights() == BEFORE
    steering.set_weights({EAST: 0, WEST: 100})
    assert world.weights() == {EAST: 0, WEST: 100}


def test_the_line_by_hand_puts_every_rule_back(world):
    """As kubectl would send it."""
    steering = world.adapter()
    line = steering.command(steering.saved(), BEFORE)
    before = world.route()["spec"]
    steering.set_weights({EAST: 0, WEST: 100})
    words = shlex.split(line)
    assert words[:3] == ["kubectl", "-n", world.space.name]
    assert re.fullmatch(r"httproutes\.gateway\.networking\.k8s\.io", words[6])
    world.live.call("PATCH", world.path, json.loads(words[words.index("-p") + 1]))
    assert world.route()["spec"] == before


def test_the_safety_net_has_no_record_here(unseen):
    """A route has no harmless part: one clear line."""
    with pytest.raises(BadInput, match=r"steering\.kind: got 'gateway_api', expected route53"):
        unseen.adapter().trial()


def test_a_context_that_leads_to_another_cluster_is_not_called_restored(world):
    """A route of the same name and weights stands there."""
    east = shift(world, 100.0)
    restored = again(world, east)
    east.apply()
    passed_on = world.passed_on

    def elsewhere(call):
        status, found = passed_on(call)
        if "metadata" in found:
            found["metadata"] |= {"uid": "another", "creationTimestamp": "2026-01-01T00:00:00Z"}
        return status, found

    world.passed_on = elsewhere
    weights = world.weights()
    for call in (restored.read_back, restored.revert):
        with pytest.raises(SteeringError, match="another one than the drill has changed"):
            call()
    assert world.weights() == weights
    world.passed_on = passed_on
    restored.revert()
    assert world.weights() == BEFORE
