"""Compares expected with needed samples of each phase, and gives the smallest sufficient scale."""

from __future__ import annotations

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen
from muster.drill.plan.enough import Need, needs_of, smallest_scale


def look(examined: Examined) -> Seen:
    """Expected and needed samples, and the smallest sufficient scale if there are too few."""
    plan = examined.plan
    needs = needs_of(plan)
    rows = tuple(_row(need) for need in needs)
    scale = smallest_scale(plan)
    if scale is None:
        return Seen(rows)
    text = (
        f"at scale {plan.settings.scale:g} a part of the drill cannot be judged; the smallest "
        f"sufficient scale is {scale:g} (--var scale:float={scale:g})"
    )
    return Seen(rows, warnings=(text,))


def _row(need: Need) -> Row:
    return {
        "phase": need.what,
        "seconds": f"{need.seconds:.0f}",
        "expected": f"{need.expected:,.0f}",
        "needed": f"{need.needed:,}",
        "enough": "yes" if need.enough else "TOO FEW",
    }
