"""The drain adapter `http` against the suite, with a stand-in for a region's hook."""

from __future__ import annotations

import pytest
from api_world import ApiWorld, served
from by_hand_lines import paste
from conformance.drain import CHECKS, World
from conformance.world import REGION, SECRET

from muster.platform.drain.http import DrainByHttp
from muster.targets.drain import HttpDrain

TIMEOUT_S = 3.0


class Hook(ApiWorld, World):
    """A region of two gateways behind one hook."""

    def __init__(self) -> None:
        super().__init__()
        self.now = "serving"

    def answer(self, call):
        """The hook."""
        if call.headers.get("Authorization") != f"Bearer {SECRET}":
            return 401, {"error": "unauthorized"}
        if self.fails == "nonsense":
            return 200, "serving"
        if call.method == "POST":
            if self.fails == "refuses":
                return 503, {"error": "not now"}
            if self.fails != "late before":
                self.now = "mixed" if self.fails == "half" else call.json["state"]
            if self.fails == "half":
                return 500, {"error": "one gateway does not answer"}
            if self.fails:
                self.hold()
        return 200, {"state": self.now}

    def adapter(self) -> DrainByHttp:
        settings = HttpDrain(url=f"{self.shown.url}/drain", token=SECRET, timeout_s=TIMEOUT_S)
        return DrainByHttp(REGION, settings)

    def state(self):
        return self.now

    def put(self, state) -> None:
        self.now = state

    def paste(self, line: str) -> None:
        done = paste(line, DRAIN_TOKEN=SECRET)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setenv("DRAIN_TOKEN", SECRET)
    hook = Hook()
    with served(hook):
        yield hook


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)
