"""The name server goes on with what it knew: it answers past its time, by old records and health.

A change of weights does nothing then, although the API shows it. To see that, a share of the
region's traffic is shifted while the answers are stale: the weights say one thing and the answers
another. Nobody is hurt, so the tier holds all through. Once the name server reads again, new
streams must follow the weights within the target's limit.

The effect is verified if the name server says so, and the answers that clients get still name the
region for as much of them as before, which the new weights do not give it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from muster.faults.dns_path import Asked, named_pct
from muster.faults.dns_trouble import ACTIONS, DnsTrouble, check_rto
from muster.faults.share_shift import SHARE, is_share
from muster.faults.steps import HOLD, Planned, Scene, WrongArgument, drill_step
from muster.faults.traffic_shift import TrafficShift
from muster.platform.platform import Platform
from muster.platform.port import Proof
from muster.platform.steering import shares_of

ANSWERS = 100
"""So many that a share of 20 points more or less is told apart by chance in one of 10,000 looks."""
APART_PCT_MIN = 20.0

RECALLS = (
    "[Slack, September 2021]"
    "(https://slack.engineering/what-happened-during-slacks-dnssec-rollout/): resolvers went on "
    "with records that the zone no longer had, and no change reached their users"
)


class DnsStale(DnsTrouble):
    """Answers by the records and the health of the moment at which it was told.

    `shares`: the percent of all traffic that each region's weights gave it then.
    """

    kind = "dns_stale"

    def __init__(self, platform: Platform, *, shares: Mapping[str, float] | None = None) -> None:
        super().__init__(platform)
        self._shares = dict(shares or {})

    @property
    def trouble(self) -> Mapping[str, Any]:
        return {"stale": True}

    def undo_params(self) -> dict[str, Any]:
        params = super().undo_params()
        self._shares = shares_of(self.platform.steering.weights())
        return {**params, "arguments": {"shares": self._shares}}

    def shows(self, seen: Asked) -> bool:
        # One answer cannot be told from another; that there is one is needed.
        return not seen.addresses

    def observe(self) -> Proof:
        told, wanted = self._told(), shares_of(self.platform.steering.weights())
        region = max(wanted, key=lambda name: abs(wanted[name] - self._shares.get(name, 0.0)))
        before_pct, now_pct = self._shares.get(region, 0.0), wanted[region]
        own = self.platform.names.addresses().get(region, ())
        answered_pct = named_pct(self.target, self.platform.clock, own, ANSWERS)
        facts = {"told": told, "before_pct": before_pct, "weights_pct": now_pct}
        facts["answers_pct"] = answered_pct
        why = (
            f"{answered_pct:.0f} % of the answers name {region}: {before_pct:.0f} % by the old "
            f"records, {now_pct:.0f} % by the weights that the API shows"
        )
        told_apart = abs(before_pct - now_pct) >= APART_PCT_MIN
        nearer = abs(answered_pct - before_pct) < abs(answered_pct - now_pct)
        return Proof(told == self.trouble and told_apart and nearer, why, facts)


@drill_step(
    ACTIONS, phase="stale", then=("caught_up", "shift_back"), fault=DnsStale, recalls=RECALLS
)
def dns_stale(scene: Scene, share_pct: float, seconds: Annotated[float, HOLD]) -> Planned:
    """For `seconds` answers are stale, and a shift of `share_pct` of the region does nothing."""
    check_rto(scene, "dns_stale")
    if not is_share(share_pct):
        raise WrongArgument("share_pct", share_pct, SHARE)
    what = (
        f"lets the name server answer by old records for {seconds:g} s, and shifts "
        f"{share_pct:g} % of the traffic of {scene.region}, which no answer must show"
    )
    shift = TrafficShift(scene.platform, scene.region, less_pct=share_pct)
    return Planned(what, (DnsStale(scene.platform), shift))


@drill_step(ACTIONS, phase="caught_up", back=True)
def caught_up(scene: Scene, minutes: float) -> Planned:
    """Lets the name server read again, and waits until new streams follow the weights."""
    what = f"lets the name server read again, and holds for {scene.lasts(minutes)}"
    return Planned(what, (DnsStale(scene.platform),))
