"""The drain adapter `command` against the suite, with a script as a target would have one."""

from __future__ import annotations

from pathlib import Path

import pytest
from by_hand_lines import paste
from command_world import Script
from conformance.drain import CHECKS, World
from conformance.world import REGION, SECRET

from muster import redact
from muster.platform.drain.command import DrainByCommand
from muster.platform.port import PortError, Touch
from muster.targets.drain import CommandDrain

TIMEOUT_S = 3.0


class Scripted(World):
    """A region behind a script."""

    def __init__(self, folder: Path) -> None:
        self.script = Script(folder, SECRET, REGION)
        self.touches = (Touch("commands", str(self.script.program)),)

    @property
    def calls(self) -> int:
        return self.script.read()["calls"]

    def adapter(self) -> DrainByCommand:
        settings = CommandDrain(kind="command", argv=self.script.argv, timeout_s=TIMEOUT_S)
        return DrainByCommand(REGION, settings)

    def state(self):
        return self.script.read()["drain"]

    def put(self, state) -> None:
        self.script.write(drain=state)

    def trouble(self, kind) -> None:
        self.script.write(trouble=kind or "")

    def paste(self, line: str) -> None:
        done = paste(line, SWITCH_TOKEN=SECRET)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(redact, "_kept", {SECRET})
    monkeypatch.setenv("SWITCH_TOKEN", SECRET)
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
