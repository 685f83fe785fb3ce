"""Our load engine, Locust and k6 on the same server in one run: what a stream costs each of them.

    BENCH_STREAMS=1000,5000 BENCH_ENGINES=muster,locust,k6 .venv/bin/python bench/engines.py

Each engine ramps up for 20 s, settles for 20 s and is measured for 20 s. Rows go to
bench/results.json, in place of older ones of the same engine and streams, and from there to
docs/benchmarks.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import names
import page
import rivals
import server
import usage

HOLD_S = 20.0
STREAMS = (1000, 5000, 10_000, 20_000)
_STOP_S_MAX = 30.0


def measured(engine: rivals.Engine, streams: int) -> dict[str, Any]:
    """One row: the engine's use over the window, and what the server saw of it."""
    startup_s = engine.startup_s(streams)
    before_s = startup_s + rivals.RAMP_S + rivals.SETTLE_S
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as temporary:
        folder = Path(temporary)
        with server.serving(folder) as target, names.answering() as dns_port:
            from_s = time.time() + before_s
            run = rivals.Run(streams, target.url, dns_port, folder, from_s, from_s + HOLD_S)
            # Arrivals go on past the window, so that its end looks like the rest of it.
            arguments, environment = engine.command(run, before_s + HOLD_S + 3)
            with (folder / "output.log").open("wb") as log:
                child = subprocess.Popen(
                    arguments, env=os.environ | environment, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, cwd=folder, start_new_session=True,
                )  # fmt: skip
                try:
                    row = _window(child, target, run)
                    _await_end(child, run)
                finally:
                    _end(child)
            told = engine.told(run)
            if told.whole == 0:
                print((folder / "output.log").read_text(errors="replace")[-2000:], file=sys.stderr)
    ended = told.whole + told.failed
    return {
        "engine": engine.name,
        "version": engine.version(),
        "streams": streams,
        **row,
        "whole_share": told.whole / ended if ended else None,
        "error_p95_ms": told.error_p95_ms,
        **page.machine(),
    }


def _window(child: subprocess.Popen[bytes], target: server.Server, run: rivals.Run) -> dict:
    """Look every second from the window's begin to its end. Figures are None where it died."""
    while child.poll() is None and time.time() < run.from_s:
        time.sleep(min(0.2, max(0.0, run.from_s - time.time())))
    first, began_s = target.read(), time.monotonic()
    pids = usage.tree(child.pid)
    cpu_s, resident = usage.used(pids)
    server_cpu_s, _ = usage.used(target.pids)
    busy_s = usage.machine_busy_s()
    seen = []
    while child.poll() is None and time.time() < run.until_s:
        time.sleep(min(1.0, max(0.0, run.until_s - time.time())))
        last = target.read()
        seen.append(last.streams_open)
        resident = max(resident, usage.used(pids)[1])
    if child.poll() is not None or not seen:
        return dict.fromkeys(page.FIGURES)
    length_s = time.monotonic() - began_s
    return {
        "achieved_streams": sum(seen) / len(seen),
        "requests_per_s": (last.requests - first.requests) / length_s,
        "cpu_percent": 100 * (usage.used(pids)[0] - cpu_s) / length_s,
        "resident_bytes": resident,
        "server_cpu_percent": 100 * (usage.used(target.pids)[0] - server_cpu_s) / length_s,
        "server_lag_p99_ms": server.lag_p99_ms(first, last),
        "machine_busy_percent": 100 * (usage.machine_busy_s() - busy_s) / length_s,
    }


def _await_end(child: subprocess.Popen[bytes], run: rivals.Run) -> None:
    """It ends by itself and writes its result; the bound is for one that does not."""
    try:
        child.wait(max(0.1, run.until_s - time.time()) + _STOP_S_MAX)
    except subprocess.TimeoutExpired:
        print("bench: it did not end by itself", file=sys.stderr)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Its own session, and nothing else."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(5.0)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, 9)
            child.wait()


def _asked() -> tuple[list[int], list[rivals.Engine]]:
    """What BENCH_STREAMS and BENCH_ENGINES ask for. Raises SystemExit with one line."""
    text = os.environ.get("BENCH_STREAMS") or ",".join(map(str, STREAMS))
    streams = [int(part) for part in text.split(",") if part.strip().isdigit()]
    if len(streams) != len(text.split(",")) or not all(1 <= n <= 20_000 for n in streams):
        raise SystemExit(
            f"bench: BENCH_STREAMS: got {text!r}, expected numbers from 1 to 20000 with commas"
        )
    engines: dict[str, rivals.Engine] = {
        "muster": rivals.Ours(), "locust": rivals.Locust(), "k6": rivals.K6()
    }  # fmt: skip
    names = (os.environ.get("BENCH_ENGINES") or ",".join(engines)).split(",")
    if not set(names) <= set(engines):
        known = ", ".join(engines)
        raise SystemExit(f"bench: BENCH_ENGINES: got {','.join(names)!r}, expected of {known}")
    return streams, [engines[name] for name in names]


def main() -> int:
    """Measure what was asked for; every row is kept as soon as it is there."""
    if not Path("/proc/self/stat").exists():
        raise SystemExit("bench: /proc: got nothing, expected Linux, where CPU and memory are read")
    streams, engines = _asked()
    ready = []
    for engine in engines:
        why = engine.missing()
        if why is None:
            ready.append(engine)
        else:
            print(f"bench: {engine.name} is not measured: {why}", flush=True)
    for count in streams:
        for engine in ready:
            if count > engine.streams_max:
                continue
            print(f"bench: {engine.name} on {count:,} streams …", flush=True)
            row = measured(engine, count)
            print(page.text([row]), flush=True)
            page.keep(row)
    print(page.text(page.kept()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
