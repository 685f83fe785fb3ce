"""The restart adapter `process` against the suite, with a stand-in for the control API."""

from __future__ import annotations

import pytest
from api_world import ApiWorld, served
from conformance.restart import CHECKS, World
from conformance.world import SECRET

from muster.platform.restart.process import RestartByProcess
from muster.targets.restart import ProcessRestart

TIMEOUT_S = 3.0


class Supervised(ApiWorld, World):
    """A server whose process the control API ends and starts."""

    by_hand = False

    def __init__(self) -> None:
        super().__init__()
        self.running = False
        self.begun = 0

    def answer(self, call):
        """The control API."""
        if call.headers.get("Authorization") != f"Bearer {SECRET}":
            return 401, {"error": "unauthorized"}
        if self.fails == "refuses":
            return 409, {"error": f"another drill has it, says {call.path}"}
        if self.fails == "nonsense":
            return 200, "<html>restarted</html>"
        if self.fails == "half":
            self.running = False
            return 500, {"error": "ended and not started"}
        if self.fails != "late before":
            self.running = True
            self.begun += 1
        if self.fails:
            self.hold()
        return 200, {"restarted": "toxiproxy"}

    @property
    def restarts(self) -> int:
        return self.begun

    def adapter(self) -> RestartByProcess:
        url = f"{self.shown.url}/processes/toxiproxy/restart"
        settings = ProcessRestart(kind="process", url=url, token=SECRET, timeout_s=TIMEOUT_S)
        return RestartByProcess(settings)

    def answers(self) -> bool:
        return self.running

    def put_back(self) -> None:
        self.running = True


@pytest.fixture
def world():
    supervised = Supervised()
    with served(supervised):
        yield supervised


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)
