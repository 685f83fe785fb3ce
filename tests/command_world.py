"""A script as a target would have one for power and drain, with its state in a file.

It misbehaves on demand. `docs/command.md` has one that a person would write.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from by_hand_lines import paste
from conformance.world import REGION, SECRET, Outside, Trouble

from muster import redact
from muster.platform.port import Touch

SCRIPT = f"""\
#!{sys.executable} -IS
import json, os, sys, time
secret, path, verb, region = sys.argv[1:5]
with open(path) as file:
    state = json.load(file)
trouble = state["trouble"]
def save():
    with open(path + ".new", "w") as file:
        json.dump(state, file)
    os.rename(path + ".new", path)
state["calls"] += 1
save()
if secret != state["secret"] or region != state["region"]:
    sys.exit("that is not how I am called")
if verb in ("state", "drain-state"):
    if trouble == "nonsense":
        print(state["nonsense"])
    elif verb == "state":
        before = {{"before": {{"size": 3}}}} if state["power"] == "on" else {{}}
        print(json.dumps({{"state": state["power"], "detail": "by the script", **before}}))
    else:
        mixed = state["drain"] == "mixed"
        detail = "one of two gateways drains" if mixed else ""
        print(json.dumps({{"state": "serving" if mixed else state["drain"], "detail": detail}}))
    sys.exit()
if verb == "start" and json.loads(sys.argv[5]) != {{"size": 3}}:
    sys.exit("start needs what stood before")
if trouble not in ("refuses", "late before", "nonsense"):
    key = "drain" if verb == "drain" else "power"
    after = sys.argv[5] if verb == "drain" else {{"start": "on"}}.get(verb, "off")
    half = {{"power": "partly", "drain": "mixed"}}[key]
    state[key] = half if trouble == "half" else after
    save()
if trouble.startswith("late"):
    time.sleep(60)
if trouble not in ("", "nonsense"):
    sys.exit("the load balancer said no")
"""


class Script:
    """The script in `folder`, and what it remembers."""

    def __init__(self, folder: Path, secret: str, region: str) -> None:
        self.path = folder / "state.json"
        self.program = folder / "switch it"  # a name that a shell would take apart
        self.program.write_text(SCRIPT)
        self.program.chmod(0o755)
        self.argv = (str(self.program), secret, str(self.path))
        self.write(
            power="on",
            drain="serving",
            trouble="",
            nonsense="{}",
            calls=0,
            secret=secret,
            region=region,
        )

    def read(self) -> dict[str, Any]:
        """All that it remembers."""
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def write(self, **changes: Any) -> None:
        """Change what it remembers."""
        state = self.read() if self.path.exists() else {}
        self.path.write_text(json.dumps(state | changes))


class ScriptedRegion(Outside):
    """A region behind a script."""

    def __init__(self, folder: Path) -> None:
        self.script = Script(folder, SECRET, REGION)
        self.touches = (Touch("commands", str(self.script.program)),)

    @property
    def calls(self) -> int:
        return int(self.script.read()["calls"])

    def trouble(self, kind: Trouble | None) -> None:
        self.script.write(trouble=kind or "")

    def paste(self, line: str) -> None:
        done = paste(line, SWITCH_TOKEN=SECRET)
        assert done.returncode == 0, done.stderr


def know_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a drill: the script's token is in the environment, and is never shown."""
    redact.keep(SECRET)
    monkeypatch.setenv("SWITCH_TOKEN", SECRET)
