"""The supervisor's input: everything about one testbed, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field

from muster import contract, home
from muster.documents import Document
from muster.errors import BadInput
from muster.machine import Machine, measured
from muster.numbers import is_number
from muster.targets.model import Target
from muster.targets.testbed import TestbedSpec
from muster.testbed.design.placement import check_defect, defect_of
from muster.testbed.design.ports import REGIONS_MAX
from muster.testbed.design.shape import Limits, LoadProfile, shape
from muster.testbed.rig.state import directory_of

FDS_MAX = 20_000
"""The most open files planned for one process, whatever the machine allows."""


class SupervisorConfig(Document):
    """One testbed. `arrivals_per_s` and `streams` are already at `scale`."""

    name: str
    directory: str
    spec: TestbedSpec
    zone: str
    record: str
    evacuate: str
    proxies: dict[str, dict[str, str]]
    profile: str
    scale: float
    seed: int
    defect: str | None
    owner: str
    streams: Annotated[int, Field(ge=1)]
    arrivals_per_s: Annotated[float, Field(gt=0)]
    canaries_per_s: float
    gateways_per_region: Annotated[int, Field(ge=1)]
    toxiproxies_per_region: Annotated[int, Field(ge=1)]
    providers: Annotated[int, Field(ge=1)]
    addresses_per_region: Annotated[int, Field(ge=1)] = 1
    fds_max: int
    edges_first_token_s: list[float]
    edges_completion_s: list[float]

    def shape_line(self) -> str:
        """Streams and processes in one line."""
        return (
            f"{self.streams:,} are asked for: {self.gateways_per_region} gateways and "
            f"{self.toxiproxies_per_region} Toxiproxies a region at {self.addresses_per_region} "
            f"addresses, {self.providers} providers"
        )

    def addresses(self, region: str) -> tuple[str, ...]:
        """The addresses at which `region` listens; the one that the target names comes first."""
        return consecutive(self.spec.regions[region].address, self.addresses_per_region)


def build(
    target: Target,
    profile: LoadProfile,
    *,
    scale: float,
    seed: int,
    defect: str | None,
    owner: str,
    machine: Machine | None = None,
) -> SupervisorConfig:
    """The configuration of the testbed that `target` describes. Raises BadInput.

    `machine`: None means this machine.
    """
    spec = spec_of(target)
    check_scale(scale)
    check_defect(defect)
    if defect_of(defect, "sentinel") and not spec.redis.sentinel:
        wanted = "a target with testbed.redis.sentinel: true (testbed_sentinel)"
        raise BadInput("--defect", "", defect, wanted)
    if len(spec.regions) > REGIONS_MAX:
        raise BadInput(
            f"target {target.name}",
            "testbed.regions",
            sorted(spec.regions),
            f"at most {REGIONS_MAX} regions, which is what fits into a block of ports",
        )
    proxies = {}
    for region, access in target.regions.items():
        if access.toxiproxy is None:
            raise BadInput(
                f"target {target.name}", f"regions.{region}.toxiproxy", None, "its proxies' names"
            )
        proxies[region] = dict(access.toxiproxy.proxies)
    limits = limits_of(spec, machine or measured())
    planned = shape(profile, scale, limits, gateways=spec.gateways_per_region)
    first_token, completion = _edges(target)
    return SupervisorConfig(
        name=target.name,
        directory=str(directory_of(target.name)),
        spec=spec,
        zone=spec.dns.zone or target.route53.zone,
        record=spec.dns.record or target.route53.record,
        evacuate=target.evacuate,
        proxies=proxies,
        profile=profile.name,
        scale=scale,
        seed=seed,
        defect=defect,
        owner=owner,
        streams=planned.streams,
        arrivals_per_s=profile.arrivals_per_s(scale),
        canaries_per_s=float(profile.canaries_per_s),
        gateways_per_region=planned.gateways_per_region,
        toxiproxies_per_region=planned.toxiproxies_per_region,
        providers=planned.providers,
        addresses_per_region=planned.addresses_per_region,
        fds_max=max(planned.fds.values()),
        edges_first_token_s=first_token,
        edges_completion_s=completion,
    )


def spec_of(target: Target) -> TestbedSpec:
    """How the testbed of `target` is built. Raises BadInput if it has none."""
    if target.testbed is None:
        raise BadInput("--target", "", target.name, "a target of class testbed")
    return target.testbed


def limits_of(spec: TestbedSpec, machine: Machine) -> Limits:
    """The limits of a testbed's shape on `machine`."""
    return Limits(
        fds_max=min(FDS_MAX, machine.open_files),
        ports=machine.ports,
        streams_factor=spec.gateway.streams_limit_factor,
    )


def consecutive(first: str, count: int) -> tuple[str, ...]:
    """`count` addresses from `first` on."""
    start = ip_address(first)
    return tuple(str(start + index) for index in range(count))


def check_scale(scale: float) -> None:
    """Raises BadInput unless `scale` is a number above 0."""
    if not (is_number(scale) and scale > 0):
        raise BadInput("--scale", "", scale, "a number above 0, for example 0.1")


def _edges(target: Target) -> tuple[list[float], list[float]]:
    """The contract's thresholds in seconds, which the gateways' histograms must have as edges."""
    path = Path(target.contract)
    tiers = contract.load(path if path.is_absolute() else home.root() / path).tiers.values()
    return (
        _sorted([float(tier.first_token_p95_s_max) for tier in tiers]),
        _sorted([float(tier.completion_p95_s_max) for tier in tiers]),
    )


def _sorted(values: Sequence[float]) -> list[float]:
    return sorted(set(values))
