"""A flawed release of a region's workloads, whatever its flaw is."""

from __future__ import annotations

from muster.faults.cluster_fault import ClusterFault


class FlawedReleaseFault(ClusterFault):
    """The revert rolls it back to the release before, unless somebody else has released since."""

    undone = (
        "The release before is rolled out again; it must be whole as `kubectl rollout status` "
        "says, and all replicas available."
    )

    @property
    def subject(self) -> str:
        return f"release of region {self.region}"
