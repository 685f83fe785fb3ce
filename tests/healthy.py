"""Short healthy drills in a row, which must all pass: `python tests/healthy.py --runs 20 --load 8`.

It stops at the first that does not pass, keeps its evidence and says where. `--load` starts so many
`nice`d busy loops for the time of the drills (`make healthy RUNS=20 LOAD=8`).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from busy import busy
from drill_runner import SECONDS_MAX, Drill, drill

Run = Callable[[Path], tuple[str, str]]


def one_drill(work: Path) -> tuple[str, str]:
    """A short failover drill: its verdict, and what speaks against it."""
    with drill(work) as one:
        one.start()
        code = one.wait()
        return _verdict(one, code)


def _verdict(one: Drill, code: int) -> tuple[str, str]:
    path = one.bundles[-1] / "verdict.json" if one.bundles else None
    if path is None or not path.exists():
        return "NO VERDICT", f"exit code {code}"
    found = json.loads(path.read_text())
    verdict = str(found["verdict"])
    if verdict == "PASS" and code != 0:
        return "NO PASS", f"verdict PASS, exit code {code}"
    return verdict, "; ".join([str(found["stopped_by"] or ""), *found["unknowns"][:3]])


def in_a_row(runs: int, work: Path, run: Run) -> int:
    """How many passed before the first that did not; its evidence stays, the others' goes."""
    for number in range(1, runs + 1):
        folder = work / f"run-{number}"
        began = time.monotonic()
        verdict, why = run(folder)
        took_s = time.monotonic() - began
        print(f"{number:3} of {runs}: {verdict} ({took_s:.0f} s) {why}".rstrip(" ;"), flush=True)
        if verdict != "PASS":
            return number - 1
        shutil.rmtree(folder, ignore_errors=True)
    return runs


def main(arguments: list[str] | None = None, run: Run = one_drill) -> int:
    """Exit 0 when every drill passed, 1 at the first that did not."""
    parser = argparse.ArgumentParser(description="Healthy drills in a row must all pass.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--load", type=int, default=0, help="busy loops beside the drills")
    chosen = parser.parse_args(arguments)
    if chosen.runs < 1 or chosen.load < 0:
        parser.error("--runs is at least 1, --load at least 0")
    work = Path(tempfile.mkdtemp(prefix="muster-healthy-"))
    with busy(chosen.load, chosen.runs * SECONDS_MAX):
        passed = in_a_row(chosen.runs, work, run)
    print(f"{passed} of {chosen.runs} passed")
    if passed < chosen.runs:
        print(f"evidence is in {work}", file=sys.stderr)
        return 1
    shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
