"""A region's second Redis, and the Sentinel that promotes it and moves the region's proxies to it.

One Sentinel decides alone (a quorum of 1), so that a testbed stays small. It moves the address by
its `client-reconfig-script`, as one that moves a virtual address or tells a load balancer does: the
gateways keep the address of the proxy. Only a target with `testbed.redis.sentinel` has them. Pure.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from muster.errors import BadInput
from muster.testbed.design.binaries import Binary
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.parts import LOCAL, ProcessSpec, redis_argv
from muster.testbed.design.placement import defect_of
from muster.testbed.design.ports import Ports

TOXIPROXIES_MAX = 3
"""Of a region, so that the block of ports has room for the two processes."""
FAILOVER_S_MAX = 10
SCRIPT = """\
#!{python} -IS
\"\"\"Sentinel calls it when it promotes: the proxies lead to the new primary from then on.\"\"\"
import json, sys, urllib.request

name, role, state, from_host, from_port, to_host, to_port = sys.argv[1:8]
body = json.dumps({{"upstream": f"{{to_host}}:{{to_port}}"}}).encode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
for url in {urls!r}:
    opener.open(urllib.request.Request(url, body, {{"User-Agent": "muster"}}), timeout=5).close()
"""


def replica(
    ports: Ports, directory: Path, binaries: Mapping[str, Binary], region: str, number: int
) -> ProcessSpec:
    """A Redis that follows the region's own from its start."""
    port, name = ports.redis_replica(number), f"redis-replica-{region}"
    settings = {"replicaof": f"{LOCAL} {ports.redis(number)}"}
    return ProcessSpec(
        name=name,
        kind="redis_replica",
        argv=redis_argv(binaries, port, directory / name, settings),
        region=region,
        ports=(port,),
        ready=(LOCAL, port),
    )


def sentinel(
    config: SupervisorConfig,
    ports: Ports,
    directory: Path,
    binaries: Mapping[str, Binary],
    region: str,
    number: int,
) -> ProcessSpec:
    """The Sentinel of a region. Raises BadInput if its ports are taken by Toxiproxies."""
    if config.toxiproxies_per_region > TOXIPROXIES_MAX:
        wanted = f"false for a load that needs over {TOXIPROXIES_MAX} Toxiproxies in a region"
        raise BadInput(f"target {config.name}", "testbed.redis.sentinel", True, wanted)
    port = ports.sentinel(number)
    return ProcessSpec(
        name=f"sentinel-{region}",
        kind="sentinel",
        argv=(
            str(binaries["redis-server"].path),
            str(directory / _conf(region)),
            "--sentinel",
        ),
        region=region,
        ports=(port,),
        ready=(LOCAL, port),
    )


def settings(config: SupervisorConfig, ports: Ports, directory: Path) -> dict[str, str]:
    """The configuration file of each Sentinel, by its name in the testbed's directory."""
    found, silent_ms = {}, config.spec.redis.down_after_s * 1000
    for number, region in enumerate(config.spec.regions):
        lines = (
            f"bind {LOCAL}",
            f"port {ports.sentinel(number)}",
            f"dir {directory / f'sentinel-{region}'}",
            'logfile ""',
            f"sentinel monitor {region} {LOCAL} {ports.redis(number)} 1",
            # Else it is found out only by the next INFO, which may be 10 s later.
            f"sentinel known-replica {region} {LOCAL} {ports.redis_replica(number)}",
            f"sentinel down-after-milliseconds {region} {silent_ms:.0f}",
            f"sentinel failover-timeout {region} {FAILOVER_S_MAX * 1000}",
            f"sentinel client-reconfig-script {region} {directory / _script(region)}",
        )
        found[_conf(region)] = "\n".join(lines) + "\n"
    return found


def scripts(config: SupervisorConfig, toxiproxies: Sequence[ProcessSpec]) -> dict[str, str]:
    """The program that moves the proxies of each region, by its name as above.

    With the planted defect `address_stays` it moves none.
    """
    found = {}
    for region in config.spec.regions:
        proxy = config.proxies[region].get("redis", "redis")
        urls = [
            f"{spec.admin_url}/proxies/{proxy}" for spec in toxiproxies if spec.region == region
        ]
        if defect_of(config.defect, "sentinel", region):
            urls = []
        found[_script(region)] = SCRIPT.format(python=sys.executable, urls=urls)
    return found


def _conf(region: str) -> str:
    return f"sentinel-{region}/sentinel.conf"


def _script(region: str) -> str:
    return f"sentinel-{region}/move"
