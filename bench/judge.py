"""How long a verdict takes: a two-hour soak at 20,000 streams, and a day of the guard's samples.

    .venv/bin/python bench/judge.py [DIRECTORY]

Makes the bundle (about 400 series, 2.9 million samples, two samples a chunk as a drill writes
them) in DIRECTORY or a temporary one, judges it in a process of its own, and pushes 24 hours of
one-second samples through the guard.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

CHUNK_SAMPLES = 2
JUDGE = """
import json, resource, sys, time
from pathlib import Path
began = time.perf_counter()
from muster.judge.verdict import judge
verdict = judge(Path(sys.argv[1]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
# Kibibytes on Linux, bytes on macOS.
peak_mb = peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
print(json.dumps({
    "verdict": verdict.verdict,
    "wall_s": round(time.perf_counter() - began, 2),
    "cpu_s": round(time.process_time(), 2),
    "memory_mb": round(peak_mb),
}))
"""


def make(directory: Path) -> tuple[int, int]:
    """The bundle; (series, samples)."""
    import orjson
    from bundle_maker import SOAK, Story, make_bundle
    from bundle_series import make_series

    story = Story(
        kind="gate",
        drill="m3_gate",
        scale=1.0,
        time_scale=1.0,
        evidence="gate",
        target_class="staging",
        phases=SOAK,
        dark=False,
        server_processes=1,
        shards=1,
        without=frozenset(),
    )
    make_bundle(directory, story)
    rows = list(make_series(story))
    with (directory / "samples.jsonl").open("wb") as file:
        for number, (signal, name, labels, _, _) in enumerate(rows):
            head = {"series": number, "signal": signal, "name": name, "labels": labels}
            file.write(orjson.dumps(head) + b"\n")
        for at in range(0, max(len(row[3]) for row in rows), CHUNK_SAMPLES):
            for number, (_, _, _, t, v) in enumerate(rows):
                part = slice(at, at + CHUNK_SAMPLES)
                chunk = {"i": number, "t": t[part].tolist(), "v": v[part].tolist()}
                file.write(orjson.dumps(chunk) + b"\n")
    return len(rows), sum(len(row[3]) for row in rows)


def guard_day() -> dict[str, float]:
    """24 hours of one gateway in each of two regions, a minute a push."""
    from muster.contract import load
    from muster.guard.triggers import Guard

    contract = load()
    guard = Guard(contract, contract.gates["M3"], contract.tiers["G"], 1.0, ("a", "b"), 4.0)
    names = [("requests", "code", ("200", "429", "500", "503")), ("streams_broken", "x", ("",))]
    names += [("queue_age", "x", ("",)), ("circuit_open", "route", ("primary",))]
    names += [("admission_failures", "reason", contract.triggers.hard_failure.reasons)]
    names += [("client_attempts", "outcome", ("success", "broken", "http_429", "http_5xx"))]
    series = [
        (signal, signal, {"region": region, "instance": "0", label: value}, value)
        for region in "ab"
        for signal, label, values in names
        for value in values
    ]
    rates = {"200": 100.0, "success": 100.0}
    began, trips = time.process_time(), 0
    for minute in range(24 * 60):
        t_s = [float(60 * minute + second) for second in range(60)]
        fresh = [(s, n, x, t_s, [rates.get(v, 0.0) * t for t in t_s]) for s, n, x, v in series]
        trips += len(guard.push(fresh, t_s[-1], rotation=frozenset("ab"), declared=[]))
    return {"series": len(series), "trips": trips, "cpu_s": round(time.process_time() - began, 2)}


def main() -> int:
    """Print the figures; exit 1 when one is over what is promised."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary) / "bundle"
        print("making the bundle …", flush=True)
        series, samples = make(directory)
        size_mb = (directory / "samples.jsonl").stat().st_size / 1e6
        print(f"{series} series, {samples:,} samples, {size_mb:.0f} MB", flush=True)
        arguments = [sys.executable, "-c", JUDGE, str(directory)]
        done = subprocess.run(arguments, check=True, capture_output=True, text=True)
        judged = json.loads(done.stdout)
    print(f"judge: {judged} (promised: under 5 s and 300 MB)", flush=True)
    day = guard_day()
    print(f"guard, 24 hours: {day} (promised: under 2 s)")
    return int(judged["wall_s"] > 5 or judged["memory_mb"] > 300 or day["cpu_s"] > 2)


if __name__ == "__main__":
    sys.exit(main())
