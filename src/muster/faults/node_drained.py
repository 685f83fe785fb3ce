"""A node is taken out of service: it is cordoned, and the region's pods are evicted from it.

Pods get their grace, and PodDisruptionBudgets are honoured: an eviction that one refuses is asked
for again until `timeout_s`. The effect is verified if the node takes no new pod and none of the
region's is left on it, terminating ones included. The drill is refused where the node has pods of
others. After the drill pods stay where they are: a node that is open again gets new ones only.
"""

from __future__ import annotations

from muster.faults.cluster_fault import ClusterFault
from muster.faults.steps import Scene, single_fault
from muster.platform.cluster import Disruption

RECALLS = (
    "[Reddit, March 2023](https://www.reddit.com/r/RedditEng/comments/11xx5o0/"
    "you_broke_reddit_the_piday_outage/): an upgrade took the nodes of a cluster out of service"
)


class NodeDrained(ClusterFault):
    """The node that the target names; the revert opens it again if the drill cordoned it."""

    kind = "node_drained"
    undone = (
        "The node is uncordoned, if the drill cordoned it; all replicas must be available again."
    )

    @property
    def subject(self) -> str:
        return f"node of region {self.region}"

    @property
    def aim(self) -> str:
        return "cordoned, the region's pods evicted"

    def disrupted(self) -> Disruption:
        return self.platform.cluster[self.region].draining()


@single_fault("drains a node of {region}, and holds it for {seconds:g} s", recalls=RECALLS)
def node_drained(scene: Scene) -> NodeDrained:
    """A node of the region is cordoned and drained for `seconds`."""
    return NodeDrained(scene.platform, scene.region)
