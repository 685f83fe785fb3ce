"""From a configuration and a block of ports to every process and endpoint. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muster.testbed.design import parts, sentinel
from muster.testbed.design import ports as block
from muster.testbed.design.binaries import Binary
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.parts import LOCAL, Kind, ProcessSpec, Secrets
from muster.testbed.design.placement import defect_of
from muster.testbed.design.ports import Ports, Wish


@dataclass(frozen=True)
class Layout:
    """A whole testbed before it runs."""

    config: SupervisorConfig
    ports: Ports
    directory: Path
    processes: tuple[ProcessSpec, ...]
    wishes: tuple[Wish, ...]
    addresses: Mapping[str, str]

    def of(self, kind: Kind, region: str | None = None) -> tuple[ProcessSpec, ...]:
        """The processes of a kind, optionally only those of one region."""
        return tuple(
            spec
            for spec in self.processes
            if spec.kind == kind and (region is None or spec.region == region)
        )


def lay_out(
    config: SupervisorConfig, ports: Ports, binaries: Mapping[str, Binary], secrets: Secrets
) -> Layout:
    """Every process of the testbed on the ports of one block."""
    directory = Path(config.directory)
    regions = tuple(config.spec.regions)
    specs: list[ProcessSpec] = [
        parts.route53(ports, defect_of(config.defect, "route53")),
        *(parts.provider(config, ports, directory, index) for index in range(config.providers)),
    ]
    for number, region in enumerate(regions):
        specs.append(parts.redis(ports, directory, binaries, region, number))
        if config.spec.redis.sentinel:
            specs.append(sentinel.replica(ports, directory, binaries, region, number))
            specs.append(sentinel.sentinel(config, ports, directory, binaries, region, number))
        for shard in range(config.toxiproxies_per_region):
            specs.append(parts.toxiproxy(config, ports, binaries, region, number, shard))
        for index in range(config.gateways_per_region):
            specs.append(parts.gateway(config, ports, directory, secrets, region, number, index))
    specs.append(parts.prometheus(config, ports, directory, binaries))
    specs.append(parts.dns(config, ports, directory))
    return layout_of(config, ports, specs)


def layout_of(config: SupervisorConfig, ports: Ports, specs: list[ProcessSpec]) -> Layout:
    """The layout of those processes, with every port that they need."""
    return Layout(
        config=config,
        ports=ports,
        directory=Path(config.directory),
        processes=tuple(specs),
        wishes=tuple(wishes(config, ports, specs)),
        addresses={name: region.address for name, region in config.spec.regions.items()},
    )


def endpoints(layout: Layout, secrets: Secrets) -> dict[str, Any]:
    """The endpoints of the running testbed, nested as a target's placeholders name them."""
    ports, config = layout.ports, layout.config
    return {
        "chat_port": ports.fixed(block.CHAT),
        "dns_server": f"{LOCAL}:{ports.fixed(block.DNS)}",
        "dns_metrics_url": f"http://{LOCAL}:{ports.fixed(block.DNS_ADMIN)}/metrics",
        "prometheus_url": f"http://{LOCAL}:{ports.fixed(block.PROMETHEUS)}",
        "route53_url": f"http://{LOCAL}:{ports.fixed(block.ROUTE53)}",
        "control_url": f"http://{LOCAL}:{ports.fixed(block.CONTROL)}",
        "control_token": secrets.control_token,
        "load_token": secrets.load_token,
        "canary_token": secrets.canary_token,
        "load_file_sd": str(load_file_sd(layout.directory)),
        "regions": {
            region: {
                "address": layout.addresses[region],
                "chat_url": (
                    f"http://{layout.addresses[region]}:{ports.fixed(block.CHAT)}"
                    "/v1/chat/completions"
                ),
                "ready_url": f"http://{layout.addresses[region]}:{ports.fixed(block.CHAT)}/readyz",
                "toxiproxy_url": f"http://{LOCAL}:{toxiproxy_port(config, ports, number)}",
                "redis_url": f"redis://{LOCAL}:{ports.proxy(number, 0, 0)}/0",
                "sentinel_url": f"redis://{LOCAL}:{ports.sentinel(number)}",
                "gateway_admin_urls": [
                    spec.admin_url for spec in layout.of("gateway", region) if spec.admin_url
                ],
            }
            for number, region in enumerate(config.spec.regions)
        },
    }


def toxiproxy_port(config: SupervisorConfig, ports: Ports, region: int) -> int:
    """The address of a region's Toxiproxy API: its one server, or the front of several."""
    if config.toxiproxies_per_region == 1:
        return ports.toxiproxy(region, 0)
    return ports.fixed(block.TOXIPROXY_FRONT) + region


def load_file_sd(directory: Path) -> Path:
    """The file in which the load's starter writes its metrics addresses."""
    return directory / "sd" / "load.json"


def wishes(config: SupervisorConfig, ports: Ports, specs: list[ProcessSpec]) -> Iterator[Wish]:
    """Every port on which something will listen, each once."""
    for region in config.spec.regions:
        for address in config.addresses(region):
            yield Wish(f"chat of {region}", address, ports.fixed(block.CHAT))
    yield Wish("the DNS server", LOCAL, ports.fixed(block.DNS), udp=True)
    yield Wish("the control API", LOCAL, ports.fixed(block.CONTROL))
    if config.toxiproxies_per_region > 1:
        for number, region in enumerate(config.spec.regions):
            yield Wish(f"Toxiproxy of {region}", LOCAL, toxiproxy_port(config, ports, number))
    for spec in specs:
        for port in spec.ports:
            if port != ports.fixed(block.CHAT):
                yield Wish(spec.name, LOCAL, port)
