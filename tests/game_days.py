"""Files of game days for the tests, and fake drills that leave a sealed bundle in a moment.

`python tests/game_days.py DRILL VERDICT` is a fake drill's process: it leaves a bundle of that
verdict under the id that it was told, as `chaos run` would.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from drill_runner import FAILOVER, ROOT, TARGET

DAY = ROOT / "drills" / "game_day.json"
NAMES = ("one", "two", "three")
SLOW = "experiments/redis_slow.json"


def document(*drills: str, **arguments: Any) -> dict[str, Any]:
    """The day that comes along, with other drills."""
    data: dict[str, Any] = json.loads(DAY.read_text())
    first = data["method"][0]
    data["method"] = [
        {
            **first,
            "name": Path(one).stem,
            "provider": {**first["provider"], "arguments": {"drill": one, **arguments}},
        }
        for one in drills
    ]
    return data


def written(directory: Path, *drills: str, **arguments: Any) -> Path:
    """The file of such a day."""
    path = directory / "day.json"
    path.write_text(json.dumps(document(*drills, **arguments), indent=2))
    return path


def drills(directory: Path, *names: str) -> list[str]:
    """Files of failover drills of these names, as whose bundle a synthetic one can stand."""
    found = []
    for name in names:
        data = json.loads(FAILOVER.read_text())
        data["controls"][0]["provider"]["arguments"]["drill"] = name
        path = directory / f"{name}.json"
        path.write_text(json.dumps(data))
        found.append(str(path))
    return found


CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "ABORTED": 4, "ROLLBACK_FAILED": 5}
SETTINGS = {"target": str(TARGET), "profile": "test_short", "scale": "1"}


def template(directory: Path, verdict: str) -> Path:
    """A bundle of that verdict, to be copied by a fake drill; not sealed."""
    from bundle_maker import make_bundle, small
    from bundle_series import Harm

    changes: dict[str, Any] = {
        "PASS": {},
        "FAIL": {"harm": {"dark": Harm(rate_5xx=0.05)}},
        "INCONCLUSIVE": {"proven": False},
        "ABORTED": {"stopped": {"by": "signal:SIGTERM", "verdict": "ABORTED", "detail": "asked"}},
        "ROLLBACK_FAILED": {"verified": False, "undo_state": "pending"},
    }[verdict]
    return make_bundle(directory / verdict, small(**changes))


def leave(bundle: Path, source: Path, drill: str, target: str, *, now: bool = True) -> None:
    """Make `bundle` a sealed copy of `source`, of that drill on that target, begun now.

    Not `now`: begun when `source` was, and with its target file, as what is really judged must be.
    """
    shutil.copytree(source, bundle)
    if now:
        shutil.copy(TARGET, bundle / "target.yaml")
    lines = []
    for line in (bundle / "ledger.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "drill_started":
            event |= {"drill_id": bundle.name, "drill": drill, "target": target}
            event |= {"t": time.time()} if now else {}
        lines.append(json.dumps(event))
    (bundle / "ledger.jsonl").write_text("\n".join(lines) + "\n")
    # Sealed by hand: what Muster's own seal imports takes longer than the whole fake drill.
    digests = {
        path.relative_to(bundle).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in bundle.rglob("*")
        if path.is_file()
    }
    manifest = {"schema_version": 1, "sha256": digests}
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def main(drill: str, how: str) -> int:
    """A fake drill: `how` is a verdict, or `none`, `killed`, `hangs`, `wrong` or `unsealed`."""
    bundle = Path(os.environ["MUSTER_OUT_DIR"]) / os.environ["MUSTER_DRILL_ID"]
    templates = Path(os.environ["FAKE_TEMPLATES"])
    # Who runs twice is seen, whatever the day's ledger says.
    with (templates / "ran.txt").open("a") as ran:
        ran.write(f"{drill}\n")
    if how == "none":
        return 2
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hangs":
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        (templates / f"{drill}.waits").write_text(str(os.getpid()))
        signal.pause()
        how = "ABORTED"
    if how == "slow":
        # Ends when it is told to by a file, as a drill that goes on without its day.
        (templates / f"{drill}.waits").write_text(str(os.getpid()))
        while not (templates / "go").exists():
            time.sleep(0.05)
        how = "PASS"
    told = "PASS" if how in ("wrong", "unsealed") else how
    leave(bundle, templates / told, drill, "test")
    if how == "unsealed":
        (bundle / "config.json").write_text("{}")
    return 1 if how == "wrong" else CODES[told]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
