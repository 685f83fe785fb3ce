"""The engines as commands: how each is started on so many streams, and what it says it measured.

Ours is offered open arrivals by Little's law, as in a drill. Locust and k6 are closed: so many
users, each of them a stream after the other. Lengths come from the same quantiles, so that the same
streams make the same requests a second.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import names

from muster.load.buckets import quantile_ms
from muster.load.schedule import ramp_seconds

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
RAMP_S = 20.0
SETTLE_S = 20.0
PINS = HERE / "locust.txt"
LOCUST_VENV = ROOT / ".tools" / "bench"
PROFILE = "m3_20k"
PROFILE_STREAMS = 20_000


@dataclass(frozen=True)
class Run:
    """One engine on so many streams: the window that counts, as seconds since the epoch."""

    streams: int
    url: str
    dns_port: int
    folder: Path
    from_s: float
    until_s: float

    @property
    def result(self) -> Path:
        return self.folder / "result.json"


@dataclass(frozen=True)
class Told:
    """What an engine says of the window: streams read to their end, others, p95 of its error."""

    whole: int
    failed: int
    error_p95_ms: float | None


class Ours:
    """`chaos drill load`, all of its processes."""

    name = "Muster"
    streams_max = 20_000

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return metadata.version("chaostoolkit-muster")

    def startup_s(self, streams: int) -> float:
        # Its ramp is bounded in streams a second, so a big one takes longer than the others'.
        return 3.0 + ramp_seconds(RAMP_S, streams) - RAMP_S

    def command(self, run: Run, stay_s: float) -> tuple[list[str], dict[str, str]]:
        arguments = [
            str(Path(sys.executable).with_name("chaos")), "--no-version-check", "--no-log-file",
            "drill", "load", PROFILE,
            "--url", run.url.replace("127.0.0.1", names.NAME),
            "--dns-server", f"127.0.0.1:{run.dns_port}",
            "--scale", f"{run.streams / PROFILE_STREAMS:.6f}", "--duration", f"{stay_s:.0f}s",
            "--record", str(run.folder),
        ]  # fmt: skip
        for address in names.ADDRESSES:
            arguments += ["--region", f"{address}=here"]
        return arguments, {}

    def told(self, run: Run) -> Told:
        errors: Counter[int | str] = Counter()
        outcomes: Counter[str] = Counter()
        for path in sorted(run.folder.glob("load-[0-9]*.jsonl")):
            for text in path.read_text().splitlines()[1:]:
                line = json.loads(text)
                if not run.from_s <= line["t"] < run.until_s:
                    continue
                for bucket, count in line["first_token_error_ms"].items():
                    errors[int(bucket)] += count
                for counts in line["outcomes"].values():
                    outcomes.update(counts)
        whole = outcomes.pop("success", 0)
        return Told(whole, sum(outcomes.values()), quantile_ms(errors, 0.95))


class Locust:
    """Locust with FastHttpUser, one process, no web page."""

    name = "Locust"
    streams_max = 10_000

    def missing(self) -> str | None:
        stamp = LOCUST_VENV / "muster-pinned"
        mark = hashlib.sha256(PINS.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == mark:
            return None
        print("bench: setting up Locust in .tools/bench", flush=True)
        LOCUST_VENV.parent.mkdir(exist_ok=True)
        venv = [sys.executable, "-m", "venv", "--clear", str(LOCUST_VENV)]
        pip = [
            str(LOCUST_VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--no-input",
            "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", str(PINS),
        ]  # fmt: skip
        for arguments in (venv, pip):
            done = subprocess.run(arguments, stdin=subprocess.DEVNULL, check=False)
            if done.returncode:
                return "could not be set up"
        stamp.write_text(mark)
        return None

    def version(self) -> str:
        program = str(LOCUST_VENV / "bin/locust")
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        return done.stdout.split()[1]

    def startup_s(self, streams: int) -> float:
        return 4.0

    def command(self, run: Run, stay_s: float) -> tuple[list[str], dict[str, str]]:
        parts = urlsplit(run.url)
        arguments = [
            str(LOCUST_VENV / "bin/locust"), "-f", str(HERE / "locustfile.py"), "--headless",
            "--users", str(run.streams), "--spawn-rate", f"{run.streams / RAMP_S:.0f}",
            "--run-time", f"{stay_s:.0f}s", "--stop-timeout", "0", "--only-summary",
            "--loglevel", "WARNING", "--host", f"{parts.scheme}://{parts.netloc}",
        ]  # fmt: skip
        return arguments, {"CHAT_PATH": parts.path, **_window(run)}

    def told(self, run: Run) -> Told:
        data = _result(run)
        if data is None:
            return Told(0, 0, None)
        return Told(data["whole"], data["failed"], percentile(dict(data["errors_ms"]), 0.95))


class K6:
    """k6 from PATH, or from .tools/bin."""

    name = "k6"
    streams_max = 10_000

    def __init__(self) -> None:
        path = os.pathsep.join((os.environ.get("PATH", ""), str(ROOT / ".tools/bin")))
        self.program = shutil.which("k6", path=path)

    def missing(self) -> str | None:
        return None if self.program else "no k6 on PATH (go install go.k6.io/k6@latest)"

    def version(self) -> str:
        assert self.program
        done = subprocess.run([self.program, "version"], capture_output=True, text=True, check=True)
        return done.stdout.split()[1].removeprefix("v")

    def startup_s(self, streams: int) -> float:
        return 5.0 + streams / 1000  # it builds all users first

    def command(self, run: Run, stay_s: float) -> tuple[list[str], dict[str, str]]:
        assert self.program
        told = {
            "URL": run.url,
            "STREAMS": str(run.streams),
            "RAMP_S": f"{RAMP_S:.0f}",
            "STAY_S": f"{stay_s - RAMP_S:.0f}",
            **_window(run),
        }
        arguments = [self.program, "run", "--quiet", "--no-usage-report", "--address", ""]
        for name, value in told.items():
            arguments += ["--env", f"{name}={value}"]
        return [*arguments, str(HERE / "k6_chat.js")], {}

    def told(self, run: Run) -> Told:
        data = _result(run)
        if data is None:
            return Told(0, 0, None)
        return Told(data["whole"], data["failed"], data["error_p95_ms"])


Engine = Ours | Locust | K6


def _window(run: Run) -> dict[str, str]:
    from muster import contract
    from muster.load.traffic import traffic_of

    traffic = traffic_of(contract.load().profiles[PROFILE])
    return {
        "QUANTILES": json.dumps(traffic.tokens_quantiles),
        "HOLD_FROM_S": str(run.from_s),
        "HOLD_UNTIL_S": str(run.until_s),
        "RESULT": str(run.result),
    }


def _result(run: Run) -> dict[str, object] | None:
    try:
        return json.loads(run.result.read_text())
    except (OSError, ValueError):
        return None


def percentile(counts: Mapping[float, int], share: float) -> float | None:
    """The value at or under which `share` of all counted are; None when there are none."""
    wanted = share * sum(counts.values())
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    return None
