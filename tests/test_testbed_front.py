"""Several real Toxiproxies behind one API: a change reaches all of them, or it is an error."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from testbed_peers import until

from muster.errors import BadInput
from muster.faults.toxiproxy import ProxyHandle
from muster.testbed.design import ports
from muster.testbed.design.binaries import WANTED, find
from muster.testbed.design.parts import ProcessSpec, Proxy
from muster.testbed.rig.processes import StartError
from muster.testbed.rig.small_http import serve
from muster.testbed.rig.toxiproxies import Front, create_proxies

TOXIPROXY = next(wanted for wanted in WANTED if wanted.name == "toxiproxy-server")


@contextmanager
def held_block() -> Iterator[int]:
    """A block of ports that nobody else takes meanwhile."""
    for base in ports.free_blocks():
        try:
            guard = ports.hold(base)
        except BadInput:
            continue
        with guard:
            yield base
        return
    raise AssertionError("no free block of ports")


@pytest.fixture
def shards() -> Iterator[list[ProcessSpec]]:
    """Two Toxiproxies without proxies, on free ports; the third port of each is the front's."""
    try:
        binary = find(TOXIPROXY)
    except BadInput as error:
        pytest.skip(str(error))
    with ExitStack() as stack:
        base = stack.enter_context(held_block())
        specs = []
        for shard in range(2):
            first = base + 10 * shard
            specs.append(
                ProcessSpec(
                    name=f"toxiproxy-{shard}",
                    kind="toxiproxy",
                    argv=(str(binary.path), "-host", "127.0.0.1", "-port", str(first)),
                    region="eu",
                    ports=(first, first + 1),
                    ready=f"http://127.0.0.1:{first}/version",
                    proxies=(Proxy("redis", f"127.0.0.1:{first + 1}", f"127.0.0.1:{first + 2}"),),
                    admin_url=f"http://127.0.0.1:{first}",
                )
            )
        for spec in specs:
            process = subprocess.Popen(
                spec.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
        for spec in specs:
            until(lambda spec=spec: answers(str(spec.ready)))
        yield specs


def answers(url: str) -> bool:
    """Whether it answers 2xx."""
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def shown(spec: ProcessSpec) -> dict[str, Any]:
    """That server's own view of its proxy."""
    answer: dict[str, Any] = httpx.get(f"{spec.admin_url}/proxies/redis", trust_env=False).json()
    return answer


def test_proxies_are_made_and_read_back(shards: list[ProcessSpec]) -> None:
    """A proxy that cannot listen is an error, not a proxy that is missing later."""

    async def body() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await create_proxies(client, shards[0])
            with pytest.raises(StartError, match=r"toxiproxy-0: redis: .*already exists"):
                await create_proxies(client, shards[0])

    asyncio.run(body())
    assert shown(shards[0])["upstream"] == shards[0].proxies[0].upstream


def test_a_fault_bites_in_every_shard(shards: list[ProcessSpec]) -> None:
    """The drill's own Toxiproxy client works through the front; each server shows the change."""

    def use(url: str) -> None:
        handle = ProxyHandle(url, "redis", 3.0)
        before = handle.state()
        handle.set_enabled(False)
        assert [shown(spec)["enabled"] for spec in shards] == [False, False]
        handle.set_enabled(True)
        handle.add_toxic("slow", "latency", "downstream", {"latency": 100, "jitter": 5})
        assert [len(shown(spec)["toxics"]) for spec in shards] == [1, 1]
        assert handle.remove_toxic("slow", before) == "removed"
        handle.add_toxic("slow", "latency", "downstream", {"latency": 100, "jitter": 5})
        handle.recreate(before)
        for spec in shards:
            assert shown(spec)["toxics"] == []
            assert shown(spec)["listen"] == spec.proxies[0].listen
            assert shown(spec)["upstream"] == spec.proxies[0].upstream

    asyncio.run(through_front(shards, use))


def test_servers_that_disagree_are_an_error(shards: list[ProcessSpec]) -> None:
    """One server that lost the change, or is away: 502, so that no fault is taken for proven."""

    def use(url: str) -> None:
        off = {"enabled": False}
        httpx.post(f"{shards[1].admin_url}/proxies/redis", json=off, trust_env=False)
        answer = httpx.get(f"{url}/proxies/redis", trust_env=False)
        assert answer.status_code == 502
        assert "disagree" in answer.json()["error"]
        httpx.delete(f"{shards[1].admin_url}/proxies/redis", trust_env=False)
        # Deleting what one of them has lost already is done when it is gone everywhere.
        assert httpx.delete(f"{url}/proxies/redis", trust_env=False).status_code == 204
        assert httpx.delete(f"{url}/proxies/redis", trust_env=False).status_code == 404

    asyncio.run(through_front(shards, use))


async def through_front(shards: list[ProcessSpec], use: Any) -> None:
    """Run `use` in a thread with the address of a front for `shards`."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for spec in shards:
            await create_proxies(client, spec)
        port = shards[0].ports[0] + 5
        server = await serve("127.0.0.1", port, Front(client, shards).handle)
        try:
            await asyncio.to_thread(use, f"http://127.0.0.1:{port}")
        finally:
            server.close()
