"""A stand-in for Prometheus' query API: range selectors over series that a test gives it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from floor_fixtures import Call

from muster.platform.metrics import RawSeries

EMPTY: dict[str, Any] = {"status": "success", "data": {"resultType": "matrix", "result": []}}


@dataclass
class FakePrometheus:
    """Answers `selector[Nms]` at a time with the samples of the signal of that selector.

    `down`: it answers 503. `asked` keeps (selector, window in seconds, moment or None).
    """

    selectors: dict[str, str]
    series: Sequence[RawSeries] = ()
    down: bool = False
    asked: list[tuple[str, float, float | None]] = field(default_factory=list)

    def answer(self, call: Call) -> tuple[int, Any]:
        if self.down:
            return 503, "down"
        form = parse_qs(call.body.decode())
        found = re.fullmatch(r"(?s)(.*)\[(\d+)ms\]", form["query"][0])
        if found is None:
            return 400, {"status": "error", "error": "no range selector"}
        selector, window_s = found.group(1), int(found.group(2)) / 1000
        at = float(form["time"][0]) if "time" in form else None
        self.asked.append((selector, window_s, at))
        end_s = time.time() if at is None else at
        signals = {signal for signal, named in self.selectors.items() if named == selector}
        result = []
        for one in self.series:
            values = [
                [t, str(v)]
                for t, v in zip(one.t_s, one.v, strict=True)
                if end_s - window_s <= t <= end_s
            ]
            if one.signal in signals and values:
                labels = {"__name__": one.name, **one.labels}
                result.append({"metric": labels, "values": values})
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": result}}
