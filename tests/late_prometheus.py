"""A metrics server that ingests late: it stands before a real Prometheus and hides what is new."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx
from floor_fixtures import Call, stand_in


@dataclass
class LatePrometheus:
    """Answers for the Prometheus at `upstream` with samples that are at least `delay_s` old.

    A query that reads no series (`vector(time())`) is answered as it is: the server's own clock is
    not late.
    """

    upstream: str
    delay_s: float
    url: str = ""

    def answer(self, call: Call) -> tuple[int, Any]:
        if call.method == "GET":
            shown = httpx.get(f"{self.upstream}{call.path}", trust_env=False)
            return shown.status_code, shown.content
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        end_s = time.time() - self.delay_s
        ranged = form["query"].endswith("]")
        if not ranged and not form["query"].startswith("vector("):
            form["time"] = f"{min(end_s, float(form.get('time', end_s))):.3f}"
        shown = httpx.post(f"{self.upstream}{call.path}", data=form, trust_env=False)
        if not ranged or shown.status_code != 200:
            return shown.status_code, shown.content
        body = json.loads(shown.content)
        for one in body["data"]["result"]:
            one["values"] = [[t, v] for t, v in one["values"] if t <= end_s]
        body["data"]["result"] = [one for one in body["data"]["result"] if one["values"]]
        return 200, body


@contextmanager
def late(upstream: str, delay_s: float) -> Iterator[LatePrometheus]:
    """The stand-in, on loopback."""
    server = LatePrometheus(upstream, delay_s)
    with stand_in(server.answer) as shown:
        server.url = shown.url
        yield server
