"""The result of a run, summed from the records of its shards, and its text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from muster.load.buckets import NEVER, quantile_ms
from muster.load.tally import OUTCOMES


@dataclass
class Sum:
    """Counts over some time; `streams_open` and `streams_target` as last seen, by shard."""

    outcomes: Counter[str] = field(default_factory=Counter)
    canaries: Counter[str] = field(default_factory=Counter)
    first_token_ms: Counter[int | str] = field(default_factory=Counter)
    completion_ms: Counter[int | str] = field(default_factory=Counter)
    token_gap_ms: Counter[int | str] = field(default_factory=Counter)
    token_gap_ms_max: float = 0.0
    short: int = 0
    late_s: float | None = None
    scheduled: int = 0
    offered: int = 0
    late: int = 0
    resends: int = 0
    dead_addresses: int = 0
    cpu_s: float = 0.0
    loop_lag_ms_max: float = 0.0
    dns_failures: int = 0
    streams_open: dict[int, int] = field(default_factory=dict)
    streams_target: dict[int, float] = field(default_factory=dict)

    def add(self, line: Mapping[str, Any]) -> None:
        """Add one line of a shard's record; a line that is no second holds the figures to read it
        by.
        """
        if "t" not in line:
            self.late_s = line.get("late_s", self.late_s)
            return
        shard = int(line["shard"])
        for key, into in (("outcomes", self.outcomes), ("canaries", self.canaries)):
            for counts in line[key].values():
                into.update(counts)
        for key, buckets in (
            ("first_token_ms", self.first_token_ms),
            ("completion_ms", self.completion_ms),
            ("token_gap_ms", self.token_gap_ms),
        ):
            for counts in line[key].values():
                for index, count in counts.items():
                    buckets[index if index == NEVER else int(index)] += count
        self.token_gap_ms_max = max(self.token_gap_ms_max, *line["token_gap_ms_max"].values(), 0.0)
        self.short += sum(line["streams_short"].values())
        self.scheduled += line["scheduled"]
        self.offered += line["offered"]
        self.late += line["late"]
        self.resends += line["resends"]
        self.dead_addresses += line.get("dead_addresses", 0)
        self.dns_failures += line["dns_failures"]
        self.cpu_s += line["cpu_s"]
        self.loop_lag_ms_max = max(self.loop_lag_ms_max, line["loop_lag_ms_max"])
        self.streams_open[shard] = sum(line["streams_open"].values())
        self.streams_target[shard] = line["streams_target"]

    def progress(self, elapsed_s: float) -> str:
        """One line with the present state of the load."""
        failures = " ".join(
            f"{name} {self.outcomes[name]}" for name in OUTCOMES[1:] if self.outcomes[name]
        )
        text = (
            f"{elapsed_s:5.0f} s  streams {sum(self.streams_open.values())} of "
            f"{sum(self.streams_target.values()):.0f}  offered {self.offered} of {self.scheduled}  "
            f"first token p95 {shown_ms(self.first_token_ms)}  "
            f"completion p95 {shown_ms(self.completion_ms)}  success {self.outcomes['success']}"
        )
        return f"{text}  {failures}" if failures else text

    def lines(self, elapsed_s: float) -> list[str]:
        """The summary at the end."""
        ended = sum(self.outcomes.values())
        rows = [
            f"Load ran {elapsed_s:.1f} s",
            f"  arrivals     {self.offered} started of {self.scheduled} scheduled, "
            f"{self.late} late" + (f" (over {1000 * self.late_s:g} ms)" if self.late_s else ""),
            f"  attempts     {ended} ended: "
            + (", ".join(f"{n} {name}" for name, n in self.outcomes.most_common() if n) or "none"),
            f"  2xx success  {_share(self.outcomes['success'], ended)}",
            f"  first token  p50 {shown_ms(self.first_token_ms, 0.5)}, "
            f"p95 {shown_ms(self.first_token_ms)} (from the intended start)",
            f"  completion   p50 {shown_ms(self.completion_ms, 0.5)}, "
            f"p95 {shown_ms(self.completion_ms)}",
            f"  between tokens p95 {shown_ms(self.token_gap_ms)}, "
            f"p99 {shown_ms(self.token_gap_ms, 0.99)}, longest {self.token_gap_ms_max:.0f} ms",
            f"  load process: loop lag at most {self.loop_lag_ms_max:.0f} ms, "
            f"CPU {self.cpu_s:.1f} s",
        ]
        answered, sent = self.canaries["answered"], sum(self.canaries.values())
        if sent:
            rows.insert(4, f"  canaries     {_share(answered, sent)} answered of {sent}")
        if self.short:
            short = _share(self.short, self.outcomes["success"])
            rows.append(f"  shorter than requested: {self.short} successful streams ({short})")
        if self.resends:
            rows.append(f"  resent at once on a new connection: {self.resends}")
        if self.dead_addresses:
            rows.append(f"  second addresses tried, the first was dead: {self.dead_addresses}")
        if self.dns_failures:
            rows.append(f"  DNS queries without an answer: {self.dns_failures}")
        return rows

    def nothing_succeeded(self) -> str:
        """Why the run shows nothing of the endpoint but that it does not serve; else empty.

        Also empty if no attempt has ended yet: a run that is stopped early is no failure.
        """
        ended = self.outcomes.total()
        if not ended or self.outcomes["success"]:
            return ""
        how = ", ".join(f"{n} {name}" for name, n in self.outcomes.most_common() if n)
        return f"none of {ended} attempts succeeded: {how}"


def shown_ms(buckets: Mapping[int | str, int], share: float = 0.95) -> str:
    """A percentile as text; `-` without any value."""
    value = quantile_ms(buckets, share)
    if value is None:
        return "-"
    if value == float("inf"):
        return "never"
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "unknown (none ended)"


class Follower:
    """Reads the records of a run as they grow."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._offsets: dict[Path, int] = {}

    def lines(self) -> list[Mapping[str, Any]]:
        """Return the complete lines since the last call."""
        found: list[Mapping[str, Any]] = []
        for path in sorted(self._directory.glob("load-[0-9]*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                text = file.read()
            end = text.rfind(b"\n") + 1
            self._offsets[path] = self._offsets.get(path, 0) + end
            found += [orjson.loads(row) for row in text[:end].splitlines()]
        return found
