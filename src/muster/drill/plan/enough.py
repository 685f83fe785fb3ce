"""Compares the expected number of samples with the needed one, for each phase of a drill.

A share needs a minimum sample, and a split needs enough arrivals for its tolerance. Samples that
will be too few are reported before the drill. A load that can never show the split is refused,
because the drill would have to stop in the middle of an evacuation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf, sqrt
from typing import TYPE_CHECKING

from muster.contract.model import Tier, TierName
from muster.drill.sight.split import (
    LOOK_BACK_S_MAX,
    draws_of,
    least,
    needed_draws,
    telling_pct,
)
from muster.samples.counting import smallest_sample

if TYPE_CHECKING:
    from muster.drill.plan.plan import DrillPlan

ENOUGH = 1.5
"""Factor on the minimum sample: arrivals are random, and answers come a little later."""
SURE = 3.0
"""Standard errors by which the expectation must fall short before a drill is refused."""
HOLDS = frozenset({"baseline", "dark", "failed_over", "shifted", "shift_back", "back_in_dns"})
"""Steps whose argument `minutes` is the length of a judged hold."""
TTL_S_DEFAULT = 60.0
"""Assumed TTL of records that were not read yet, in seconds."""
HELD_PCT = 50.0
"""The share that needs the most arrivals."""


@dataclass(frozen=True)
class Need:
    """The samples that one part of a drill needs. `split`: the drill cannot continue without them.

    If they are too few, `times` as many arrivals would be enough, with `caches` resolver caches in
    the profile (0: with those that it has).
    """

    what: str
    seconds: float
    expected: float
    needed: int
    times: float
    split: bool = False
    caches: int = 0

    @property
    def enough(self) -> bool:
        """Whether the expected number reaches the needed one."""
        return self.expected >= self.needed

    @property
    def hopeless(self) -> bool:
        """Whether the needed number is out of reach, even with random variation."""
        return self.expected + SURE * sqrt(self.expected) < self.needed

    def line(self) -> str:
        """Expected number, time and needed number, as one line."""
        word = "" if self.enough else ": TOO FEW"
        return (
            f"{self.what}: {self.expected:,.0f} expected in {self.seconds:.0f} s, "
            f"{self.needed:,} needed{word}"
        )


def needs_of(plan: DrillPlan) -> list[Need]:
    """The needs of each phase of known length and of each step of the traffic."""
    return [*_samples(plan), *_splits(plan)]


def smallest_scale(plan: DrillPlan) -> float | None:
    """The smallest sufficient scale, to two digits; None if the arrivals are not too few."""
    short = [need for need in needs_of(plan) if not need.enough and need.what[:8] != "canaries"]
    times = max((need.times for need in short), default=1.0)
    return _rounded_up(plan.settings.scale * times) if times > 1 else None


def needed_caches(plan: DrillPlan) -> int:
    """The number of resolver caches that the profile needs; 0 if it has enough."""
    return max((need.caches for need in needs_of(plan)), default=0)


def canaries_per_s(plan: DrillPlan) -> float:
    """Canaries a second: the profile's rate times the scale, since a canary costs like a request.

    At least the rate that availability needs in the shortest hold, at most the profile's own rate.
    """
    most = plan.profile.canaries_per_s
    needed = [
        ENOUGH * smallest_sample(1 - plan.contract.tiers[tier].availability_min) / seconds
        for _, tier, seconds in _holds(plan)
        if seconds > 0
    ]
    return max(most * plan.settings.scale, min(most, max(needed, default=most)))


def lines(plan: DrillPlan) -> Iterator[str]:
    """Lines for the plan: the arrivals, each need, and the smallest sufficient scale."""
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
        yield f"  phases with too few cannot be judged; --var scale:float={scale:g} would be enough"
    if caches := needed_caches(plan):
        yield f"  too few resolver caches: set resolver_caches: {caches} in the profile"


def too_few(plan: DrillPlan) -> str:
    """Why the load can never show the split; empty if it can."""
    for need in needs_of(plan):
        if need.split and need.hopeless:
            scale, profile = smallest_scale(plan), plan.profile
            caches = f"resolver_caches: {need.caches} in the profile {profile.name}"
            if scale is None:
                enough = f"set {caches}"
            else:
                enough = f"scale {scale:g}{f' with {caches}' * bool(need.caches)} would be enough"
            return (
                f"{need.what}: about {need.expected:.0f} independent arrivals in "
                f"{need.seconds:.0f} s through {profile.resolver_caches} resolver caches, "
                f"{need.needed} are needed; {enough}"
            )
    return ""


def _samples(plan: DrillPlan) -> Iterator[Need]:
    """The minimum samples of the holds of known length."""
    per_s = plan.profile.arrivals_per_s(plan.settings.scale)
    for func, tier, seconds in _holds(plan):
        name = f"{func}, Tier {tier}"
        rules = plan.contract.tiers[tier]
        yield _sample(f"arrivals of {name}", seconds, per_s * seconds, _smallest(rules))
        needed = smallest_sample(1 - rules.availability_min)
        yield _sample(f"canaries of {name}", seconds, canaries_per_s(plan) * seconds, needed)


def _sample(what: str, seconds: float, expected: float, needed: int) -> Need:
    # With a reserve: with the exact number every second drill would have too few.
    return Need(what, seconds, expected, needed, needed * ENOUGH / max(expected, 1e-9))


def _holds(plan: DrillPlan) -> Iterator[tuple[str, TierName, float]]:
    """The holds of known length: activity, tier, seconds."""
    for one in plan.method:
        minutes = one.arguments.get("minutes")
        if one.func in HOLDS and minutes is not None:
            tier = plan.gate.tier if one.func == "baseline" else plan.gate.tier_in_drill
            yield one.func, tier, float(minutes) * 60.0 / plan.time_scale


def _splits(plan: DrillPlan) -> Iterator[Need]:
    """For each activity that moves traffic, the split that needs the most arrivals."""
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
    """The need of a split, with the independent arrivals within the longest look-back."""
    seconds, caches = LOOK_BACK_S_MAX, plan.profile.resolver_caches
    # Without a testbed the records are read when the drill starts: their TTL is not known yet.
    ttl_s = float(plan.target.testbed.dns.ttl_s) if plan.target.testbed else TTL_S_DEFAULT
    draws = draws_of(arrivals, seconds, caches, ttl_s)
    if draws >= needed:
        return Need(name, seconds, draws, needed, 1.0, split=True)
    wanted, most, more = needed * ENOUGH, draws_of(inf, seconds, caches, ttl_s), 0
    if most <= max(wanted, arrivals):
        # No number of arrivals is enough, or the caches limit the draws more than the arrivals do.
        # With this many caches, twice the wanted arrivals are enough.
        beside = max(arrivals, 2 * wanted)
        more = least(caches, lambda n: draws_of(beside, seconds, n, ttl_s) >= wanted)
    enough = least(1, lambda n: draws_of(n, seconds, more or caches, ttl_s) >= wanted)
    times = enough / max(arrivals, 1e-9)
    return Need(name, seconds, draws, needed, times, split=True, caches=more)


def _shift_draws(plan: DrillPlan, less_pct: float, tolerance_pct: float) -> int:
    """Arrivals that a shift needs if regions have equal shares; the actual ones are read later."""
    share_pct = 100 / len(plan.target.regions)
    moved_pct = share_pct * less_pct / 100
    most_pct = telling_pct(moved_pct, tolerance_pct)
    looks = (share_pct, share_pct - moved_pct)
    return max(needed_draws(one, tolerance_pct, most_pct) for one in looks)


def _smallest(rules: Tier) -> int:
    return smallest_sample(min(rules.rate_5xx_max, rules.rate_429_max, 1 - rules.success_2xx_min))


def _rounded_up(scale: float) -> float:
    """Round up to two digits."""
    digits = 2 - len(str(int(scale))) if scale >= 1 else 3
    return float(ceil(scale * 10.0**digits - 1e-9) / 10.0**digits)
