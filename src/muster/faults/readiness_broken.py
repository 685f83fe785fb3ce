"""A release whose pods run and never become ready: their readiness probe always fails.

It is rolled out by the workload's own strategy, so what keeps users served is that strategy: pods
of the release before go on until new ones are ready, which never happens. A strategy that lets all
old pods go first (`Recreate`, `maxUnavailable: 100%`) fails the drill. The effect is verified if a
new pod's containers run and the pod is not ready, at every look. Where no kubelet asks probes, new
pods become ready, and nothing is proven.
"""

from __future__ import annotations

from muster.faults.flawed_release import FlawedReleaseFault
from muster.faults.steps import Scene, single_fault
from muster.platform.cluster import Disruption

RECALLS = (
    "[Cloudflare, July 2019]"
    "(https://blog.cloudflare.com/details-of-the-cloudflare-outage-on-july-2-2019/): "
    "a change that worked nowhere was rolled out everywhere at once"
)


class ReadinessBroken(FlawedReleaseFault):
    """Its pods run and are never ready."""

    kind = "readiness_broken"

    @property
    def aim(self) -> str:
        return "a release whose pods never become ready"

    def disrupted(self) -> Disruption:
        return self.platform.cluster[self.region].releasing("readiness")


@single_fault(
    "rolls a release out in {region} whose pods never become ready, for {seconds:g} s",
    recalls=RECALLS,
)
def readiness_broken(scene: Scene) -> ReadinessBroken:
    """The region gets a release whose pods never become ready, for `seconds`."""
    return ReadinessBroken(scene.platform, scene.region)
