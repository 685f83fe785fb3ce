"""From a testbed of processes to one whose regions' parts are pods. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from muster.errors import BadInput
from muster.testbed.design import layout as design
from muster.testbed.design import ports as block
from muster.testbed.design.binaries import Binary
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.defects import DEFECTS
from muster.testbed.design.layout import Layout
from muster.testbed.design.parts import LOCAL, Kind, ProcessSpec, Secrets
from muster.testbed.design.ports import Ports, Wish
from muster.testbed.rig.toxiproxies import wanted

POD_KINDS: tuple[Kind, ...] = ("redis", "toxiproxy", "gateway")
DEFECTS_ELSEWHERE = ("region_evacuated", "sentinel")
"""Parts that have a planted defect, and that a testbed of pods does not have: the testbed's own
switch of a region, which Kubernetes replaces, and Sentinel."""


def check(config: SupervisorConfig) -> None:
    """Raises BadInput for settings that a testbed of pods does not support."""
    said = f"target {config.name}"
    if config.defect is not None and DEFECTS[config.defect].part in DEFECTS_ELSEWHERE:
        wanted = "one whose part runs there too (docs/kubernetes.md): the part of this one does not"
        raise BadInput("configuration", "defect", config.defect, wanted)
    if config.spec.platform != "muster":
        wanted = "processes: only Muster's own gateways run as pods"
        raise BadInput(said, "testbed.run_as", "pods", wanted)
    if config.spec.redis.sentinel:
        raise BadInput(said, "testbed.redis.sentinel", True, "false, since testbed.run_as is pods")
    if config.toxiproxies_per_region > 1:
        wanted = "a load for which one Toxiproxy a region is enough, since testbed.run_as is pods"
        raise BadInput("--scale", "", config.scale, wanted)


def lay_out(
    config: SupervisorConfig, ports: Ports, binaries: Mapping[str, Binary], secrets: Secrets
) -> Layout:
    """Every part on the ports of one block, and the ports of the control plane and the node."""
    made = design.lay_out(config, ports, binaries, secrets)
    directory = made.directory
    cluster = {
        "etcd": block.ETCD,
        "etcd's peers": block.ETCD_PEER,
        "the API server": block.API_SERVER,
        "the kubelet": block.KUBELET,
        "the kubelet's health": block.KUBELET_HEALTH,
    }
    return replace(
        made,
        processes=tuple(_as_pod(spec, directory) for spec in made.processes),
        wishes=(
            *made.wishes,
            *(Wish(what, LOCAL, ports.fixed(offset)) for what, offset in cluster.items()),
        ),
    )


def files(layout: Layout) -> dict[str, str]:
    """Names and texts of the Toxiproxies' configurations: a pod has its proxies from its start."""
    return {
        str(proxies_file(Path(), spec)): json.dumps([wanted(proxy) for proxy in spec.proxies])
        for spec in layout.of("toxiproxy")
    }


def proxies_file(directory: Path, spec: ProcessSpec) -> Path:
    """The configuration of a Toxiproxy."""
    return directory / "config" / f"{spec.name}.json"


def _as_pod(spec: ProcessSpec, directory: Path) -> ProcessSpec:
    if spec.kind == "toxiproxy":
        return replace(spec, argv=(*spec.argv, "-config", str(proxies_file(directory, spec))))
    if spec.kind == "gateway":
        # There is no Service that would send nothing to a pod before it is ready.
        return replace(spec, config={**(spec.config or {}), "waits_for_probe": True})
    if spec.kind == "redis":
        # It would change its command line, by which its process is found.
        return replace(spec, argv=(*spec.argv, "--set-proc-title", "no"))
    return spec
