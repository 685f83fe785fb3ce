"""A route's weights are back once its controller follows them; an API server can be away."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
from held_clock import HeldClock

from muster.faults.traffic_shift import TrafficShift
from muster.platform.kubernetes.cluster import Absent, Conflict, Refused, Unanswered
from muster.platform.steering import SteeringAway, SteeringError
from muster.platform.steering.gateway_api import GatewayApi
from muster.targets.steering import GatewayApiSteering

EAST, WEST = "east", "west"
SECTION = {"kind": "gateway_api", "namespace": "n", "route": "r", "calls_per_s_max": 1000}


class Server:
    """An API server with one route; its controller sees a change after `looks` more reads."""

    def __init__(self, looks: int | None = None) -> None:
        self.looks = looks
        self.raises: Exception | None = None
        self.patches = 0
        backends = [{"name": one, "port": 80, "weight": 50} for one in (EAST, WEST)]
        self.route: dict[str, Any] = {
            "metadata": {"name": "r", "uid": "r", "generation": 2, "resourceVersion": "7"},
            "spec": {"rules": [{"backendRefs": backends}]},
        }
        self.see()

    def see(self) -> None:
        conditions = [
            {
                "type": kind,
                "status": "True",
                "observedGeneration": self.route["metadata"]["generation"],
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        self.route["status"] = {"parents": [{"controllerName": "c", "conditions": conditions}]}

    def get(self, path: str) -> dict[str, Any]:
        if self.raises is not None:
            raise self.raises
        if self.looks is not None:
            self.looks -= 1
            if self.looks <= 0:
                self.see()
        return copy.deepcopy(self.route)

    def date_s(self) -> None:
        """It says nothing of its clock."""

    def patch(self, path: str, change: Any, *, dry_run: bool = False) -> None:
        self.patches += 1
        self.route["spec"]["rules"] = change["spec"]["rules"]
        self.route["metadata"]["generation"] += 1


def steering_of(server: Server) -> GatewayApi:
    settings = GatewayApiSteering.model_validate(SECTION)
    found = GatewayApi(settings, (EAST, WEST), clock=HeldClock())
    found.__dict__["_cluster"] = server
    return found


def shifted(server: Server, **more: Any) -> TrafficShift:
    """The undo of a shift to 0, which is done and was followed."""
    one = steering_of(server)
    saved = one.saved()
    planned = one.plan({EAST: 0, WEST: 100})
    server.looks = 1
    one.set_weights({EAST: 0, WEST: 100})
    server.looks = None
    platform: Any = SimpleNamespace(steering=one, target=None)
    before = {EAST: 50, WEST: 50}
    return TrafficShift(platform, EAST, before=before, saved=saved, sets=[planned], **more)


@pytest.mark.parametrize("old_log", [False, True])
def test_an_undo_that_no_controller_follows_is_not_back(old_log):
    """The spec shows the old weights, since the undo wrote them; trying again says the same."""
    server = Server()
    undo = shifted(server)
    if old_log:
        undo._sets = None
    for _ in range(2):
        with pytest.raises(SteeringError, match="c has not seen the present generation, 4"):
            undo.revert()
        back = undo.read_back()
        assert not back.ok
        assert back.actual == "east 50, west 50, but c has not seen the present generation, 4"
    assert server.patches == 2
    server.see()
    undo.revert()
    back = undo.read_back()
    assert (back.ok, back.actual) == (True, "east 50, west 50")
    assert server.patches == 2


def test_an_undo_waits_until_its_controller_follows():
    """As a step does."""
    server = Server()
    undo = shifted(server)
    server.looks = 6
    undo.revert()
    assert server.looks <= 0
    assert undo.read_back().ok


def test_a_step_that_is_repeated_waits_for_its_controller():
    """The weights stand from the first try, whose wait was cut short."""
    server = Server()
    steering = steering_of(server)
    for _ in range(2):
        with pytest.raises(SteeringError, match="has not seen the present generation, 3"):
            steering.set_weights({EAST: 0, WEST: 100})
    assert server.patches == 1


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (Unanswered("503"), True),
        (Refused("403"), False),
        (Absent("404"), False),
        (Conflict("409"), False),
    ],
)
def test_only_an_api_server_that_does_not_answer_is_away(error, away):
    """What it refuses it will refuse again."""
    server = Server()
    steering = steering_of(server)
    server.raises = error
    for call in (
        steering.shown,
        steering.not_acted_on,
        lambda: steering.set_weights({EAST: 0, WEST: 100}),
        lambda: steering.set_parts({}),
    ):
        with pytest.raises(SteeringError) as caught:
            call()
        assert isinstance(caught.value, SteeringAway) is away
