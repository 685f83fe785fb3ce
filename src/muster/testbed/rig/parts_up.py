"""The running testbed: its parts are started in order, watched, and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

import httpx

from muster.errors import BadInput
from muster.testbed.design import binaries, ports, prometheus_config, sentinel
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.layout import Layout, endpoints, lay_out, load_file_sd, toxiproxy_port
from muster.testbed.design.parts import LOCAL, Kind, ProcessSpec, Secrets
from muster.testbed.design.placement import defect_of
from muster.testbed.design.ports import Ports
from muster.testbed.rig import providers, route53
from muster.testbed.rig.control import Control
from muster.testbed.rig.planted_region import region_of
from muster.testbed.rig.processes import Child, StartError, death_of, write_private
from muster.testbed.rig.regions import Region, RegionParts
from muster.testbed.rig.small_http import serve
from muster.testbed.rig.state import State, write_state
from muster.testbed.rig.toxiproxies import Front, create_proxies
from muster.testbed.rig.waiting import await_ready

LOGS = "logs"
DEATHS = "deaths.json"
TROUBLED: tuple[Kind, ...] = ("provider", "dns")
"""The kinds of part that can be told to fail."""
_FIRST: tuple[Kind, ...] = (
    "redis", "redis_replica", "sentinel", "toxiproxy", "route53", "provider", "prometheus"
)  # fmt: skip
_DNS_GAUGE = re.compile(r'^muster_dns_region_(weight|healthy)\{region="([^"]+)"\} (\S+)$', re.M)


class Rig:
    """Every part of one testbed. `stop` is set by POST /shutdown.

    Another kind of platform overrides the methods from `programs` to `region`.
    """

    def __init__(self, config: SupervisorConfig, stop: asyncio.Event) -> None:
        self._config = config
        self._stop = stop
        self._started_at = time.time()
        self._secrets = Secrets(*(secrets.token_urlsafe(18) for _ in range(3)))
        self._layout: Layout | None = None
        self._versions: dict[str, str] = {}
        self._children: dict[str, Child] = {}
        self._regions: dict[str, Region] = {}
        self._servers: list[asyncio.Server] = []
        self._guard: socket | None = None
        self._client = httpx.AsyncClient(trust_env=False)
        self._deaths: list[dict[str, Any]] = []
        self._ready = False

    async def start(self, progress: Callable[[str], None]) -> None:
        """Start everything. Raises BadInput (a port, a program) or StartError (a part)."""
        programs = self.programs()
        self._versions = {name: binary.version for name, binary in programs.items()}
        layout = self._layout = self._claim(programs)
        self._prepare_files(layout)
        for spec in layout.processes:
            self._children[spec.name] = self.child(spec)
        self._regions = {name: self.region(name) for name in layout.addresses}
        self._write_state()
        progress(f"ports {layout.ports.base} to {layout.ports.base + ports.BLOCK - 1}")
        await self.before_parts(layout, progress)
        await self._bring_up(_FIRST)
        await asyncio.gather(
            *(self.proxies(spec) for spec in layout.of("toxiproxy")),
            asyncio.to_thread(self._seed, layout),
            *(region.await_replica() for region in self._regions.values()),
        )
        progress("Redis, Toxiproxy, Route 53, provider and Prometheus are up")
        await self._bring_up(("gateway",))
        await self._bring_up(("dns",))
        await asyncio.gather(*(region.warm() for region in self._regions.values()))
        await self._serve(layout)
        self._ready = True
        self._write_state()
        progress(f"{len(layout.of('gateway'))} gateways and the name server are up")

    def programs(self) -> dict[str, binaries.Binary]:
        """Every program that the testbed needs. Raises BadInput for one that is missing."""
        return binaries.find_all()

    def lay_out(self, at: Ports, programs: dict[str, binaries.Binary]) -> Layout:
        """Every process on the ports of one block."""
        return lay_out(self._config, at, programs, self._secrets)

    def files(self, layout: Layout) -> dict[str, str]:
        """Names and texts of the files that are written into the testbed's directory before the
        start.
        """
        found = {"prometheus.yml": prometheus_config.render(layout)}
        if self._config.spec.redis.sentinel:
            found |= sentinel.settings(self._config, layout.ports, layout.directory)
        return found

    def child(self, spec: ProcessSpec) -> Child:
        """What starts the part `spec`."""
        return Child(spec, Path(self._config.directory) / LOGS, self._died)

    async def before_parts(self, layout: Layout, progress: Callable[[str], None]) -> None:
        """What must run before the first part is started. Raises BadInput or StartError."""

    async def proxies(self, spec: ProcessSpec) -> None:
        """Give a Toxiproxy that has just started its proxies. Raises StartError."""
        await create_proxies(self._client, spec)

    def endpoints(self, layout: Layout) -> dict[str, Any]:
        """What a target's placeholders are filled with."""
        return endpoints(layout, self._secrets)

    def region(self, name: str) -> Region:
        """The switch of the region `name`."""
        defect = defect_of(self._config.defect, "region", name, self._config.evacuate)
        return region_of(defect)(self.parts_of(name))

    def parts_of(self, region: str) -> RegionParts:
        """What every kind of switch needs."""
        return RegionParts(
            name=region,
            gateways=tuple(self._of("gateway", region)),
            redis=tuple(self._of("redis", region)),
            toxiproxies=tuple(self._of("toxiproxy", region)),
            prometheus=tuple(self._of("prometheus")),
            client=self._client,
            ready_s_max=self._config.spec.ready_s_max,
            standby=(*self._of("redis_replica", region), *self._of("sentinel", region)),
        )

    async def end(self) -> None:
        """Stop everything; returns when no part is left."""
        self._ready = False
        for server in self._servers:
            server.close()
        await asyncio.gather(*(region.close() for region in self._regions.values()))
        await asyncio.gather(*(child.end() for child in self._children.values()))
        await self._client.aclose()
        if self._guard is not None:
            self._guard.close()

    def _claim(self, programs: dict[str, binaries.Binary]) -> Layout:
        """A block of ports, bound, and the layout on it. Raises BadInput if one is in use."""
        base = self._config.spec.port_base
        if base:
            return self._claim_block(base, programs)
        for candidate in ports.free_blocks():
            try:
                return self._claim_block(candidate, programs)
            except BadInput as error:
                last = error
        raise last

    def _claim_block(self, base: int, programs: dict[str, binaries.Binary]) -> Layout:
        layout = self.lay_out(Ports(base), programs)
        guard = ports.hold(base)
        try:
            ports.check(list(layout.wishes))
        except BadInput:
            guard.close()
            raise
        self._guard = guard
        return layout

    def _prepare_files(self, layout: Layout) -> None:
        directory = layout.directory
        for region in layout.addresses:
            (directory / f"redis-{region}").mkdir()
        shown = load_file_sd(directory)
        shown.parent.mkdir()
        shown.write_text("[]\n", encoding="utf-8")
        for spec in layout.of("redis_replica"):
            (directory / spec.name).mkdir()
        for name, text in self.files(layout).items():
            write_private(directory / name, text)
        if self._config.spec.redis.sentinel:
            for name, text in sentinel.scripts(self._config, layout.of("toxiproxy")).items():
                write_private(directory / name, text, mode=0o700)

    async def _bring_up(self, kinds: tuple[Kind, ...]) -> None:
        children = [child for kind in kinds for child in self._of(kind)]
        await asyncio.gather(*(child.start() for child in children))
        seconds_max = self._config.spec.ready_s_max
        await asyncio.gather(*(await_ready(self._client, one, seconds_max) for one in children))

    def _seed(self, layout: Layout) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            route53.seed(
                f"http://{LOCAL}:{layout.ports.fixed(ports.ROUTE53)}",
                zone=self._config.zone,
                record=self._config.record,
                addresses={region: self._config.addresses(region) for region in layout.addresses},
                port=layout.ports.fixed(ports.CHAT),
                spec=self._config.spec,
            )
        except (BotoCoreError, ClientError) as error:
            raise StartError(f"route53: {error}") from error

    async def _serve(self, layout: Layout) -> None:
        """The control API, and a Toxiproxy front for a region with several servers."""
        control = Control(
            self._secrets.control_token,
            self._regions,
            status=self.status,
            shutdown=self._stop.set,
            changed=self._write_state,
            troubles={
                "steering": partial(
                    route53.trouble, self._client, layout.ports.fixed(ports.ROUTE53)
                ),
                **{
                    kind: partial(providers.trouble, self._client, layout.of(kind))
                    for kind in TROUBLED
                },
            },
        )
        port = layout.ports.fixed(ports.CONTROL)
        self._servers.append(await serve(LOCAL, port, control.handle))
        if self._config.toxiproxies_per_region > 1:
            for number, region in enumerate(layout.addresses):
                front = Front(self._client, layout.of("toxiproxy", region))
                port = toxiproxy_port(self._config, layout.ports, number)
                self._servers.append(await serve(LOCAL, port, front.handle))

    async def status(self) -> dict[str, Any]:
        """state.json's content, with what can only be learned by asking the parts."""
        assert self._layout is not None
        shown = await asyncio.gather(*(region.show() for region in self._regions.values()))
        drains = await asyncio.gather(
            *(region.drain_state() for region in self._regions.values()), return_exceptions=True
        )
        regions = {
            entry["region"]: {**entry, "drain": drain if isinstance(drain, str) else "unknown"}
            for entry, drain in zip(shown, drains, strict=True)
        }
        for name, figures in (await self._dns_figures()).items():
            regions.setdefault(name, {}).update(figures)
        return {
            **json.loads(self._state().to_json()),
            "regions": regions,
            "usage": {name: child.usage() for name, child in self._children.items()},
            "supervisor_cpu_s": round(time.process_time(), 2),
        }

    async def _dns_figures(self) -> dict[str, dict[str, Any]]:
        """Weight and health of each region as the name server has them; empty if it does not
        answer.
        """
        layout = self._layout
        assert layout is not None
        url = f"http://{LOCAL}:{layout.ports.fixed(ports.DNS_ADMIN)}/metrics"
        try:
            text = (await self._client.get(url, timeout=2.0)).text
        except httpx.HTTPError:
            return {}
        found: dict[str, dict[str, Any]] = {}
        for what, region, value in _DNS_GAUGE.findall(text):
            found.setdefault(region, {})[what] = (
                int(float(value)) if what == "weight" else float(value) == 1.0
            )
        return found

    def _of(self, kind: Kind, region: str | None = None) -> list[Child]:
        assert self._layout is not None
        return [self._children[spec.name] for spec in self._layout.of(kind, region)]

    def _died(self, child: Child, pid: int, exit_code: int) -> None:
        death = death_of(child, pid, exit_code)
        self._deaths.append(death)
        directory = Path(self._config.directory)
        (directory / DEATHS).write_text(json.dumps(self._deaths, indent=1), encoding="utf-8")
        self._write_state()
        print(f"{child.spec.name} (pid {pid}) ended by itself with {exit_code}", flush=True)

    def _write_state(self) -> None:
        write_state(Path(self._config.directory), self._state())

    def _state(self) -> State:
        config, layout = self._config, self._layout
        return State(
            name=config.name,
            ready=self._ready,
            pid=os.getpid(),
            started_at=self._started_at,
            owner=config.owner,
            profile=config.profile,
            scale=config.scale,
            seed=config.seed,
            defect=config.defect,
            endpoints=self.endpoints(layout) if layout else {},
            processes=tuple(child.state() for child in self._children.values()),
            versions=self._versions,
            shape={
                "streams": config.streams,
                "gateways_per_region": config.gateways_per_region,
                "toxiproxies_per_region": config.toxiproxies_per_region,
                "providers": config.providers,
                "addresses_per_region": config.addresses_per_region,
            },
            deaths=tuple(self._deaths),
        )
