"""The restart adapter `command` against the suite, with a script as a target would have one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from by_hand_lines import paste
from conformance.restart import CHECKS, World
from conformance.world import SECRET

from muster import redact
from muster.platform.port import Touch
from muster.platform.restart.command import RestartByCommand
from muster.targets.restart import CommandRestart

TIMEOUT_S = 3.0
SCRIPT = f"""\
#!{sys.executable} -IS
import json, os, sys, time
secret, path = sys.argv[1:]
with open(path) as file:
    state = json.load(file)
trouble = state["trouble"]
state["calls"] += 1
if secret != state["secret"]:
    sys.exit("that is not how I am called")
if trouble in ("", "late after"):
    state["answers"] = True
    state["restarts"] += 1
if trouble == "half":
    state["answers"] = False
with open(path + ".new", "w") as file:
    json.dump(state, file)
os.rename(path + ".new", path)
while trouble == "nonsense":
    print("restarted" * 1000, flush=True)
if trouble.startswith("late"):
    time.sleep(60)
if trouble:
    sys.exit(f"the load balancer said no\\nto {{secret}}")
"""


class Scripted(World):
    """A server that a script restarts."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"
        program = folder / "restart it"  # a name that a shell would take apart
        program.write_text(SCRIPT)
        program.chmod(0o755)
        self.argv = (str(program), SECRET, str(self.path))
        self.touches = (Touch("commands", str(program)),)
        state = {"answers": False, "restarts": 0, "calls": 0, "trouble": "", "secret": SECRET}
        self.path.write_text(json.dumps(state))

    def read(self):
        return json.loads(self.path.read_text())

    def write(self, **changes) -> None:
        self.path.write_text(json.dumps(self.read() | changes))

    @property
    def calls(self) -> int:
        return self.read()["calls"]

    @property
    def restarts(self) -> int:
        return self.read()["restarts"]

    def adapter(self, **more) -> RestartByCommand:
        data = {"kind": "command", "argv": self.argv, "timeout_s": TIMEOUT_S} | more
        return RestartByCommand(CommandRestart.model_validate(data))

    def answers(self) -> bool:
        return self.read()["answers"]

    def put_back(self) -> None:
        self.write(answers=True)

    def trouble(self, kind) -> None:
        self.write(trouble=kind or "")

    def paste(self, line: str) -> None:
        done = paste(line, RESTART_TOKEN=SECRET)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def world(tmp_path, monkeypatch):
    redact.keep(SECRET)
    monkeypatch.setenv("RESTART_TOKEN", SECRET)
    return Scripted(tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program", "/etc/passwd", "/tmp"])
def test_a_program_that_cannot_be_started_is_known_before(world, program):
    """Not there, not executable, or a folder."""
    found = world.adapter(argv=[program]).unusable()
    assert (found.key, found.value) == ("argv.0", program)
