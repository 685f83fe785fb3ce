"""A release whose image cannot be pulled: its registry is a name that never resolves.

As with `readiness_broken`, pods of the release before must go on. The effect is verified if a new
pod waits with `ErrImagePull`, `ImagePullBackOff` or `ErrImageNeverPull`. Where no kubelet pulls
images, nothing is proven.
"""

from __future__ import annotations

from muster.faults.flawed_release import FlawedReleaseFault
from muster.faults.steps import Scene, single_fault
from muster.platform.cluster import Disruption

RECALLS = (
    "[Docker Hub, July 2020](https://www.docker.com/blog/docker-hub-incident-review-5-july-2020/): "
    "downloads of images hung for hours, and what needed one could not start"
)


class ImageUnpullable(FlawedReleaseFault):
    """Its pods wait for their image."""

    kind = "image_unpullable"

    @property
    def aim(self) -> str:
        return "a release whose image cannot be pulled"

    def disrupted(self) -> Disruption:
        return self.platform.cluster[self.region].releasing("image")


@single_fault(
    "rolls a release out in {region} whose image cannot be pulled, for {seconds:g} s",
    recalls=RECALLS,
)
def image_unpullable(scene: Scene) -> ImageUnpullable:
    """The region gets a release whose image cannot be pulled, for `seconds`."""
    return ImageUnpullable(scene.platform, scene.region)
