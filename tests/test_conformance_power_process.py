"""The power adapter `process` against the suite, with a stand-in for the testbed's control API."""

from __future__ import annotations

import pytest
from api_world import ApiWorld, served
from conformance.power import CHECKS, World
from conformance.world import REGION, SECRET
from floor_fixtures import stand_in

from muster.platform.port import PortError
from muster.platform.power.process import PowerByProcess
from muster.targets.power import ProcessPower

TIMEOUT_S = 3.0


class Switch(ApiWorld, World):
    """A region of two gateways, behind a switch."""

    by_hand = False

    def __init__(self) -> None:
        super().__init__()
        self.power = "on"

    def answer(self, call):
        """The control API."""
        if call.headers.get("Authorization") != f"Bearer {SECRET}":
            return 401, {"error": "unauthorized"}
        if self.fails == "nonsense":
            return 200, "<html>on</html>"
        if call.method == "POST":
            if self.fails == "refuses":
                return 409, {"error": "another drill has it"}
            after = {"start": "on", "stop": "off", "kill": "off"}[call.path.rpartition("/")[2]]
            if self.fails != "late before":
                self.power = "partly" if self.fails == "half" else after
            if self.fails == "half":
                return 500, {"error": "a gateway did not end"}
            if self.fails:
                self.hold()
        return 200, {"power": self.power}

    def adapter(self) -> PowerByProcess:
        url = f"{self.shown.url}/regions/r"
        settings = ProcessPower(kind="process", url=url, token=SECRET, timeout_s=TIMEOUT_S)
        return PowerByProcess(REGION, settings)

    def state(self):
        return self.power

    def put(self, state) -> None:
        self.power = state


@pytest.fixture
def world():
    switch = Switch()
    with served(switch):
        yield switch


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)


@pytest.mark.parametrize("answer", ["{}", "[]", '"on"', "null", "on"])
def test_only_on_means_on(world, answer):
    """An answer without `power` is not whole, and nothing that a drill may begin from."""
    with stand_in(lambda call: (200, answer)) as world.shown, pytest.raises(PortError):
        world.adapter().before()


def test_a_stopped_region_shows_no_series_of_its_own(world):
    """Its processes are gone, so a fresh sample of theirs disproves dark."""
    assert world.adapter().own_samples
