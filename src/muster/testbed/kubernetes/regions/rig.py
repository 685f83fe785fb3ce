"""The running testbed of pods: what differs from one of processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from muster import home
from muster.clock import SYSTEM_CLOCK, utc
from muster.errors import BadInput
from muster.testbed.design import binaries
from muster.testbed.design import ports as block
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.layout import Layout
from muster.testbed.design.parts import Kind, ProcessSpec
from muster.testbed.design.ports import Ports
from muster.testbed.kubernetes import control_plane
from muster.testbed.kubernetes.control_plane import ControlPlane
from muster.testbed.kubernetes.node.design import NodePorts, node
from muster.testbed.kubernetes.node.design import programs_in as node_programs
from muster.testbed.kubernetes.regions import access, layout
from muster.testbed.kubernetes.regions.api import Api
from muster.testbed.kubernetes.regions.here import lacking
from muster.testbed.kubernetes.regions.part import Pod
from muster.testbed.kubernetes.regions.region import PodRegion
from muster.testbed.kubernetes.regions.workloads import workload
from muster.testbed.kubernetes.running import Running
from muster.testbed.rig.parts_up import LOGS, Rig
from muster.testbed.rig.processes import Child, write_private
from muster.testbed.rig.regions import Region
from muster.testbed.rig.toxiproxies import check_proxies

KUBECONFIG = "drill.kubeconfig"
KUBELET = binaries.Wanted("kubernetes", (1, 0), "--version", r"\bv(\d+(?:\.\d+)+)")
CONTAINERD = binaries.Wanted("containerd", (1, 0), "--version", r" (\d+(?:\.\d+)+)")
"""How to ask what was built or unpacked: the testbed's state says which versions ran."""


class KubernetesRig(Rig):
    """Two regions, each a namespace of a control plane with one real node."""

    def __init__(self, config: SupervisorConfig, stop: asyncio.Event) -> None:
        super().__init__(config, stop)
        self._programs: dict[str, binaries.Binary] = {}
        self._running: Running | None = None
        self._api: Api | None = None

    async def start(self, progress: Callable[[str], None]) -> None:
        layout.check(self._config)
        if why := lacking():
            raise BadInput(f"target {self._config.name}", "testbed.run_as", "pods", why)
        await super().start(progress)

    def programs(self) -> dict[str, binaries.Binary]:
        own = node_programs(home.tools_dir())
        self._programs = {
            **super().programs(),
            "kubernetes": binaries.at(own.kubelet, KUBELET),
            "containerd": binaries.at(own.runtime / "containerd", CONTAINERD),
        }
        return self._programs

    def lay_out(self, at: Ports, programs: dict[str, binaries.Binary]) -> Layout:
        return layout.lay_out(self._config, at, programs, self._secrets)

    def files(self, of: Layout) -> dict[str, str]:
        return {**super().files(of), **layout.files(of)}

    def child(self, spec: ProcessSpec) -> Child:
        if spec.kind in layout.POD_KINDS:
            return Pod(spec, self._place / "node" / "logs" / "pods")
        return super().child(spec)

    def region(self, name: str) -> Region:
        return PodRegion(self.parts_of(name))

    def endpoints(self, of: Layout) -> dict[str, Any]:
        return {
            **super().endpoints(of),
            "kubeconfig": str(self._place / KUBECONFIG),
            "context": control_plane.CONTEXT,
        }

    async def proxies(self, spec: ProcessSpec) -> None:
        await check_proxies(self._client, spec)

    async def before_parts(self, of: Layout, progress: Callable[[str], None]) -> None:
        """Start the control plane and its node, and make what is there before the workloads."""
        plane = await asyncio.to_thread(self._plane, of)
        ports = NodePorts(of.ports.fixed(block.KUBELET), of.ports.fixed(block.KUBELET_HEALTH))
        place, tools = self._place, home.tools_dir()
        spec = await asyncio.to_thread(node, place / "node", plane, ports, node_programs(tools))
        self._running = Running(plane, of.directory / LOGS, [[spec]], self._died)
        self._children |= {child.spec.name: child for child in self._running.children}
        await self._running.start()
        self._write_state()
        api = self._api = Api(plane)
        for path, body in access.objects(list(of.addresses), access.roles()):
            await api.post(path, body)
        asked = {"spec": {"expirationSeconds": int(self._config.spec.lifetime_s_max)}}
        token = (await api.post(access.token_path(), asked))["status"]["token"]
        write_private(place / KUBECONFIG, access.kubeconfig(plane, token))
        cores = os.cpu_count() or 1
        for child in self._children.values():
            if isinstance(child, Pod):
                body = workload(child.spec, of.directory, self._programs, cores)
                child.on(api, body, self._config.spec.ready_s_max)
        progress("the control plane and its node are up")

    async def end(self) -> None:
        """The node first: every pod ends with it."""
        if self._running is not None:
            await self._running.end()
        await super().end()
        if self._api is not None:
            await self._api.close()

    async def _bring_up(self, kinds: tuple[Kind, ...]) -> None:
        await super()._bring_up(kinds)
        pods = [one for kind in kinds for one in self._of(kind) if isinstance(one, Pod)]
        await asyncio.gather(*(pod.available() for pod in pods))

    def _plane(self, of: Layout) -> ControlPlane:
        place, at = self._place, of.ports
        place.mkdir()
        return ControlPlane(
            place,
            control_plane.Ports(
                at.fixed(block.ETCD), at.fixed(block.ETCD_PEER), at.fixed(block.API_SERVER)
            ),
            control_plane.programs_in(home.tools_dir()),
            utc(SYSTEM_CLOCK),
            played=False,
        )

    @property
    def _place(self) -> Path:
        return Path(self._config.directory) / "kubernetes"
