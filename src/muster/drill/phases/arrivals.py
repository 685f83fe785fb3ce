"""For how many seconds a phase must see arrivals, so that they tell something."""

from __future__ import annotations

from math import ceil

from muster.drill.plan.enough import ENOUGH
from muster.drill.session import Session
from muster.drill.sight import observe
from muster.drill.sight.split import LOOK_BACK_S_MAX, needed_draws
from muster.samples.counting import smallest_sample


def arrivals_needed(session: Session, share_pct: float, most_pct: float | None = None) -> int:
    """How many arrivals tell whether the region takes `share_pct` of them."""
    if share_pct == 0:
        return ceil(100 / session.gone_pct)
    return needed_draws(share_pct, session.split_tolerance_pct, most_pct)


def few_seconds(session: Session, share_pct: float, most_pct: float | None = None) -> float:
    """How much longer a small load takes to bring so many arrivals, in seconds; 0: it is large.

    Never longer than a look-back may be: what a load does not bring in that, it cannot tell.
    """
    per_s = session.plan.profile.arrivals_per_s(session.plan.settings.scale)
    needed_s = ENOUGH * arrivals_needed(session, share_pct, most_pct) / per_s
    return 0.0 if needed_s <= observe.SPLIT_S else min(needed_s, LOOK_BACK_S_MAX)


def judgeable_s(session: Session, tier: str) -> float:
    """How long a phase must last so that its arrivals are enough to judge it, in seconds.

    A region that is empty at once would end the phase with too few arrivals: unknown, and no PASS.
    """
    rules = next(rules for name, rules in session.plan.contract.tiers.items() if name == tier)
    needed = smallest_sample(min(rules.rate_5xx_max, rules.rate_429_max, 1 - rules.success_2xx_min))
    return ENOUGH * needed / session.plan.profile.arrivals_per_s(session.plan.settings.scale)
