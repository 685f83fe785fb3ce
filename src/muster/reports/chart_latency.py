"""The charts of latency: p95 over time by region, and whole distributions before, during, after."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from muster.judge.judged_by import tier_said
from muster.reports import lines as ln
from muster.reports.chart_frame import Frame, clipped
from muster.reports.chart_model import BLUE, GREEN, MUTED, SOLID, VERMILION, Chart, Level, Stroke
from muster.reports.distribution import Distribution, distribution, stretches
from muster.reports.lines import Line
from muster.reports.numbers import NO_DATA, quantity, seconds

_SERVER_DASH = (2, 3)
_DRAINING = ("evacuate", "drain")
_LOOKS = {"before": (BLUE, SOLID), "during": (VERMILION, (6, 2)), "after": (GREEN, (9, 2, 2, 2))}


def latency(frame: Frame, kind: str, label: str, slo: str) -> Chart:
    """p95 of the client and of the server by region, with the limits."""
    load, server = frame.evidence.load, frame.evidence.server
    client = ln.client_p95(load, kind, frame.start_s) if load else []
    served = ln.server_p95(server, kind, frame.start_s, frame.end_s) if server else []
    strokes = frame.region_strokes(client, suffix=", client")
    for line in served:
        color, _ = frame.styles.get(line.name, (MUTED, SOLID))
        strokes.append(Stroke(line, f"{line.name}, server", color, _SERVER_DASH, 1.4))
    title = f"{label} by region"
    top = _judged_peak(frame, client)
    note = (
        f"p95 over {ln.P95_WINDOW_S} s windows of at least {ln.P95_SAMPLES_MIN} answers. Client: "
        "from the intended start, upper edge of a 1 % bucket. Server: from accepted, interpolated "
        "between bucket edges and for display only. A triangle is off the scale."
    )
    if top is not None:
        value, at, region, tier = top
        peak = "was over the highest bucket" if math.isinf(value) else f"peaked at {seconds(value)}"
        title = f"{label} {peak} (client, {region}, {frame.phase_at(at)})"
        limit = frame.view.thresholds.get(slo, {}).get(tier)
        title += against(value, limit, tier_said(frame.evidence.contract, tier))
        if limit is not None and value > limit:
            note = f"{_why_over(frame, slo, at, region)} {note}"
    return frame.over_time(
        kind, title, note, f"{label.lower()}, s", strokes, levels=frame.levels(slo)
    )


def against(value: float, limit: float | None, whose: str = "") -> str:
    """How a peak stands to its limit, for a title."""
    if limit is None:
        return ""
    of = f" of {whose}" if whose else ""
    return f", {'over' if value > limit else 'within'} the limit of {limit:g} s{of}"


def _judged_peak(frame: Frame, found: Sequence[Line]) -> tuple[float, float, str, str] | None:
    """The highest value of any judged phase: value, time, line, tier of the phase."""
    best: tuple[float, float, str, str] | None = None
    for phase in frame.view.phases:
        span = frame.span(phase.name)
        if phase.tier is None or span is None:
            continue
        top = ln.peak([_cut(line, *span) for line in found])
        if top is not None and (best is None or top[0] > best[0]):
            best = (*top, phase.tier)
    return best


def _why_over(frame: Frame, slo: str, at: float, region: str) -> str:
    """What a window over the limit means where the finding of its phase passed."""
    phase = frame.phase_at(at)
    judged = [f for f in frame.view.findings if f.slo == slo and f.phase == phase]
    if not judged or any(f.status != "pass" for f in judged):
        return f"The findings of {phase} say how this was judged."
    said = f"The finding of {phase} passed: it counts all of its streams, not windows of 5 s."
    if region == frame.view.evacuated and phase in _DRAINING:
        said += (
            f" This is {region} while it drains: it takes no new streams, so that those that still "
            "end there are its last long ones."
        )
    return said


def distributions(frame: Frame) -> tuple[Chart, ...]:
    """The whole distribution of first token and completion, before, during and after."""
    return tuple(
        _distribution(frame, kind, label, slo)
        for kind, label, slo in (
            ("first_token", "First token", "first_token_p95"),
            ("completion", "Completion", "completion_p95"),
        )
    )


def _distribution(frame: Frame, kind: str, label: str, slo: str) -> Chart:
    load = frame.evidence.load
    found: list[Distribution] = []
    if load is not None:
        for name, start_s, end_s in stretches(frame.view.phases):
            one = distribution(load, kind, name, start_s, end_s)
            found += [one] if one is not None else []
    # A stream over every bucket has no place on the axis: such a curve ends below 100 %.
    inside = [np.isfinite(one.edges_s) for one in found]
    strokes = [
        Stroke(
            Line(one.name, one.edges_s[shown], one.share[shown]),
            f"{one.name} ({one.count:,.0f} streams)",
            *_LOOKS[one.name],
        )
        for one, shown in zip(found, inside, strict=True)
    ]
    title = f"{label}: no data"
    if found:
        p95 = ", ".join(f"{_quantile(one, 0.95)} {one.name}" for one in found)
        title = f"{label} p95 {p95}"
    edges = np.concatenate([one.edges_s for one in found]) if found else np.asarray([0.1, 10.0])
    levels: tuple[Level, ...] = frame.levels(slo)
    alt = " ".join(
        f"{one.name}: p50 {_quantile(one, 0.5)}, p95 {_quantile(one, 0.95)}, "
        f"p99 {_quantile(one, 0.99)}."
        for one in found
    )
    finite = edges[np.isfinite(edges)]
    top = max([float(finite.max()), *[level.value for level in levels]]) if len(finite) else 10.0
    low = float(finite.min()) if len(finite) else 0.1
    return Chart(
        name=f"{kind}_distribution",
        title=clipped(title),
        note="Share of the streams that had come so far within the time, by the load's own 1 % "
        "buckets: before the first change, while the drill changed things, and after.",
        alt=f"Distribution of {label.lower()}. {alt}" if alt else f"{label}: no data.",
        y_title=f"share of streams, by {label.lower()} in seconds",
        y_max=1.12,
        strokes=tuple(strokes),
        axis=None,
        levels=levels,
        y_percent=True,
        x_min=low / 1.1,
        x_max=top * 1.1,
    )


def _quantile(one: Distribution, share: float) -> str:
    value = one.quantile(share)
    if value is None:
        return NO_DATA
    return "over every bucket" if math.isinf(value) else quantity(value, "s")


def _cut(line: Line, t0: float, t1: float) -> Line:
    inside = (line.t >= t0) & (line.t < t1)
    return Line(line.name, line.t[inside], line.v[inside], line.source)
