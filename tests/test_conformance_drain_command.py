"""The drain adapter `command` against the suite, with a script as a target would have one."""

from __future__ import annotations

import pytest
from command_world import ScriptedRegion, know_the_secret
from conformance.drain import CHECKS, World
from conformance.world import REGION

from muster.platform.drain.command import DrainByCommand
from muster.platform.port import PortError
from muster.targets.drain import CommandDrain

TIMEOUT_S = 3.0


class Scripted(ScriptedRegion, World):
    """A region behind a script."""

    def adapter(self) -> DrainByCommand:
        settings = CommandDrain(kind="command", argv=self.script.argv, timeout_s=TIMEOUT_S)
        return DrainByCommand(REGION, settings)

    def state(self):
        return self.script.read()["drain"]

    def put(self, state) -> None:
        self.script.write(drain=state)


@pytest.fixture
def world(tmp_path, monkeypatch):
    know_the_secret(monkeypatch)
    return Scripted(tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)


@pytest.mark.parametrize("answer", ["", "{}", '{"state": "on"}', '{"state": "serving", "x": 1}'])
def test_an_answer_of_another_shape_is_refused(world, answer):
    """None of them is serving."""
    world.script.write(trouble="nonsense", nonsense=answer)
    with pytest.raises(PortError, match="switch it drain-state"):
        world.adapter().shown()
