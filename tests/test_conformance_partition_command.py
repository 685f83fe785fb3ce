"""The partition adapter `command` against the suite, with a script as a target would have one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from by_hand_lines import paste
from command_world import know_the_secret
from conformance.partition import CHECKS, World
from conformance.world import REGION, SECRET

from muster.platform.partition.command import PartitionByCommand
from muster.platform.port import PortError, Touch
from muster.targets.partition import CommandPartition

TIMEOUT_S = 3.0
SCRIPT = f"""\
#!{sys.executable} -IS
import json, os, sys, time
secret, path, verb, region = sys.argv[1:]
with open(path) as file:
    state = json.load(file)
trouble = state["trouble"]
state["calls"] += 1
if secret != state["secret"] or region != "{REGION}":
    sys.exit("that is not how I am called")
if verb in ("cut", "join") and trouble not in ("refuses", "late before", "nonsense"):
    done = {{"cut": "cut", "join": "whole"}}[verb]
    state["now"] = "partly" if trouble == "half" else done
with open(path + ".new", "w") as file:
    json.dump(state, file)
os.rename(path + ".new", path)
if verb == "partition-state":
    print(state["nonsense"] if trouble == "nonsense" else json.dumps({{"state": state["now"]}}))
    sys.exit()
if trouble.startswith("late"):
    time.sleep(60)
if trouble == "refuses":
    sys.exit(f"the firewall said no\\nto {{secret}}")
"""


class Scripted(World):
    """A region that a script cuts off."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"
        program = folder / "cut it"  # a name that a shell would take apart
        program.write_text(SCRIPT)
        program.chmod(0o755)
        self.argv = (str(program), SECRET, str(self.path))
        self.touches = (Touch("commands", str(program)),)
        state = {"now": "whole", "calls": 0, "trouble": "", "nonsense": "{}", "secret": SECRET}
        self.path.write_text(json.dumps(state))

    def read(self):
        return json.loads(self.path.read_text())

    def write(self, **changes) -> None:
        self.path.write_text(json.dumps(self.read() | changes))

    @property
    def calls(self) -> int:
        return self.read()["calls"]

    def is_now(self) -> str:
        return self.read()["now"]

    def adapter(self, **more) -> PartitionByCommand:
        data = {"kind": "command", "argv": self.argv, "timeout_s": TIMEOUT_S} | more
        return PartitionByCommand(REGION, CommandPartition.model_validate(data))

    def trouble(self, kind) -> None:
        self.write(trouble=kind or "")

    def paste(self, line: str) -> None:
        done = paste(line, SWITCH_TOKEN=SECRET)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def world(tmp_path, monkeypatch):
    know_the_secret(monkeypatch)
    return Scripted(tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)


@pytest.mark.parametrize("answer", ["", "{}", '{"state": "on"}', '{"state": "cut", "x": 1}'])
def test_an_answer_of_another_shape_is_refused(world, answer):
    """None of them is a state."""
    world.write(trouble="nonsense", nonsense=answer)
    with pytest.raises(PortError, match="cut it partition-state"):
        world.adapter().state({})


def test_a_program_that_cannot_be_started_is_known_before(world):
    """By its key."""
    found = world.adapter(argv=["/no/such/program"]).unusable()
    assert (found.key, found.value) == ("argv.0", "/no/such/program")
