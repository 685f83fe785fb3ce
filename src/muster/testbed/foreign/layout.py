"""From a configuration and a block of ports to every process of a foreign testbed. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from muster.errors import BadInput
from muster.testbed.design import parts, prometheus_config
from muster.testbed.design import ports as block
from muster.testbed.design.binaries import Binary
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.layout import Layout, layout_of
from muster.testbed.design.parts import LOCAL, ProcessSpec, Secrets
from muster.testbed.design.ports import Ports
from muster.testbed.foreign import envoy, litellm
from muster.testbed.rig.route53 import READY_PATH

STREAMS_MAX = 300
"""The most streams: one LiteLLM worker falls behind from about 60 requests/s, the load of some 400
streams.
"""
GATEWAY_GRACE_S = 5.0


def check(config: SupervisorConfig) -> None:
    """Raises BadInput for settings that the foreign testbed does not support."""
    if config.defect is not None:
        wanted = "none: the foreign testbed has no planted defects"
        raise BadInput("configuration", "defect", config.defect, wanted)
    if config.streams > STREAMS_MAX:
        wanted = f"a scale with at most {STREAMS_MAX} streams, which is what one LiteLLM serves"
        raise BadInput("--scale", "", f"{config.scale:g} ({config.streams:,} streams)", wanted)


def lay_out(
    config: SupervisorConfig,
    ports: Ports,
    binaries: Mapping[str, Binary],
    secrets: Secrets,
    master_key: str,
) -> Layout:
    """Every process of the testbed on the ports of one block."""
    directory = Path(config.directory)
    specs: list[ProcessSpec] = [
        parts.route53(ports),
        *(parts.provider(config, ports, directory, index) for index in range(config.providers)),
    ]
    for number, region in enumerate(config.spec.regions):
        specs.append(parts.redis(ports, directory, binaries, region, number))
        specs.append(parts.toxiproxy(config, ports, binaries, region, number, 0))
        specs.append(_litellm(ports, directory, binaries, secrets, master_key, region, number))
        specs.append(_envoy(config, ports, directory, binaries, region, number))
    specs.append(parts.prometheus(config, ports, directory, binaries))
    specs.append(parts.dns(config, ports, directory))
    return layout_of(config, ports, specs)


def files(layout: Layout) -> dict[str, str]:
    """Names and texts of the configuration files of the products and of Prometheus."""
    config, ports = layout.config, layout.ports
    found = {
        "prometheus.yml": scrapes(layout),
        f"{litellm.KEYS_MODULE}.py": litellm.KEYS,
    }
    streams_max = math.ceil(config.spec.gateway.streams_limit_factor * config.streams)
    for number, region in enumerate(config.spec.regions):
        found[_litellm_file(region)] = litellm.configuration(
            (LOCAL, ports.proxy(number, 0, 0)),
            (LOCAL, ports.proxy(number, 0, 1)),
            (LOCAL, ports.proxy(number, 0, 2)),
            [*config.edges_first_token_s, *config.edges_completion_s],
        )
        made = envoy.bootstrap(
            region,
            (config.spec.regions[region].address, ports.fixed(block.CHAT)),
            (LOCAL, _envoy_port(ports, number)),
            (LOCAL, _litellm_port(ports, number)),
            streams_max,
        )
        found[_envoy_file(region)] = json.dumps(made, indent=1)
    return found


def scrapes(layout: Layout) -> str:
    """The text of `prometheus.yml`: neither product knows its region, so the scrape adds the
    label.
    """
    interval = prometheus_config.duration(layout.config.spec.scrape_interval_s)
    jobs = []
    for number, region in enumerate(layout.config.spec.regions):
        for product, port, path in (
            ("envoy", _envoy_port(layout.ports, number), "/stats/prometheus"),
            ("litellm", _litellm_port(layout.ports, number), "/metrics/"),
        ):
            jobs.append(
                {
                    "job_name": f"{product}-{region}",
                    "metrics_path": path,
                    "scrape_timeout": interval,
                    "static_configs": [
                        {"targets": [f"{LOCAL}:{port}"], "labels": {"region": region}}
                    ],
                }
            )
    return prometheus_config.of_jobs(layout, jobs)


def _litellm(
    ports: Ports,
    directory: Path,
    binaries: Mapping[str, Binary],
    secrets: Secrets,
    master_key: str,
    region: str,
    number: int,
) -> ProcessSpec:
    port = _litellm_port(ports, number)
    return ProcessSpec(
        name=f"litellm-{region}",
        kind="gateway",
        argv=litellm.arguments(
            binaries["litellm"].path, directory / _litellm_file(region), LOCAL, port
        ),
        region=region,
        ports=(port,),
        ready=f"http://{LOCAL}:{port}{envoy.HEALTH_PATH}",
        environment=litellm.environment(secrets, master_key),
        grace_s=GATEWAY_GRACE_S,
        # Its start takes all of a core for 15 s. Regions do not share machines, so it must not slow
        # down the LiteLLM of another region.
        core=number,
    )


def _envoy(
    config: SupervisorConfig,
    ports: Ports,
    directory: Path,
    binaries: Mapping[str, Binary],
    region: str,
    number: int,
) -> ProcessSpec:
    chat, admin = ports.fixed(block.CHAT), _envoy_port(ports, number)
    address = config.spec.regions[region].address
    return ProcessSpec(
        name=f"envoy-{region}",
        kind="gateway",
        argv=envoy.arguments(binaries["envoy"].path, directory / _envoy_file(region)),
        region=region,
        ports=(chat, admin),
        # Checked through the listener, so it is ready once Envoy has seen LiteLLM ready.
        ready=f"http://{address}:{chat}{READY_PATH}",
        grace_s=GATEWAY_GRACE_S,
        admin_url=f"http://{LOCAL}:{admin}",
    )


def _litellm_port(ports: Ports, number: int) -> int:
    return ports.gateway_admin(number, 0)


def _envoy_port(ports: Ports, number: int) -> int:
    return ports.gateway_admin(number, 1)


def _litellm_file(region: str) -> str:
    return f"litellm-{region}.yaml"


def _envoy_file(region: str) -> str:
    return f"envoy-{region}.json"
