"""Whole drills as processes of their own, each with its own testbed, state and evidence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "tests" / "targets" / "test.yaml"
FAILOVER = ROOT / "drills" / "region_failover.json"
SECONDS_MAX = 240.0


def drill_files() -> list[Path]:
    """Every file of a drill that comes along. Days, which run drills, are none."""
    found = [*(ROOT / "drills").glob("*.json"), *(ROOT / "experiments").glob("*.json")]
    return sorted(path for path in found if not path.name.startswith("game_day"))


@dataclass
class Drill:
    """One `chaos run`. `work` holds its state, evidence and journal."""

    work: Path
    process: subprocess.Popen[str] | None = None
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The process's environment: its own state and evidence directories."""
        own = {
            "MUSTER_HOME": str(ROOT),
            "MUSTER_STATE_DIR": str(self.work / "state"),
            "MUSTER_OUT_DIR": str(self.work / "out"),
            "MUSTER_TARGET": str(TARGET),
            "MUSTER_PROFILE": "test_short",
            "MUSTER_SCALE": "1",
            "PATH": f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        return {**os.environ, **own, **self.variables}

    def start(self, experiment: Path | str = FAILOVER, *arguments: str) -> None:
        """Start the drill; its output goes to `output.txt`."""
        self.work.mkdir(parents=True, exist_ok=True)
        with (self.work / "output.txt").open("w") as output:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("chaos")), "run", *arguments, str(experiment)],
                cwd=self.work,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def wait(self, seconds_max: float = SECONDS_MAX) -> int:
        """The exit code. The drill is killed, and the test fails, when it takes longer."""
        assert self.process is not None
        try:
            return self.process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running after {seconds_max} s:\n{self.output}") from None

    def command(
        self, *arguments: str, seconds_max: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """`chaos drill …` with this drill's directories."""
        chaos = str(Path(sys.executable).with_name("chaos"))
        return subprocess.run(
            [chaos, "drill", *arguments],
            cwd=self.work,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds_max,
            check=False,
        )

    @property
    def output(self) -> str:
        """What it printed."""
        path = self.work / "output.txt"
        return path.read_text() if path.exists() else ""

    @property
    def bundles(self) -> list[Path]:
        """Its evidence bundles, oldest first."""
        out = Path(self.environment()["MUSTER_OUT_DIR"])
        found = out.glob("*/ledger.jsonl")
        return sorted(path.parent for path in found if not path.parent.is_symlink())

    @property
    def bundle(self) -> Path:
        """Its only bundle."""
        (only,) = self.bundles
        return only

    @property
    def verdict(self) -> dict[str, Any]:
        """verdict.json."""
        data: dict[str, Any] = json.loads((self.bundle / "verdict.json").read_text())
        return data

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """The ledger's whole lines, of one event or all."""
        if not self.bundles:
            return []
        found = []
        for line in (self.bundle / "ledger.jsonl").read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if name is None or record["event"] == name:
                found.append(record)
        return found

    def await_event(
        self, name: str, holds: Callable[[dict[str, Any]], bool] = lambda event: True
    ) -> dict[str, Any]:
        """The first such event, awaited while the drill runs."""
        assert self.process is not None
        end = time.monotonic() + SECONDS_MAX
        while time.monotonic() < end:
            for event in self.events(name):
                if holds(event):
                    return event
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"no {name} event came:\n{self.output}")

    def testbed(self) -> dict[str, Any]:
        """The running testbed's state.json."""
        name = Path(self.environment()["MUSTER_TARGET"]).stem
        path = self.work / "state" / f"testbed-{name}" / "state.json"
        data: dict[str, Any] = json.loads(path.read_text())
        return data

    def await_phase(self, phase: str) -> None:
        """Until that phase has begun."""
        self.await_event("phase_started", lambda event: event["phase"] == phase)

    def failures(self) -> set[str]:
        """Names of the findings that failed."""
        return {f["slo"] for f in self.verdict["findings"] if f["status"] == "fail"}

    def unknown(self) -> set[str]:
        """Names of the findings that are unknown."""
        return {f["slo"] for f in self.verdict["findings"] if f["status"] == "unknown"}


@contextmanager
def drill(work: Path, **variables: str) -> Iterator[Drill]:
    """A drill that leaves nothing running, whatever the test did to it.

    Variables are the configuration's: `defect="queue_stuck"` becomes MUSTER_DEFECT.
    """
    given = {f"MUSTER_{name.upper()}": value for name, value in variables.items()}
    one = Drill(work, variables=given)
    try:
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.send_signal(signal.SIGCONT)
            one.process.kill()
            one.process.wait()
        one.command("down", "--target", one.environment()["MUSTER_TARGET"])
