"""How long each phase of a drill will about take, for whoever waits for its end.

No verdict depends on it.

A hold has a known length. What waits for the platform is assumed as the records' TTL, the scrapes
and the longest stream suggest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.drill.plan.steps import steps

if TYPE_CHECKING:
    from muster.drill.plan.plan import DrillPlan

LOOKS = 10
"""Scrapes until a changed split is seen."""
SHORT_S = 5.0
"""A phase that only looks."""


def expected_s(plan: DrillPlan, ttl_s: float) -> dict[str, float]:
    """About how many seconds each phase takes, by its name. `ttl_s`: of the public records."""
    from muster.load.schedule import ramp_seconds

    known = steps().by_key
    step_s = ttl_s + LOOKS * plan.target.prometheus.scrape_interval_s
    longest_s = float(plan.target.stream_seconds_max)
    found: dict[str, float] = {}
    for one in plan.method:
        step = known.get((one.module, one.func))
        if step is None or step.phase is None:
            continue
        said = one.arguments
        length_s = 60.0 * float(said.get("minutes") or 0.0) / plan.time_scale
        length_s += float(said.get("seconds") or 0.0)
        length_s += step_s * len(said.get("shares_pct") or ())
        if step.phase == "ramp":
            length_s += ramp_seconds(float(plan.profile.ramp_s), plan.streams_target) + longest_s
        elif step.phase == "drain":
            length_s += longest_s
        found[step.phase] = round(found.get(step.phase, 0.0) + (length_s or SHORT_S), 1)
    return found
