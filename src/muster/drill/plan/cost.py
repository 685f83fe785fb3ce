"""Estimates the requests, tokens and price of a drill before it starts.

The length of holds is known. For the other phases a usual length is assumed, and no retries. While
the drill runs, the budget is compared with the actual spending (`sight.spending`), not with this
estimate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.drill.plan.enough import canaries_per_s
from muster.drill.plan.expected import expected_s
from muster.errors import BadInput

if TYPE_CHECKING:
    from muster.drill.plan.plan import DrillPlan
    from muster.targets import Target

TTL_S = 60.0
"""Assumed of the public records, where the target does not say: a plan asks nobody."""
ENDS_S = 30.0
"""What no phase holds: the drill's start, the restore, and the end of the load."""


@dataclass(frozen=True)
class Estimate:
    """`held_s`: seconds of holds; `assumed_s`: those of ramp, steps, drain and restore."""

    held_s: float
    assumed_s: float
    requests: float
    canaries: float
    tokens_in: float
    tokens_out: float
    money: float | None

    @property
    def tokens(self) -> float:
        """Prompt and generated tokens together."""
        return self.tokens_in + self.tokens_out


def estimate(plan: DrillPlan) -> Estimate:
    """Estimate the drill. Raises BadInput for prompts that cannot be used."""
    # This imports numpy, so only an estimate takes that time.
    from muster.load.asked import asked_of

    access = plan.target.load
    asked = asked_of(plan.profile, plan.settings.scale, access)
    held_s, assumed_s = _seconds(plan)
    # In a ramp the rate rises from 0, so half of its length counts.
    seconds = held_s + assumed_s - asked.ramp_s / 2
    requests, canaries = asked.per_s * seconds, canaries_per_s(plan) * (held_s + assumed_s)
    tokens_in = (requests + canaries) * asked.tokens_in
    tokens_out = requests * asked.tokens_out + canaries * access.canary_tokens
    money = None if access.cost is None else access.cost.of(tokens_in, tokens_out)
    return Estimate(held_s, assumed_s, requests, canaries, tokens_in, tokens_out, money)


def lines(plan: DrillPlan) -> Iterator[str]:
    """Lines for the plan: the estimate and the budget."""
    found, access = estimate(plan), plan.target.load
    yield (
        f"cost: about {found.requests:,.0f} requests and {found.canaries:,.0f} canaries in about "
        f"{found.held_s + found.assumed_s:,.0f} s ({found.held_s:,.0f} s of holds; ramp, steps, "
        f"drain and restore about {found.assumed_s:,.0f} s)"
    )
    cost = access.cost
    price = (
        "no price: the target has no load.cost"
        if cost is None
        else f"about {found.money:,.2f} {cost.currency} ({cost.input_per_million:g} in and "
        f"{cost.output_per_million:g} out a million)"
    )
    yield f"  about {found.tokens_in:,.0f} tokens in, {found.tokens_out:,.0f} out; {price}"
    budget = access.budget
    if budget is not None:
        limits = []
        if budget.tokens_max is not None:
            limits.append(f"{budget.tokens_max:,} tokens")
        if budget.money_max is not None and cost is not None:
            limits.append(f"{budget.money_max:,.2f} {cost.currency}")
        yield f"  budget: {' and '.join(limits)}; a drill that reaches it restores and is ABORTED"


def over_budget(plan: DrillPlan) -> BadInput | None:
    """The error for an estimate over the budget; None if it is within it or there is none."""
    access = plan.target.load
    budget, cost = access.budget, access.cost
    if budget is None:
        return None
    found = estimate(plan)
    less = "; a smaller --var scale costs less"
    if budget.tokens_max is not None and found.tokens > budget.tokens_max:
        wanted = f"at least the estimate of this drill, about {found.tokens:,.0f} tokens{less}"
        return BadInput(plan.target_file, "load.budget.tokens_max", budget.tokens_max, wanted)
    if budget.money_max is not None and cost is not None and (found.money or 0) > budget.money_max:
        wanted = f"at least the estimate, about {found.money:,.2f} {cost.currency}{less}"
        return BadInput(plan.target_file, "load.budget.money_max", budget.money_max, wanted)
    return None


def _seconds(plan: DrillPlan) -> tuple[float, float]:
    """Seconds of the holds, and assumed seconds of all else."""
    held_s = 0.0
    for one in plan.method:
        said = one.arguments
        held_s += 60.0 * float(said.get("minutes") or 0) / plan.time_scale
        held_s += float(said.get("seconds") or 0)
    return held_s, sum(expected_s(plan, _ttl_s(plan.target)).values()) - held_s + ENDS_S


def _ttl_s(target: Target) -> float:
    """The time to live of the public records, in seconds, as far as the target says it."""
    if target.testbed is not None:
        return float(target.testbed.dns.ttl_s)
    return float(getattr(target.names, "ttl_s", TTL_S))
