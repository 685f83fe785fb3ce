"""A metrics server that ingests late: it stands before a real Prometheus and hides what is new."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx
from floor_fixtures import Call, stand_in

RANGE = re.compile(r"(.*)\[(\d+)ms\]", re.DOTALL)
NOTHING = {"status": "success", "data": {"resultType": "matrix", "result": []}}


@dataclass
class LatePrometheus:
    """Answers for the Prometheus at `upstream` with samples that are at least `delay_s` old.

    A query that reads no series (`vector(time())`) is answered as it is: the server's own clock is
    not late.
    """

    upstream: str
    delay_s: float
    client: httpx.Client
    url: str = ""

    def answer(self, call: Call) -> tuple[int, Any]:
        if call.method == "GET":
            shown = self.client.get(f"{self.upstream}{call.path}")
            return shown.status_code, shown.content
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        if not form["query"].startswith("vector("):
            now_s = time.time()
            asked_s = float(form.get("time", now_s))
            end_s = min(asked_s, now_s - self.delay_s)
            form["time"] = f"{end_s:.3f}"
            if ranged := RANGE.fullmatch(form["query"]):
                # The window begins where it was asked to, and ends with what is there.
                window_ms = int(ranged[2]) - round(1000 * (asked_s - end_s))
                if window_ms <= 0:
                    return 200, NOTHING
                form["query"] = f"{ranged[1]}[{window_ms}ms]"
        shown = self.client.post(f"{self.upstream}{call.path}", data=form)
        return shown.status_code, shown.content


@contextmanager
def late(upstream: str, delay_s: float) -> Iterator[LatePrometheus]:
    """The stand-in, on loopback."""
    with httpx.Client(trust_env=False, timeout=30.0) as client:
        server = LatePrometheus(upstream, delay_s, client)
        with stand_in(server.answer) as shown:
            server.url = shown.url
            yield server
