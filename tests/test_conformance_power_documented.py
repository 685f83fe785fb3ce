"""The script of docs/command.md against the power suite, with a stand-in for the cloud's own tool.

A page whose example does not work is worse than none. It has no verb kill.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from by_hand_lines import paste
from conformance.power import CHECKS, World
from conformance.world import REGION

from muster.platform.port import Touch
from muster.platform.power.command import PowerByCommand
from muster.targets.power import CommandPower

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 4.0
SIZE = 4
CLOUD = f"""\
#!{sys.executable} -IS
import json, os, sys, time
path, verb, group = os.path.join(os.path.dirname(sys.argv[0]), "cloud.json"), *sys.argv[2:4]
with open(path) as file:
    state = json.load(file)
assert sys.argv[1] == "groups" and group == "chat-{REGION}"
state["calls"] += 1
if verb == "resize" and state["trouble"] not in ("refuses", "late before"):
    state["wanted"] = int(sys.argv[4])
    state["running"] = 1 if state["trouble"] == "half" else state["wanted"]
with open(path + ".new", "w") as file:
    json.dump(state, file)
os.rename(path + ".new", path)
if verb == "show":
    shown = {{"wanted": state["wanted"], "running": state["running"]}}
    print("<html>" if state["trouble"] == "nonsense" else json.dumps(shown))
elif state["trouble"].startswith("late"):
    time.sleep(60)
elif state["trouble"]:
    sys.exit("cloud: quota exceeded")
"""


def script() -> str:
    """The page's script for power."""
    page = (ROOT / "docs/command.md").read_text(encoding="utf-8")
    section = page[page.index("## Power") : page.index("## Drain")]
    (found,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return found


class Group(World):
    """An instance group of four."""

    kills = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "switch"
        self.touches = (Touch("commands", str(self.program)),)
        for path, text in ((self.program, script()), (folder / "cloud", CLOUD)):
            path.write_text(text)
            path.chmod(0o755)
        self.write(wanted=SIZE, running=SIZE, trouble="", calls=0)

    def read(self):
        return json.loads((self.folder / "cloud.json").read_text())

    def write(self, **changes) -> None:
        path = self.folder / "cloud.json"
        path.write_text(json.dumps((self.read() if path.exists() else {}) | changes))

    @property
    def calls(self) -> int:
        return self.read()["calls"]

    def adapter(self) -> PowerByCommand:
        settings = CommandPower(
            kind="command",
            argv=(str(self.program),),
            timeout_s=TIMEOUT_S,
            state_timeout_s=2 * TIMEOUT_S,
        )
        return PowerByCommand(REGION, settings)

    def state(self):
        now = self.read()
        whole = now["wanted"] == now["running"] == SIZE
        return "on" if whole else "partly" if now["running"] else "off"

    def put(self, state) -> None:
        size = SIZE if state == "on" else 0
        self.write(wanted=size, running=size)

    def trouble(self, kind) -> None:
        self.write(trouble=kind or "")

    def paste(self, line: str) -> None:
        done = paste(line)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def world(tmp_path, monkeypatch):
    python = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{tmp_path}:{python}:/usr/bin:/bin")
    return Group(tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite, against the page's own script."""
    check(world)


def test_fifteen_lines_are_enough():
    """What the page promises."""
    lines = [one for one in script().splitlines() if one.strip()]
    assert len(lines) <= 15
