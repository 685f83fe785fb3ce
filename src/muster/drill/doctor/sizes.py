"""Compares expected with needed samples of each phase, and says what would be enough."""

from __future__ import annotations

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen
from muster.drill.plan.enough import Need, needed_caches, needs_of, smallest_scale


def look(examined: Examined) -> Seen:
    """Expected and needed samples; the sufficient scale and caches if there are too few."""
    plan = examined.plan
    rows = tuple(_row(need) for need in needs_of(plan))
    scale, caches = smallest_scale(plan), needed_caches(plan)
    warnings = []
    if scale is not None:
        warnings.append(
            f"at scale {plan.settings.scale:g} a part of the drill cannot be judged; the smallest "
            f"sufficient scale is {scale:g} (--var scale:float={scale:g})"
        )
    if caches:
        warnings.append(
            f"{plan.profile.resolver_caches} resolver caches are too few to show the split; "
            f"set resolver_caches: {caches} in the profile {plan.profile.name}"
        )
    return Seen(rows, warnings=tuple(warnings))


def _row(need: Need) -> Row:
    return {
        "phase": need.what,
        "seconds": f"{need.seconds:.0f}",
        "expected": f"{need.expected:,.0f}",
        "needed": f"{need.needed:,}",
        "enough": "yes" if need.enough else "TOO FEW",
    }
