"""How many attempts of the load's clients were hurt while the drill changed things. Pure.

An attempt is hurt if it was rejected (429), failed (5xx, refused, reset, timed out, another 4xx),
or its stream broke, ended in an error or was empty. A slow one got its answer: it is counted apart,
so that nobody is counted twice. A second without every shard's line is in `gaps` and in no sum.
"""

from __future__ import annotations

from collections.abc import Sequence

from muster.reports.harm import Hurt
from muster.reports.lines import STREAM_CLASSES, classes
from muster.reports.loadfile import LoadSeconds
from muster.reports.model import PhaseRow

_CHANGED = (
    *("evacuate", "drain", "dark", "restore", "fault", "recovery"),
    *("loss", "failed_over", "comeback"),
    *("shift", "shifted", "shift_back"),
    *("outage", "back_in_dns", "stale", "caught_up"),
)
_AROUND = ("begin_", "end_")
"""How the phases are named in which a fault around others is begun or ended."""


def changed_phases(phases: Sequence[PhaseRow]) -> list[PhaseRow]:
    """The phases in which a drill changes things, in order."""
    return [phase for phase in phases if _changes(phase.name) and phase.start_s is not None]


def _changes(name: str) -> bool:
    return name in _CHANGED or name.startswith(_AROUND)


def changed_span(phases: Sequence[PhaseRow]) -> tuple[float, float] | None:
    """From the first change to the last phase's end, in epoch seconds; None: not known."""
    changed = changed_phases(phases)
    ends = [phase.end_s for phase in changed if phase.end_s is not None]
    starts = [phase.start_s for phase in changed if phase.start_s is not None]
    return (min(starts), max(ends)) if starts and ends else None


def hurt(load: LoadSeconds | None, phases: Sequence[PhaseRow], slow_s: float | None) -> Hurt | None:
    """The attempts between the first change and the end of the last phase that changed something.

    `slow_s` is the limit of the first token in seconds; a bucket that holds it counts as slow only
    if it begins there. None without any attempt on record.
    """
    span = changed_span(phases)
    if load is None or span is None:
        return None
    sums: dict[str, float] = {}
    gaps = 0
    for index in range(load.length):
        # The second in which it began counts: an abrupt loss is over within it.
        if not span[0] - 1 < load.start_s + index < span[1]:
            continue
        second = load.seconds.get(index)
        if second is None:
            gaps += 1
            continue
        for name, n in classes(second).items():
            sums[name] = sums.get(name, 0.0) + n
    attempts = sum(n for name, n in sums.items() if name not in STREAM_CLASSES)
    if not attempts:
        return None
    return Hurt(attempts, sums, None if slow_s is None else _slow(load, span, slow_s), gaps)


def _slow(load: LoadSeconds, span: tuple[float, float], limit_s: float) -> float:
    """Streams whose first token came in a bucket that begins at the limit or above it."""
    counts = load.counts("first_token", span[0], span[1])
    begins_s = load.edges_s / load.bucket_ratio
    return float(counts[begins_s >= limit_s * (1 - 1e-9)].sum())
