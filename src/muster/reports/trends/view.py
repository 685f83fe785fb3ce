"""The index page as values: groups of drills of one kind, their charts, and the table. Pure.

A group is what `chaos drill compare` compares: the same drill, target, profile, scale, time scale.
Drills with a planted defect are meant to fail, so they are in the table only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from urllib.parse import quote

from muster.reports.history.compare import kind_of
from muster.reports.history.figures import FIGURES, Figure
from muster.reports.history.kept import Against
from muster.reports.history.past import Past
from muster.reports.numbers import count, quantity, seconds, utc
from muster.reports.trends.scale import time_ticks, value_ticks
from muster.reports.words import one_line, plural

GROUPS_MAX = 12
WIDTH, HEIGHT = 480.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 12.0, 10.0, 22.0
_SPAN = {"s": 1.0, "share": 0.01}
"""An axis is at least this high: a share of 0 is not half way to 100 %."""
MARKS = {
    "PASS": "✓",
    "FAIL": "✗",
    "ROLLBACK_FAILED": "!!",
    "ABORTED": "■",
    "INCONCLUSIVE": "?",
}


@dataclass(frozen=True)
class Drill:
    """A drill as the page names it. `css` is the class of its verdict."""

    past: Past
    href: str
    verdict: str
    css: str
    mark: str

    @property
    def label(self) -> str:
        """The drill in a line, for a pointer that rests on its mark."""
        why = f" ({self.past.stopped_by})" if self.past.stopped_by else ""
        return f"{utc(self.past.started_s)}: {self.verdict}{why}"

    @property
    def began(self) -> str:
        """When it began, to the minute; its id if that is unknown."""
        at = self.past.started_s
        return self.past.drill_id if at is None else utc(at)[:16]

    @property
    def streams(self) -> str:
        """The streams that it aimed at."""
        return count(self.past.streams)


@dataclass(frozen=True)
class Point:
    """A drill's figure in a chart."""

    x: float
    y: float
    drill: Drill
    value: str


@dataclass(frozen=True)
class Chart:
    """One figure over time. `line` joins the drills that passed; `absent` have no such figure."""

    title: str
    latest: str
    points: tuple[Point, ...]
    line: str
    values: tuple[tuple[float, str], ...]
    times: tuple[tuple[float, str], ...]
    absent: str


@dataclass(frozen=True)
class Group:
    """Drills of one kind, oldest first. `worse` says what the last one lost, `against` to whom."""

    title: str
    about: str
    drills: tuple[Drill, ...]
    charts: tuple[Chart, ...]
    worse: tuple[str, ...]
    against: str


@dataclass(frozen=True)
class Page:
    """The whole page. `counts`: how many drills came out how."""

    span: str
    counts: tuple[tuple[str, str, int], ...]
    groups: tuple[Group, ...]
    left_out: str
    rows: tuple[tuple[Drill, tuple[str, ...]], ...]


COLUMNS = ("Shift", "Drain", "Restore", "Trip to restored", "Least room", "Users hurt")
"""The figures of the table, in the order of FIGURES."""


def page_of(past: Sequence[Past], against: Mapping[str, Against]) -> Page:
    """The page of these drills, newest first. `against`: by drill id, for the last of each kind."""
    drills = [_drill(one) for one in past]
    starts = [one.started_s for one in past if one.started_s is not None]
    span = f"{utc(min(starts))[:10]} to {utc(max(starts))[:10]}" if starts else ""
    kinds = list(dict.fromkeys(_kind(one) for one in drills if _charted(one)))
    groups = [
        _group([one for one in drills if _charted(one) and _kind(one) == kind], against)
        for kind in kinds[:GROUPS_MAX]
    ]
    left = len(kinds) - len(groups)
    return Page(
        span=span,
        counts=_counts(drills),
        groups=tuple(groups),
        left_out=f"{plural(left, 'older kind')} of drill in the table only" if left else "",
        rows=tuple((one, tuple(_cell(f, one.past) for f in FIGURES)) for one in drills),
    )


def latest_of_each_kind(past: Sequence[Past]) -> list[Past]:
    """Of drills in order, newest first, the first of each kind whose outcome is known."""
    found: dict[tuple[object, ...], Past] = {}
    for one in past:
        if one.trusted:
            found.setdefault(kind_of(one), one)
    return list(found.values())


def _drill(past: Past) -> Drill:
    verdict = past.verdict if past.verdict in MARKS else ""
    # An unfinished bundle has no report. The directory's name is no address of another scheme.
    href = f"./{quote(past.drill_id)}/{'report.html' if verdict else ''}"
    if past.trusted and verdict:
        return Drill(past, href, verdict, verdict.lower(), MARKS[verdict])
    if verdict:  # asked for, though anyone may have written it
        return Drill(past, href, f"{verdict} [UNSEALED]", "none", "–")
    shown = "UNREADABLE" if past.trusted else past.seal.upper()
    return Drill(past, href, shown, "running" if past.running else "none", "–")


def _charted(drill: Drill) -> bool:
    return not drill.past.defect and drill.past.started_s is not None and bool(drill.past.drill)


def _kind(drill: Drill) -> tuple[object, ...]:
    return kind_of(drill.past)


def _counts(drills: Sequence[Drill]) -> tuple[tuple[str, str, int], ...]:
    order = [*(name.lower() for name in MARKS), "running", "none"]
    by_css = sorted(drills, key=lambda one: order.index(one.css))
    found = []
    for css, some in groupby(by_css, key=lambda one: one.css):
        members = list(some)
        names = sorted({one.verdict for one in members})
        found.append((css, f"{members[0].mark} {', '.join(names)}", len(members)))
    return tuple(found)


def _group(drills: Sequence[Drill], against: Mapping[str, Against]) -> Group:
    last = drills[0].past
    oldest_first = tuple(reversed(drills))
    compared = next((against[d.past.drill_id] for d in drills if d.past.drill_id in against), None)
    worse = [
        f"{row.title}: {row.before} → {row.after}"
        for row in (compared.regressions if compared else ())
    ]
    streams = f"{count(last.streams)} streams" if last.streams is not None else "streams unknown"
    scale = "" if last.scale in (None, 1.0) else f" × {last.scale:g}"
    time = "" if last.time_scale in (None, 1.0) else f", {last.time_scale:g} times faster"
    charts = [_chart(figure, oldest_first) for figure in FIGURES] if len(drills) > 1 else []
    return Group(
        title=f"{last.drill} on {last.target}",
        about=f"{last.profile}{scale}, {streams}{time}; {plural(len(drills), 'drill')}",
        drills=oldest_first,
        charts=tuple(one for one in charts if one is not None),
        worse=tuple(worse),
        against=compared.last_passed if compared else "",
    )


def _chart(figure: Figure, drills: Sequence[Drill]) -> Chart | None:
    """The figure over time; None if no drill has it."""
    known = [
        (one, one.past.started_s or 0.0, value)
        for one in drills
        for value in [figure.of(one.past)]
        if value is not None
    ]
    if not known:
        return None
    starts = [one.past.started_s or 0.0 for one in drills]
    first_s, last_s = min(starts), max(starts)
    ticks = value_ticks(
        min(0.0, *(v for _, _, v in known)), max(_SPAN[figure.unit], *(v for _, _, v in known))
    )

    def x(t_s: float) -> float:
        width = WIDTH - LEFT - RIGHT
        share = (t_s - first_s) / (last_s - first_s) if last_s > first_s else 0.5
        return round(LEFT + width * share, 1)

    def y(value: float) -> float:
        height = HEIGHT - TOP - BOTTOM
        return round(TOP + height * (ticks[-1] - value) / (ticks[-1] - ticks[0]), 1)

    points = tuple(Point(x(t), y(v), one, _shown(figure, v)) for one, t, v in known)
    passed = [point for point in points if point.drill.past.passed]
    values = [v for one, _, v in known if one.past.passed]
    middle = f", median of passes {_shown(figure, median(values))}" if values else ""
    without = len(drills) - len(known)
    return Chart(
        title=figure.title,
        latest=f"last {_shown(figure, known[-1][2])}{middle}",
        points=points,
        line=" ".join(f"{point.x:g},{point.y:g}" for point in passed),
        values=tuple((y(tick), _tick(figure, tick)) for tick in ticks),
        times=tuple((x(t_s), label) for t_s, label in time_ticks(first_s, last_s)),
        absent=f"{without} without" if without else "",
    )


def _cell(figure: Figure, past: Past) -> str:
    value = figure.of(past)
    return "–" if value is None else _shown(figure, value)


def _shown(figure: Figure, value: float) -> str:
    return seconds(value) if figure.unit == "s" else quantity(value, figure.unit)


def _tick(figure: Figure, value: float) -> str:
    return f"{value:g} s" if figure.unit == "s" else f"{100 * value:.4g} %"


def why(past: Past) -> str:
    """Why the drill came out so, as far as the table says it."""
    parts = [past.stopped_by, f"planted: {past.defect}" if past.defect else "", past.problem]
    return one_line("; ".join(filter(None, parts)), 200)
