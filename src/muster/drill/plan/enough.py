"""Whether a drill's load brings enough to be judged by: expected against needed, phase by phase.

A share needs a smallest sample, and a split needs arrivals enough for its tolerance. What a load
cannot bring is said before the drill; a split that can never be told is refused, because the drill
would have to stop in the middle of an evacuation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf, sqrt
from typing import TYPE_CHECKING

from muster.contract.model import Tier, TierName
from muster.drill.sight.split import LOOK_BACK_S_MAX, draws_of, needed_draws, telling_pct
from muster.samples.counting import smallest_sample

if TYPE_CHECKING:
    from muster.drill.plan.plan import DrillPlan

ENOUGH = 1.5
"""Times the smallest sample: arrivals come by chance, and their answers a little later."""
SURE = 3.0
"""Standard errors that an expectation must lack before a drill is refused for it."""
HOLDS = frozenset({"baseline", "dark", "failed_over", "shifted", "shift_back"})
"""Steps whose `minutes` are a hold that a tier judges."""
TTL_S_DEFAULT = 60.0
"""Of records that are not known yet, in seconds."""
HELD_PCT = 50.0
"""A share of which a look needs the most arrivals."""


@dataclass(frozen=True)
class Need:
    """What one part of a drill needs. `split`: without it the drill cannot go on.

    `caches`: so many resolver caches would bring enough where too few of them are what limits it,
    which no scale changes; 0: the arrivals limit it.
    """

    what: str
    seconds: float
    expected: float
    needed: int
    split: bool = False
    caches: int = 0

    @property
    def enough(self) -> bool:
        """Whether the expectation reaches what is needed."""
        return self.expected >= self.needed

    @property
    def hopeless(self) -> bool:
        """Whether not even a lucky draw reaches it."""
        return self.expected + SURE * sqrt(self.expected) < self.needed

    def line(self) -> str:
        """What is expected in which time, against what is needed."""
        word = "" if self.enough else ": TOO FEW"
        return (
            f"{self.what}: {self.expected:,.0f} expected in {self.seconds:.0f} s, "
            f"{self.needed:,} needed{word}"
        )


def needs_of(plan: DrillPlan) -> list[Need]:
    """What each phase of known length, and each step of the traffic, needs."""
    return [*_samples(plan), *_splits(plan)]


def smallest_scale(plan: DrillPlan) -> float | None:
    """The smallest scale whose arrivals would be enough, to two digits; None: as it is."""
    short = [
        need
        for need in needs_of(plan)
        if not need.enough and not need.caches and need.what[:8] != "canaries"
    ]
    if not short:
        return None
    # With half as many again: a scale that is just enough is not, every second time.
    wanted = max(need.needed * ENOUGH / max(need.expected, 1e-9) for need in short)
    return _rounded_up(plan.settings.scale * wanted)


def canaries_per_s(plan: DrillPlan) -> float:
    """Canaries a second: the profile's at the drill's scale, since a canary costs like a request.

    No fewer than availability needs in the shortest hold, up to what the profile sends at scale 1.
    """
    most = plan.profile.canaries_per_s
    needed = [
        ENOUGH * smallest_sample(1 - plan.contract.tiers[tier].availability_min) / seconds
        for _, tier, seconds in _holds(plan)
        if seconds > 0
    ]
    return max(most * plan.settings.scale, min(most, max(needed, default=most)))


def lines(plan: DrillPlan) -> Iterator[str]:
    """For a person, before the drill: the arrivals, each need, and the scale that would do."""
    per_s = plan.profile.arrivals_per_s(plan.settings.scale)
    needs = needs_of(plan)
    if not needs:
        return
    canaries = canaries_per_s(plan)
    yield (
        f"arrivals: {per_s:,.1f} a second at scale {plan.settings.scale:g}, "
        f"and {canaries:,.1f} canaries a second"
    )
    for need in needs:
        yield f"  {need.line()}"
    scale = smallest_scale(plan)
    if scale is not None:
        yield f"  too few cannot be judged; --var scale:float={scale:g} would bring enough"
    if caches := max(need.caches for need in needs):
        yield f"  too few resolver caches: resolver_caches: {caches} in the profile would do"


def too_few(plan: DrillPlan) -> str:
    """Why the load can never tell how the traffic is split; empty: it can."""
    for need in needs_of(plan):
        if need.split and need.hopeless:
            if need.caches:
                return (
                    f"{need.what}: {plan.profile.resolver_caches} resolver caches make about "
                    f"{need.expected:.0f} independent arrivals in {need.seconds:.0f} s, "
                    f"{need.needed} are needed; resolver_caches: {need.caches} in the profile "
                    f"{plan.profile.name} would bring enough"
                )
            scale = smallest_scale(plan)
            return (
                f"{need.what}: about {need.expected:.0f} arrivals in {need.seconds:.0f} s, "
                f"{need.needed} are needed; scale {scale:g} would bring enough"
            )
    return ""


def _samples(plan: DrillPlan) -> Iterator[Need]:
    """The smallest samples of the holds whose length is known."""
    per_s = plan.profile.arrivals_per_s(plan.settings.scale)
    for func, tier, seconds in _holds(plan):
        name = f"{func}, Tier {tier}"
        rules = plan.contract.tiers[tier]
        yield Need(f"arrivals of {name}", seconds, per_s * seconds, _smallest(rules))
        needed = smallest_sample(1 - rules.availability_min)
        yield Need(f"canaries of {name}", seconds, canaries_per_s(plan) * seconds, needed)


def _holds(plan: DrillPlan) -> Iterator[tuple[str, TierName, float]]:
    """The phases of known length: activity, tier, seconds."""
    for one in plan.method:
        minutes = one.arguments.get("minutes")
        if one.func in HOLDS and minutes is not None:
            tier = plan.gate.tier if one.func == "baseline" else plan.gate.tier_in_drill
            yield one.func, tier, float(minutes) * 60.0 / plan.time_scale


def _splits(plan: DrillPlan) -> Iterator[Need]:
    """The looks at the split that the steps of an evacuation wait for; the hardest of each."""
    per_s = plan.profile.arrivals_per_s(plan.settings.scale)
    tolerance_pct = 100 * float(plan.contract.drill.split_tolerance)
    seconds = LOOK_BACK_S_MAX
    for one in plan.method:
        if one.func == "shift_share":
            name = "split after the shift"
            needed = _shift_draws(plan, float(one.arguments["share_pct"]), tolerance_pct)
            yield _split(plan, name, per_s * seconds, needed)
        if one.func not in ("evacuate", "restore"):
            continue
        shares = [float(share) for share in one.arguments.get("shares_pct") or ()]
        if one.func == "restore":
            shares.append(HELD_PCT)
        steps = [needed_draws(share, tolerance_pct) for share in shares if share > 0]
        gone = [ceil(1 / plan.contract.drill.shifted_share_max)] if 0 in shares else []
        if steps or gone:
            name = f"split at the steps of {one.func}"
            yield _split(plan, name, per_s * seconds, max([*steps, *gone]))


def _split(plan: DrillPlan, name: str, arrivals: float, needed: int) -> Need:
    """What the longest look-back brings of `needed` independent arrivals."""
    seconds, caches = LOOK_BACK_S_MAX, plan.profile.resolver_caches
    # Off a testbed the records are read only when the drill begins: their TTL is not known yet.
    ttl_s = float(plan.target.testbed.dns.ttl_s) if plan.target.testbed else TTL_S_DEFAULT
    draws = draws_of(arrivals, seconds, caches, ttl_s)
    limited = draws < needed <= arrivals
    more = ceil(needed * ENOUGH / draws_of(inf, seconds, 1, ttl_s)) if limited else 0
    return Need(name, seconds, draws, needed, split=True, caches=more)


def _shift_draws(plan: DrillPlan, less_pct: float, tolerance_pct: float) -> int:
    """What a shift needs where every region has the same share: the real one is read later."""
    share_pct = 100 / len(plan.target.regions)
    moved_pct = share_pct * less_pct / 100
    most_pct = telling_pct(moved_pct, tolerance_pct)
    looks = (share_pct, share_pct - moved_pct)
    return max(needed_draws(one, tolerance_pct, most_pct) for one in looks)


def _smallest(rules: Tier) -> int:
    return smallest_sample(min(rules.rate_5xx_max, rules.rate_429_max, 1 - rules.success_2xx_min))


def _rounded_up(scale: float) -> float:
    """To two digits, never down."""
    digits = 2 - len(str(int(scale))) if scale >= 1 else 3
    return float(ceil(scale * 10.0**digits - 1e-9) / 10.0**digits)
