"""What a mapping costs the poll: the same series, polled plain and mapped, side by side.

A stand-in answers as Prometheus would at 20,000 streams; only the polling thread's own CPU time
counts. Then one signal of 10,000 series, as many as are read, each in a process of its own, and
one series more. Run it as `python -m bench.poll`.
"""

from __future__ import annotations

import json
import resource
import statistics
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from typing import Any
from urllib.parse import parse_qs

from muster.platform.metrics import Poller
from muster.platform.metrics.prometheus import Prometheus
from muster.platform.metrics.reading import SERIES_MAX
from muster.targets.signals import MappedSignal, Signal

REGIONS = ("eu-west-1", "eu-central-1")
PROCESSES = 6
"""Gateways of a region."""
EDGES = (0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 12, 15, 18, 20, 25, 30, 60)
CODES = ("200", "401", "404", "429", "500", "502", "503", "504")
SCRAPES = 7
POLLS = 60
Pairs = list[dict[str, str]]
T0 = 1_800_000_000.0


def labels_of(signal: str) -> Pairs:
    """What tells the series of one process apart."""
    if signal in ("first_token", "completion"):
        return [*({"le": str(edge)} for edge in EDGES), {"le": "+Inf"}, {"__name__": "h_count"}]
    if signal == "requests":
        return [{"response_code": code} for code in CODES]
    if signal == "circuit_open":
        return [{"model_id": "a"}, {"model_id": "b"}]
    if signal == "admission_failures":
        return [{"why": why} for why in ("redis", "token", "health")]
    return [{}]


MAPPED: dict[str, Signal] = {
    name: MappedSignal.model_validate({"select": name, "drop": "rest", **how})
    for name, how in {
        "requests": {
            "labels": {"code": {"from": "response_code", "values": {"0": "499"}, "others": "keep"}}
        },
        "first_token": {"unit": "ms"},
        "completion": {"unit": "ms", "owner": ["namespace", "pod"]},
        "streams_active": {},
        "streams_limit": {"plus": "streams_active"},
        "queue_age": {"unit": "ms"},
        "circuit_open": {
            "values": {0: 0, 1: 0, 2: 1},
            "labels": {"route": {"from": "model_id", "values": {"a": "primary", "b": "fallback"}}},
        },
        "admission_failures": {"labels": {"reason": "why"}},
        "streams_broken": {},
        "build_info": {},
    }.items()
}
MANY = MappedSignal.model_validate(
    {"select": "many", "drop": "rest", "labels": {"code": "response_code"}}
)
PLAIN: dict[str, Signal] = {name: name for name in MAPPED}


def rows_of(signal: str, now_s: float) -> list[dict[str, Any]]:
    """The answer's series at a moment."""
    times = [now_s - n for n in reversed(range(SCRAPES))]
    rows = []
    for region in REGIONS:
        for number in range(PROCESSES):
            for more in labels_of(signal):
                name = f"{signal}_bucket" if "le" in more else signal
                labels = {
                    "__name__": name,
                    "region": region,
                    "instance": f"10.0.{number}.1:9100",
                    "job": "gateway",
                    "namespace": "chat",
                    "pod": f"{region}-{number}",
                    "model": "stub",
                    **more,
                }
                if "__name__" in more:
                    labels["__name__"] = f"{signal}_count"
                state = signal in ("circuit_open", "build_info")
                values = [[t, "1" if state else str(int(t - T0) * 17 + 3)] for t in times]
                rows.append({"metric": labels, "values": values})
    return rows


class Answers:
    """What is answered next; `now_s` moves with each poll."""

    def __init__(self) -> None:
        self.now_s = T0
        self.many = 0
        self.bodies: dict[str, bytes] = {}

    def at(self, now_s: float) -> None:
        """Make the answers of that moment, so that no poll pays for them."""
        self.now_s = now_s
        self.bodies = {name: _body(rows_of(name, now_s)) for name in MAPPED}
        if self.many:
            labels = {
                "__name__": "many",
                "region": REGIONS[0],
                "instance": "x",
                "response_code": "200",
            }
            values = [[now_s - n, "5"] for n in reversed(range(SCRAPES))]
            rows = [
                {"metric": {**labels, "client": str(n)}, "values": values} for n in range(self.many)
            ]
            self.bodies["many"] = _body(rows)


def _body(rows: list[dict[str, Any]]) -> bytes:
    data = {"resultType": "matrix", "result": rows}
    return json.dumps({"status": "success", "data": data}).encode()


def serve(answers: Answers) -> ThreadingHTTPServer:
    """A server of them on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            body = answers.bodies[form["query"][0].partition("[")[0]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is told of a call."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def polled(answers: Answers, pollers: list[Poller]) -> list[list[float]]:
    """CPU seconds of this thread for each poll of each poller, in turn."""
    spent: list[list[float]] = [[] for _ in pollers]
    for number in range(POLLS):
        answers.at(T0 + 2 * number)
        for own, poller in zip(spent, pollers, strict=True):
            began_s = time.thread_time()
            poller.poll()
            own.append(time.thread_time() - began_s)
    return spent


def read_many(port: int, mapped: bool) -> tuple[float, float, float, str]:
    """Seconds and CPU seconds of one poll of `many`, MB by which the process grew, any refusal."""
    client = Prometheus(f"http://127.0.0.1:{port}", 60)
    try:
        poller = Poller(client, {"requests": MANY if mapped else "many"}, reach_s=60.0)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began_s, cpu_s = time.perf_counter(), time.thread_time()
        poller.poll()
        wall_s, cpu_s = time.perf_counter() - began_s, time.thread_time() - cpu_s
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        return wall_s, cpu_s, grown, "; ".join(poller.refused.values())
    finally:
        client.close()


def apart(port: int, mapped: bool) -> tuple[float, float, float, str]:
    """`read_many` in a fresh process, whose memory has no peak of an earlier read."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(read_many, port, mapped).result()


def main() -> None:
    """Measure and say."""
    answers = Answers()
    server = serve(answers)
    port = server.server_address[1]
    client = Prometheus(f"http://127.0.0.1:{port}", 60)
    try:
        plain, mapped = polled(
            answers, [Poller(client, signals, reach_s=60.0) for signals in (PLAIN, MAPPED)]
        )
        series = sum(len(rows_of(name, T0)) for name in MAPPED)
        a, b = statistics.median(plain[1:]), statistics.median(mapped[1:])
        print(
            f"{series} series: plain {a * 1e3:.1f} ms, mapped {b * 1e3:.1f} ms, {b / a:.2f} times"
        )
        for many in (SERIES_MAX, SERIES_MAX + 1):
            answers.many = many
            answers.at(T0 + 1000)
            for name in ("plain", "mapped"):
                wall_s, cpu_s, grown, refused = apart(port, name == "mapped")
                said = f"{wall_s:.2f} s, CPU {cpu_s:.2f} s, {grown:.0f} MB more"
                print(f"{many} series {name}: {said}{', refused: ' if refused else ''}{refused}")
    finally:
        client.close()
        server.shutdown()


if __name__ == "__main__":
    main()
