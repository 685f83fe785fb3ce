"""Where a figure of the report comes from: files, lines, signals and the target's metrics server.

A link is made only to an http(s) address that the target's own file names, without credentials;
one of a testbed, whose address is a placeholder, is gone with the drill.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from muster.reports.evidence import Evidence
from muster.reports.line_index import LineIndex
from muster.reports.model import Reference
from muster.reports.numbers import number
from muster.reports.words import one_line

_SIGNALS = {
    ("availability", "client"): ("client_canaries",),
    ("success_2xx", "client"): ("client_attempts",),
    ("success_2xx", "server"): ("requests", "streams_broken"),
    ("rate_5xx", "client"): ("client_answers", "client_attempts"),
    ("rate_5xx", "server"): ("requests",),
    ("rate_429", "client"): ("client_answers",),
    ("rate_429", "server"): ("requests",),
    ("first_token_p95", "client"): ("client_first_token", "client_open_over"),
    ("first_token_p95", "server"): ("first_token", "open_over"),
    ("completion_p95", "client"): ("client_completion", "client_open_over"),
    ("completion_p95", "server"): ("completion", "open_over"),
    ("queue_age", "server"): ("queue_age",),
    ("circuit_open", "server"): ("circuit_open",),
    ("streams_achieved", "client"): ("client_streams",),
    ("streams_held", "client"): ("client_streams",),
    ("streams_held", "server"): ("streams_active",),
    ("load_offered", "client"): ("client_offered", "client_scheduled"),
    ("attempts_agree", "server"): ("requests", "client_attempts"),
    ("traffic_split", "client"): ("client_answers", "client_connections"),
}


class References:
    """The evidence of a bundle, addressed. Each window is looked up once."""

    def __init__(self, evidence: Evidence, index: LineIndex | None) -> None:
        self._index = index
        self._lines: dict[tuple[float, float], tuple[int, int] | None] = {}
        self._target = evidence.target
        self._ledger = {
            _key(told): event.get("seq")
            for event in evidence.of("finding")
            if isinstance(told := event.get("finding"), dict)
        }

    def of(self, finding: Mapping[str, Any]) -> tuple[Reference, ...]:
        """Where the figure of `finding` was read."""
        found: list[Reference] = []
        line = number(self._ledger.get(_key(finding)))
        if line is not None:
            found.append(Reference(f"ledger.jsonl, line {line:.0f}"))
        window = _window(finding)
        signals = self._signals(finding)
        if window is not None and signals:
            lines = self._between(window)
            where = f", lines {lines[0]:,} to {lines[1]:,}" if lines else ""
            region = one_line(finding.get("region"), 40)
            names = ", ".join(signals) + (f" in {region}" if region else "")
            found.append(Reference(f"samples.jsonl{where}: {names}"))
            for signal in signals:
                url = self._prometheus(signal, *window)
                if url:
                    found.append(Reference(f"{signal} in Prometheus", url))
        return tuple(found)

    def _signals(self, finding: Mapping[str, Any]) -> tuple[str, ...]:
        slo, source = str(finding.get("slo")), str(finding.get("source"))
        if slo == "load_loop_lag":
            return ("rig_lag",)
        return _SIGNALS.get((slo, source), ())

    def _between(self, window: tuple[float, float]) -> tuple[int, int] | None:
        if self._index is None:
            return None
        if window not in self._lines:
            self._lines[window] = self._index.between(*window)
        return self._lines[window]

    def _prometheus(self, signal: str, start_s: float, end_s: float) -> str:
        prometheus = self._target.get("prometheus")
        signals = self._target.get("signals")
        base = prometheus.get("url") if isinstance(prometheus, dict) else None
        selector = signals.get(signal) if isinstance(signals, dict) else None
        if not isinstance(selector, str) or not linkable(base):
            return ""
        end = datetime.fromtimestamp(end_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
        query = {
            "g0.expr": selector,
            "g0.tab": "0",
            "g0.range_input": f"{max(1, round(end_s - start_s))}s",
            "g0.end_input": end,
        }
        return f"{str(base).rstrip('/')}/graph?{urlencode(query)}"


def linkable(url: object) -> bool:
    """Whether a report may link to it: a plain http(s) address that holds no secret."""
    if not isinstance(url, str) or "$" in url:
        return False
    try:
        parts = urlsplit(url)
        plain = not (parts.username or parts.password or parts.query or parts.fragment)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and plain
    except ValueError:
        return False


def _window(finding: Mapping[str, Any]) -> tuple[float, float] | None:
    window = finding.get("window")
    if not isinstance(window, list | tuple) or len(window) != 2:
        return None
    start_s, end_s = number(window[0]), number(window[1])
    return None if start_s is None or end_s is None else (start_s, end_s)


def _key(finding: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(finding.get(name)) for name in ("slo", "phase", "region", "source"))
