"""`chaos discover` shows what a drill author can use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_discover_lists_every_activity_with_its_arguments(tmp_path: Path) -> None:
    """Every action and probe of the drills is listed; the session is no argument of any."""
    chaos = str(Path(sys.executable).with_name("chaos"))
    command = [chaos, "--no-version-check", "discover", "--no-install", "chaostoolkit-muster"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "discovery.json").read_text())
    by_name = {activity["name"]: activity for activity in found["activities"]}
    assert {"preflight", "evacuate", "dark", "redis_outage", "restore_all", "passed"} <= set(
        by_name
    )
    names = [argument["name"] for argument in by_name["evacuate"]["arguments"]]
    assert names == ["shares_pct"]
