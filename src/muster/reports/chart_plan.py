"""Which charts a report has, and what the title of each says was found. Pure.

Titles state facts about the lines drawn. Only the verdict says whether an SLO held, so a peak over
a limit is called a peak, never a failure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from muster.reports import limits
from muster.reports import lines as ln
from muster.reports.burn import shown_share
from muster.reports.chart_frame import Frame
from muster.reports.chart_latency import against, distributions, latency
from muster.reports.chart_model import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SOLID,
    VERMILION,
    Chart,
    Level,
    Stroke,
)
from muster.reports.evidence import Evidence
from muster.reports.lines import Line
from muster.reports.model import View
from muster.reports.numbers import number, seconds

_LOOKS = {
    "429": (ORANGE, (6, 2), "429"),
    "5xx": (VERMILION, SOLID, "5xx"),
    "refused": (PURPLE, SOLID, "refused"),
    "reset": (PURPLE, (4, 2), "reset"),
    "timeout": (PURPLE, (9, 2, 2, 2), "timed out"),
    "broken": (INK, (2, 2), "broken streams"),
    "error in stream": (VERMILION, (2, 2), "errors in streams"),
    "empty stream": (BLUE, (2, 2), "empty streams"),
    "other 4xx": (GREEN, (9, 2, 2, 2), "other 4xx"),
}
_RIG_LOOKS = ((BLUE, SOLID), (GREEN, (9, 2, 2, 2)), (PURPLE, (4, 2)), (ORANGE, (6, 2)))


def plan(evidence: Evidence, view: View) -> tuple[Chart, ...]:
    """The report's charts, in reading order; one without data says so."""
    frame = Frame(evidence, view)
    return (
        _traffic_split(frame),
        _open_streams(frame),
        _new_streams(frame),
        _errors(frame),
        _budgets(frame),
        latency(frame, "first_token", "First-token p95", "first_token_p95"),
        latency(frame, "completion", "Completion p95", "completion_p95"),
        _queue_age(frame),
        _rig_lag(frame),
        *distributions(frame),
    )


def _traffic_split(frame: Frame) -> Chart:
    found = _taken(frame)
    whole = sum((line.v for line in found), np.zeros(len(found[0].v))) if found else None
    shares = []
    for line in found:
        assert whole is not None
        with np.errstate(invalid="ignore", divide="ignore"):
            shares.append(Line(line.name, line.t, np.where(whole > 0, line.v / whole, np.nan)))
    evacuated = frame.view.evacuated
    title = "Share of new streams by region"
    said = _phase_shares(frame, found, evacuated) if evacuated else []
    if evacuated and len(said) > 1:
        steps = ", ".join(f"{share:.0%} in {name}" for name, share in said)
        title = f"{evacuated} took {steps}"
    return frame.over_time(
        "traffic_split",
        title,
        "Share of the new streams that each region answered 2xx, second by second, and the share "
        "that its weight asks for.",
        "share of new streams",
        [*frame.region_strokes(shares), *_wanted(frame)],
        y_max=1.12,
        percent=True,
    )


def _wanted(frame: Frame) -> list[Stroke]:
    """The share that the weights ask for, in the region whose share the drill sets."""
    region = frame.view.evacuated
    first = _share(frame.evidence.first("drill_started").get("weights"), region)
    steps = [
        (number(step.get("t")), _share(step.get("weights"), region))
        for step in frame.evidence.of("step")
    ]
    known = [(t - frame.start_s, v) for t, v in steps if t is not None and v is not None]
    if first is None or not known:
        return []
    back = [m.t_s - frame.start_s for m in frame.view.moments if m.label == "Weights back"]
    if back and back[0] > known[-1][0] + 0.01:
        known.append((back[0], first))
    points = [(0.0, first), *known, (frame.axis.end, known[-1][1])]
    line = Line("wanted", np.asarray([t for t, _ in points]), np.asarray([v for _, v in points]))
    return [Stroke(line, f"{region}, by its weight", MUTED, (4, 3), 1.3, stepped=True)]


def _share(weights: object, region: str | None) -> float | None:
    if not isinstance(weights, dict):
        return None
    known = {name: number(weight) for name, weight in weights.items()}
    total = sum(weight or 0.0 for weight in known.values())
    own = known.get(region)
    return own / total if own is not None and total > 0 else None


def _new_streams(frame: Frame) -> Chart:
    found = _taken(frame)
    whole = [ln.mean_between(line, 0, frame.axis.end) for line in found]
    known = [value for value in whole if value is not None]
    title = "New streams a second by region"
    if known:
        title = f"The platform took {sum(known):,.0f} new streams a second on average"
    return frame.over_time(
        "new_streams",
        title,
        "New streams answered 2xx a second, by the region of the address connected to.",
        "new streams / s",
        frame.region_strokes(found),
    )


def _open_streams(frame: Frame) -> Chart:
    load = frame.evidence.load
    found = ln.open_streams(load, frame.start_s) if load else []
    regions = [line for line in found if line.name != "target"]
    strokes = frame.region_strokes(regions)
    if regions:
        both = Line("all", regions[0].t, np.sum([line.v for line in regions], axis=0))
        strokes.insert(0, Stroke(both, "all regions", MUTED, SOLID, 1.4))
    targets = [line for line in found if line.name == "target" and not line.empty]
    strokes += [Stroke(line, "target", INK, (8, 4), 1.2) for line in targets]
    title = "Open streams by region"
    span = frame.span("baseline")
    if span and regions:
        held = ln.mean_between(both, *span)
        wanted = ln.mean_between(targets[0], *span) if targets else None
        if held is not None and wanted:
            title = (
                f"{held:,.0f} streams open on average in the baseline, "
                f"{held / wanted:.1%} of the target of {wanted:,.0f}"
            )
    return frame.over_time(
        "open_streams",
        title,
        "Open streams counted by the load at the end of each second.",
        "open streams",
        strokes,
    )


def _errors(frame: Frame) -> Chart:
    load = frame.evidence.load
    found = ln.errors(load, frame.start_s) if load else []
    strokes = [
        Stroke(line, label, color, dash)
        for line in found
        for color, dash, label in [_LOOKS[line.name]]
    ]
    title = "Errors a second by class"
    if found:
        sums = [(_LOOKS[line.name][2], ln.total(line)) for line in found]
        said = ", ".join(f"{n:,.0f} {label}" for label, n in sums if n)
        title = f"Errors a second by class: {said or 'none'}"
    return frame.over_time(
        "errors",
        title,
        "Attempts a second that did not succeed, counted by the load, each class by itself. A "
        "class without any has no line, but for 429, 5xx and broken streams.",
        "attempts / s",
        strokes,
    )


def _budgets(frame: Frame) -> Chart:
    looks = ((VERMILION, SOLID), (BLUE, (6, 2)))
    burned = frame.view.burns
    strokes = [
        Stroke(burn.spent, burn.title, color, dash)
        for burn, (color, dash) in zip(burned, looks, strict=False)
    ]
    title = "Error budgets spent"
    if burned:
        said = ", ".join(f"{burn.title} {shown_share(burn.share)}" for burn in burned)
        title = f"Error budgets spent: {said}"
    return frame.over_time(
        "budgets",
        title,
        "Share of the budget spent so far, of what the tier allows while the drill changes things; "
        "at 100 % all of it is gone. By the load's attempts and canaries.",
        "budget spent",
        strokes,
        levels=(Level(1.0, "the whole budget"),),
        percent=True,
    )


def _queue_age(frame: Frame) -> Chart:
    server = frame.evidence.server
    found = ln.queue_age(server, frame.start_s, frame.end_s) if server else []
    levels = frame.levels("queue_age")
    top = ln.peak(found)
    title = "Age of the oldest queued job"
    if top is not None:
        title = f"The oldest queued job was at most {seconds(top[0])} old"
        title += f" ({top[2]}, {frame.phase_at(top[1])})" if top[0] > 0 else ""
        title += against(top[0], min((level.value for level in levels), default=None))
    return frame.over_time(
        "queue_age",
        title,
        "The highest value of the region's gateways at each scrape.",
        "age, s",
        frame.region_strokes(found),
        levels=levels,
    )


def _rig_lag(frame: Frame) -> Chart:
    load, server = frame.evidence.load, frame.evidence.server
    own = ln.loop_lag(load, frame.start_s) if load else None
    strokes = [Stroke(own, "load, highest of each second", BLUE)] if own else []
    if server:
        for line, (color, dash) in zip(
            ln.rig_lag(server, frame.start_s, frame.end_s), _RIG_LOOKS[1:], strict=False
        ):
            strokes.append(Stroke(line, f"{line.name}, p99 over 5 s", color, dash, 1.4))
    title = "Lag of the rig's own loops"
    most = limits.lag_ms(frame.evidence.contract)
    top = ln.peak([own]) if own else None
    if top is not None:
        title = f"The load's event loop was at most {top[0]:,.0f} ms late"
    return frame.over_time(
        "loop_lag",
        title,
        "How late the rig's own event loops were. The limit is on the p99 of a judged window, so a "
        "single peak over the line proves nothing.",
        "loop lag, ms",
        strokes,
        levels=() if most is None else (Level(most, f"rig limit, p99: {most:g} ms"),),
    )


def _taken(frame: Frame) -> list[Line]:
    load = frame.evidence.load
    return ln.new_streams(load, frame.start_s) if load else []


def _phase_shares(frame: Frame, found: Sequence[Line], region: str) -> list[tuple[str, float]]:
    """The region's share before, in the dark and after; phases without data are left out."""
    said = []
    for phase in ("baseline", "dark", "verify"):
        span = frame.span(phase)
        share = ln.share_between(found, region, *span) if span else None
        if share is not None:
            said.append((phase, share))
    return said
