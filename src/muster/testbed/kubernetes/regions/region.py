"""A region's switch where its power is Kubernetes': it drains and cuts off, and nothing else."""

from __future__ import annotations

from muster.testbed.rig.regions import Region, RegionError


class PodRegion(Region):
    """What starts and ends its parts is the API server; a drill asks that, and so does a person."""

    async def start(self) -> None:
        raise self._elsewhere()

    async def stop(self) -> None:
        raise self._elsewhere()

    async def kill(self) -> None:
        raise self._elsewhere()

    async def halt_redis(self) -> None:
        raise self._elsewhere()

    async def kill_redis(self) -> None:
        raise self._elsewhere()

    async def run_redis(self) -> None:
        raise self._elsewhere()

    async def restart_toxiproxies(self) -> None:
        raise self._elsewhere()

    def _elsewhere(self) -> RegionError:
        return RegionError(f"{self.name}: its parts are pods: scale or restart their workloads")
