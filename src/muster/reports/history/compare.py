"""What changed from one drill to another, and what of it is a regression. Pure.

Only drills of one kind compare: the same drill, target, profile, scale, time scale and defect.
Otherwise the differences are shown, and nothing is marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from muster.reports.client_p95 import p95_of
from muster.reports.history.figures import FIGURES, Figure, moved
from muster.reports.history.kept import Mark, Row
from muster.reports.history.past import Past
from muster.reports.history.ranks import RankTest, rank_test
from muster.reports.numbers import NO_DATA, quantity, seconds
from muster.reports.words import one_line, slo_title

P_MAX = 0.01
"""A difference that chance alone makes more often than this is not marked."""
KIND = ("drill", "target", "profile", "scale", "time_scale", "defect")
"""The fields of a drill that must agree."""


@dataclass(frozen=True)
class Latency:
    """A latency that the load recorded stream by stream, compared by its p95 and by rank."""

    kind: str
    slo: str
    title: str
    noise_s: float
    noise_share: float


LATENCIES = (
    Latency("first_token", "first_token_p95", "First token p95", 0.1, 0.10),
    Latency("completion", "completion_p95", "Completion p95", 0.5, 0.10),
)


@dataclass(frozen=True)
class Side:
    """One of two drills. `latencies`: count of streams by upper edge in seconds, for each kind that
    is known; `statuses`: the status of each finding, by what it judged.
    """

    past: Past
    latencies: Mapping[str, Mapping[float, float]]
    statuses: Mapping[str, str]


@dataclass(frozen=True)
class Comparison:
    """`after` against `before`. If they are `unlike`, each mark is "unknown"."""

    before: Past
    after: Past
    unlike: tuple[str, ...]
    rows: tuple[Row, ...]

    def marked(self, mark: Mark) -> tuple[Row, ...]:
        """The rows with that mark."""
        return tuple(row for row in self.rows if row.mark == mark)


def kind_of(past: Past) -> tuple[object, ...]:
    """What a drill has in common with those that it compares with."""
    return tuple(getattr(past, key) for key in KIND)


def compare(before: Side, after: Side) -> Comparison:
    """Every figure, latency and finding of both."""
    unlike = tuple(
        f"{key}: {_said(a)} and {_said(b)}"
        for key, a, b in zip(KIND, kind_of(before.past), kind_of(after.past), strict=True)
        if a != b
    )
    rows = [
        _verdict(before.past, after.past),
        *(_figure(one, before.past, after.past) for one in FIGURES),
        *(_latency(one, before, after) for one in LATENCIES),
        *_findings(before, after),
    ]
    shown = [row for row in rows if row.mark != "absent"]
    if unlike:
        shown = [replace(row, mark="unknown") for row in shown]
    return Comparison(before.past, after.past, unlike, tuple(shown))


def statuses_of(findings: Any) -> dict[str, str]:
    """The status of each finding of a verdict's document, by what it judged."""
    found: dict[str, str] = {}
    for one in findings if isinstance(findings, list) else []:
        if isinstance(one, dict):
            place = [one_line(one.get(key), 60) for key in ("phase", "region", "source")]
            name = ", ".join([slo_title(str(one.get("slo"))), *filter(None, place)])
            found[name] = str(one.get("status"))
    return found


def _verdict(before: Past, after: Past) -> Row:
    a, b = (past.verdict or past.seal for past in (before, after))
    mark: Mark = "unknown"
    if before.trusted and after.trusted:
        if a == b:
            mark = "same"
        elif after.passed:
            mark = "better"
        elif before.passed and b in ("FAIL", "ROLLBACK_FAILED"):
            mark = "worse"
    return Row("Verdict", a, b, "", mark)


def _figure(figure: Figure, before: Past, after: Past) -> Row:
    a, b = figure.of(before), figure.of(after)
    mark, note = figure.mark(a, b), ""
    if figure.key == "hurt":
        test = rank_test(_hurt(before), _hurt(after))
        mark, note = _by_test(mark, test), _told(test)
    return Row(
        figure.title,
        _shown(a, figure.unit),
        _shown(b, figure.unit),
        _change(a, b, figure.unit),
        mark,
        note,
    )


def _latency(latency: Latency, before: Side, after: Side) -> Row:
    counts = [dict(side.latencies.get(latency.kind, {})) for side in (before, after)]
    a, b = (p95_of(one) for one in counts)
    test = rank_test(*counts)
    mark: Mark = "unknown"
    if a is not None and b is not None and not a == b == math.inf:
        mark = _by_test(moved(a, b, "higher", latency.noise_s, latency.noise_share), test)
    return Row(latency.title, _shown(a, "s"), _shown(b, "s"), _change(a, b, "s"), mark, _told(test))


def _findings(before: Side, after: Side) -> Iterator[Row]:
    """Each finding that passed before and does not now, and the other way round."""
    for name, a in before.statuses.items():
        b = after.statuses.get(name, NO_DATA)
        if "pass" not in (a, b) or a == b:
            continue
        mark: Mark = "better" if b == "pass" else "worse" if b == "fail" else "unknown"
        yield Row(name, a, b, "", mark)


def _by_test(mark: Mark, test: RankTest | None) -> Mark:
    """A difference counts only if the samples show it; without enough of them it is unknown."""
    if mark not in ("worse", "better"):
        return mark
    if test is None:
        return "unknown"
    return mark if test.p < P_MAX else "same"


def _told(test: RankTest | None) -> str:
    if test is None:
        return "too few samples to test"
    p = f"p = {test.p:.2g}" if test.p >= 1e-4 else "p < 0.0001"
    pairs = f"higher in {100 * test.superiority:.1f} % of pairs"
    return f"{p}; {pairs}; {test.before:,} and {test.after:,} samples"


def _hurt(past: Past) -> dict[float, float]:
    """The attempts as a sample of two values: 0 succeeded, 1 did not."""
    if past.hurt is None or past.attempts is None:
        return {}
    return {0.0: past.attempts - past.hurt, 1.0: past.hurt}


def _shown(value: float | None, unit: str) -> str:
    if value is not None and math.isinf(value):
        return "over every bucket"
    return seconds(value) if unit == "s" else quantity(value, unit)


def _change(before: float | None, after: float | None, unit: str) -> str:
    if before is None or after is None or math.isinf(before) or math.isinf(after):
        return ""
    return quantity(after - before, unit, signed=True)


def _said(value: object) -> str:
    return (
        "none" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)
    )
