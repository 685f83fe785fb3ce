"""Each part of a testbed as a process: command line, configuration, readiness. Pure."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from muster.testbed.design import ports as block
from muster.testbed.design.binaries import Binary
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.placement import defect_of
from muster.testbed.design.ports import Ports

Kind = Literal[
    "redis", "redis_replica", "sentinel", "toxiproxy", "provider", "route53", "prometheus",
    "gateway", "dns", "kubernetes",
]  # fmt: skip
ProxyKey = ("redis", "provider_primary", "provider_fallback")
LOCAL = "127.0.0.1"
PATIENCE_SHARE = 0.8
"""Of the slowest first token: few are slower by themselves, and many with a delay on the way."""


@dataclass(frozen=True)
class Proxy:
    """One proxy on one Toxiproxy."""

    name: str
    listen: str
    upstream: str


@dataclass(frozen=True)
class ProcessSpec:
    """One process: how it is started and when it is ready.

    `config` is written to `config_path` before the start. `ready` is an HTTP address that must
    answer 2xx, or (host, port) that must accept a connection. `core`: the one core that it may use,
    counted modulo those of the machine; None: any.
    """

    name: str
    kind: Kind
    argv: tuple[str, ...]
    region: str | None
    ports: tuple[int, ...]
    ready: str | tuple[str, int]
    config: Mapping[str, Any] | None = None
    config_path: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 3.0
    proxies: tuple[Proxy, ...] = ()
    admin_url: str | None = None
    core: int | None = None


@dataclass(frozen=True)
class Secrets:
    """Tokens of one testbed, generated at each start."""

    load_token: str
    canary_token: str
    control_token: str


def redis(
    ports: Ports, directory: Path, binaries: Mapping[str, Binary], region: str, number: int
) -> ProcessSpec:
    """A region's Redis, in memory only."""
    port, name = ports.redis(number), f"redis-{region}"
    return ProcessSpec(
        name=name,
        kind="redis",
        argv=redis_argv(binaries, port, directory / name),
        region=region,
        ports=(port,),
        ready=(LOCAL, port),
    )


def redis_argv(
    binaries: Mapping[str, Binary],
    port: int,
    data: Path,
    more: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, ...]:
    """A Redis server that keeps nothing on disk; `more`: settings that it has besides."""
    settings = {
        "bind": LOCAL,
        "port": port,
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "databases": 1,
        "dir": data,
        "maxclients": 1000,
        "tcp-keepalive": 60,
        "logfile": "",
        # For a replica: what it got from its primary stays in no file, and comes at once.
        "rdb-del-sync-files": "yes",
        "repl-diskless-sync": "yes",
        "repl-diskless-sync-delay": 0,
        **more,
    }
    arguments = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
    return (str(binaries["redis-server"].path), *arguments)


def toxiproxy(
    config: SupervisorConfig,
    ports: Ports,
    binaries: Mapping[str, Binary],
    region: str,
    number: int,
    shard: int,
) -> ProcessSpec:
    """One Toxiproxy of a region, with its proxies to Redis and to both routes of a provider."""
    # Shards of all regions are spread over the providers, so that after a shift the survivor's
    # shards still reach every provider.
    provider = (number * config.toxiproxies_per_region + shard) % config.providers
    upstreams = {
        "redis": f"{LOCAL}:{ports.redis(number)}",
        "provider_primary": f"{LOCAL}:{ports.provider(provider, 0)}",
        "provider_fallback": f"{LOCAL}:{ports.provider(provider, 1)}",
    }
    names = config.proxies[region]
    proxies = tuple(
        Proxy(
            name=names.get(key, key),
            listen=f"{LOCAL}:{ports.proxy(number, shard, which)}",
            upstream=upstreams[key],
        )
        for which, key in enumerate(ProxyKey)
    )
    api = ports.toxiproxy(number, shard)
    return ProcessSpec(
        name=f"toxiproxy-{region}-{shard}",
        kind="toxiproxy",
        argv=(
            str(binaries["toxiproxy-server"].path),
            "-host",
            LOCAL,
            "-port",
            str(api),
            "-runtime-metrics",
        ),
        region=region,
        ports=(api, *(ports.proxy(number, shard, which) for which in range(len(ProxyKey)))),
        ready=f"http://{LOCAL}:{api}/version",
        # One thread is enough for a few thousand streams and avoids handing work between two. Newer
        # Go listens with Multipath TCP, which no client here uses.
        environment={"LOG_LEVEL": "error", "GOMAXPROCS": "1", "GODEBUG": "multipathtcp=0"},
        proxies=proxies,
        admin_url=f"http://{LOCAL}:{api}",
    )


def provider(config: SupervisorConfig, ports: Ports, directory: Path, index: int) -> ProcessSpec:
    """One provider stub, both its routes."""
    admin = ports.provider_admin(index)
    spec = config.spec.provider
    return _python(
        f"provider-{index}",
        "provider",
        "muster.testbed.provider",
        directory,
        region=None,
        ports=(ports.provider(index, 0), ports.provider(index, 1), admin),
        ready=f"http://{LOCAL}:{admin}/metrics",
        config={
            "index": index,
            "routes": {
                "primary": [LOCAL, ports.provider(index, 0)],
                "fallback": [LOCAL, ports.provider(index, 1)],
            },
            "admin": [LOCAL, admin],
            "seed": config.seed,
            "first_token_s": {"mean": spec.first_token_s_mean, "max": spec.first_token_s_max},
            "tokens_per_s": spec.tokens_per_s,
            "chunk_s": spec.chunk_s,
            "defect": defect_of(config.defect, "provider"),
        },
        admin_url=f"http://{LOCAL}:{admin}",
    )


def gateway(
    config: SupervisorConfig,
    ports: Ports,
    directory: Path,
    secrets: Secrets,
    region: str,
    number: int,
    index: int,
) -> ProcessSpec:
    """One gateway of a region; its limits are the region's, which all its gateways share."""
    gateway, admin = config.spec.gateway, ports.gateway_admin(number, index)
    shard = index % config.toxiproxies_per_region
    limit = math.ceil(gateway.streams_limit_factor * config.streams)
    arrivals = config.arrivals_per_s * gateway.rate_limit_factor + config.canaries_per_s
    return _python(
        f"gateway-{region}-{index}",
        "gateway",
        "muster.testbed.gateway",
        directory,
        region=region,
        ports=(ports.fixed(block.CHAT), admin),
        ready=f"http://{LOCAL}:{admin}/readyz",
        grace_s=gateway.grace_s + 2.0,
        config={
            "region": region,
            "index": index,
            "listen": [config.spec.regions[region].address, ports.fixed(block.CHAT)],
            "more_addresses": config.addresses(region)[1:],
            "admin": [LOCAL, admin],
            "redis": [LOCAL, ports.proxy(_redis_of(config, region, number), shard, 0)],
            "providers": {
                "primary": [LOCAL, ports.proxy(number, shard, 1)],
                "fallback": [LOCAL, ports.proxy(number, shard, 2)],
            },
            "tokens_from": _tokens_of(config, ports, region),
            "token": secrets.load_token,
            "canary_token": secrets.canary_token,
            "gateways_in_region": config.gateways_per_region,
            "streams_limit_region": limit,
            "rate_limit_per_s_region": math.ceil(arrivals),
            "queue_s_max": gateway.queue_s_max,
            "queue_jobs_max": gateway.queue_jobs_max,
            "redis_fallback_s_max": gateway.redis_fallback_s_max,
            "first_token_timeout_s": gateway.first_token_timeout_s,
            "circuit": {"open_s": gateway.circuit_open_s},
            "shed_at_streams": max(1, math.floor(0.6 * config.streams)),
            "defect": defect_of(config.defect, "gateway", region, config.evacuate),
            "stalled_s": gateway.stalled_s,
            "patience_s": PATIENCE_SHARE * config.spec.provider.first_token_s_max,
            "build": "testbed",
            "grace_s": gateway.grace_s,
            "edges_first_token_s": config.edges_first_token_s,
            "edges_completion_s": config.edges_completion_s,
        },
        admin_url=f"http://{LOCAL}:{admin}",
    )


def _redis_of(config: SupervisorConfig, region: str, number: int) -> int:
    """The number of the region whose Redis admits the streams of `region`: its own."""
    if defect_of(config.defect, "redis", region, config.evacuate) is None:
        return number
    return list(config.spec.regions).index(config.evacuate)


def _tokens_of(config: SupervisorConfig, ports: Ports, region: str) -> list[Any] | None:
    """The process that validates the tokens of `region`'s clients; None: each gateway does."""
    if defect_of(config.defect, "tokens", region, config.evacuate) is None:
        return None
    evacuated = list(config.spec.regions).index(config.evacuate)
    return [LOCAL, ports.gateway_admin(evacuated, 0)]


def route53(ports: Ports, defect: str | None = None) -> ProcessSpec:
    """The stand-in for the Route 53 API. `defect`: the planted one, if it lives here."""
    port = ports.fixed(block.ROUTE53)
    planted = () if defect is None else ("--defect", defect)
    module = "muster.testbed.rig.route53_api"
    return ProcessSpec(
        name="route53",
        kind="route53",
        argv=(sys.executable, "-m", module, "-H", LOCAL, "-p", str(port), *planted),
        region=None,
        ports=(port,),
        ready=f"http://{LOCAL}:{port}/moto-api/data.json",
        # moto needs no credentials but must never find a user's own.
        environment={"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
    )


def prometheus(
    config: SupervisorConfig, ports: Ports, directory: Path, binaries: Mapping[str, Binary]
) -> ProcessSpec:
    """The only Prometheus."""
    port = ports.fixed(block.PROMETHEUS)
    return ProcessSpec(
        name="prometheus",
        kind="prometheus",
        argv=(
            str(binaries["prometheus"].path),
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'prometheus'}",
            "--storage.tsdb.retention.time=8h",
            "--storage.tsdb.retention.size=1GB",
            f"--web.listen-address={LOCAL}:{port}",
            "--log.level=warn",
        ),
        region=None,
        ports=(port,),
        ready=f"http://{LOCAL}:{port}/-/ready",
    )


def dns(config: SupervisorConfig, ports: Ports, directory: Path) -> ProcessSpec:
    """The name server."""
    listen, admin = ports.fixed(block.DNS), ports.fixed(block.DNS_ADMIN)
    return _python(
        "dns",
        "dns",
        "muster.testbed.dns",
        directory,
        region=None,
        ports=(listen, admin),
        ready=f"http://{LOCAL}:{admin}/readyz",
        config={
            "listen": [LOCAL, listen],
            "admin": [LOCAL, admin],
            "zone": config.zone,
            "route53_url": f"http://{LOCAL}:{ports.fixed(block.ROUTE53)}",
            "poll_s": config.spec.dns.poll_s,
            "probe_interval_s": config.spec.health_check.probe_interval_s,
            "seed": config.seed,
            "defect": defect_of(config.defect, "dns"),
            "inside": {
                address: [LOCAL, ports.gateway_admin(number, 0)]
                for number, region in enumerate(config.spec.regions)
                for address in config.addresses(region)
            },
        },
        admin_url=f"http://{LOCAL}:{admin}",
    )


def _python(
    name: str,
    kind: Kind,
    module: str,
    directory: Path,
    *,
    region: str | None,
    ports: tuple[int, ...],
    ready: str,
    config: dict[str, Any],
    grace_s: float = 3.0,
    admin_url: str | None = None,
) -> ProcessSpec:
    path = directory / "config" / f"{name}.json"
    return ProcessSpec(
        name=name,
        kind=kind,
        argv=(sys.executable, "-m", module, "--config", str(path)),
        region=region,
        ports=ports,
        ready=ready,
        config=config,
        config_path=path,
        grace_s=grace_s,
        admin_url=admin_url,
    )
