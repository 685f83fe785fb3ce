"""How a drill spends the error budgets of 2xx success and of availability, over time. Pure.

The budget is what the tier of each phase allows over the attempts (success) or canaries
(availability) made while the drill changed things: 5 % of 2,000 attempts are 100. A burn rate of 1
spends exactly what is allowed. The verdict judges each phase by itself; this shows when it burned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from muster.reports.harm import Burn
from muster.reports.hurt import changed_phases, changed_span
from muster.reports.lines import STREAM_CLASSES, Line, classes
from muster.reports.loadfile import LoadSeconds, Second
from muster.reports.model import PhaseRow
from muster.reports.numbers import quantity

RATE_WINDOW_S = 10
SLOS = {"success_2xx": "2xx success", "availability": "Availability"}


def burns(
    load: LoadSeconds | None,
    phases: Sequence[PhaseRow],
    targets: Mapping[str, Mapping[str, float]],
    start_s: float,
) -> tuple[Burn, ...]:
    """The burn of each budget that has a target and attempts.

    `targets`: SLO -> tier -> share that must succeed, 0 to 1. Times of the lines are seconds since
    `start_s`.
    """
    found = [
        _burn(load, phases, slo, targets.get(slo, {}), start_s, counted)
        for slo, counted in (("success_2xx", _attempts), ("availability", _canaries))
    ]
    return tuple(burn for burn in found if burn is not None)


def shown_share(share: float) -> str:
    """A share of a budget; one that was spent many times over as a factor."""
    return quantity(share, "share") if share < 10 else f"{share:,.0f} × the budget"


def _burn(
    load: LoadSeconds | None,
    phases: Sequence[PhaseRow],
    slo: str,
    targets: Mapping[str, float],
    start_s: float,
    counted: Callable[[Second], tuple[float, float]],
) -> Burn | None:
    span = changed_span(phases)
    if load is None or span is None:
        return None
    first = max(0, int(span[0] - load.start_s))
    last = min(load.length, int(np.ceil(span[1] - load.start_s)))
    if last <= first:
        return None
    made, bad = np.zeros(last - first), np.full(last - first, np.nan)
    share = np.full(last - first, np.nan)
    tier = ""
    for phase in changed_phases(phases):
        target = targets.get(phase.tier or "")
        if target is None or phase.start_s is None or not target < 1:
            continue
        tier = tier or str(phase.tier)
        share[max(0, int(phase.start_s - load.start_s) - first) :] = 1 - target
    for index in range(first, last):
        second = load.seconds.get(index)
        if second is not None:
            made[index - first], bad[index - first] = counted(second)
    allowed = np.where(np.isnan(share), 0.0, share) * made
    whole = float(allowed.sum())
    if not tier or whole <= 0:
        return None
    gap = np.isnan(bad)
    known = np.where(gap, 0.0, bad)
    spent = np.where(gap, np.nan, np.cumsum(known) / whole)
    fastest, at = _fastest(known, allowed)
    t = np.arange(first, last, dtype=float) + load.start_s - start_s
    return Burn(
        slo=slo,
        title=SLOS[slo],
        target=targets[tier],
        tier=tier,
        spent=Line(SLOS[slo], t, spent),
        bad=float(known.sum()),
        attempts=float(made.sum()),
        gaps=int(gap.sum()),
        fastest=fastest,
        fastest_t_s=float(t[at]) + start_s,
    )


def _fastest(bad: np.ndarray, allowed: np.ndarray) -> tuple[float, int]:
    """The highest burn rate of any window of RATE_WINDOW_S, and the second in which it ends."""
    width = min(RATE_WINDOW_S, len(bad))
    kernel = np.ones(width)
    spent, due = np.convolve(bad, kernel, "valid"), np.convolve(allowed, kernel, "valid")
    rate = np.divide(spent, due, out=np.zeros_like(spent), where=due > 0)
    at = int(rate.argmax())
    return float(rate[at]), at + width - 1


def _attempts(second: Second) -> tuple[float, float]:
    found = classes(second)
    made = sum(n for name, n in found.items() if name not in STREAM_CLASSES)
    return made, sum(n for name, n in found.items() if name != "2xx")


def _canaries(second: Second) -> tuple[float, float]:
    made = sum(n for counts in second.canaries.values() for n in counts.values())
    answered = sum(counts.get("answered", 0.0) for counts in second.canaries.values())
    return made, made - answered
