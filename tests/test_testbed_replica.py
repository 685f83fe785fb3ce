"""An open port of a Sentinel does not mean that it would promote: the start waits for that."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from dataplane_fixtures import free_port

from muster.testbed.rig.primary import await_replica, follow_primary
from muster.testbed.rig.processes import StartError

REGION = "eu-west-1"
pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is missing: make setup"
)


def test_a_sentinel_without_a_replica_is_not_ready(tmp_path: Path) -> None:
    """It answers, and the start ends with its name and the time that was given."""
    port = free_port()
    conf = tmp_path / "sentinel.conf"
    conf.write_text(f"port {port}\nsentinel monitor {REGION} 127.0.0.1 {free_port()} 1\n")
    argv = ["redis-server", str(conf), "--sentinel"]
    process = subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.DEVNULL)
    spec = SimpleNamespace(name=f"sentinel-{REGION}", region=REGION, ports=(port,))
    child: Any = SimpleNamespace(spec=spec, pid=process.pid)
    try:
        asyncio.run(_accepts(port))
        with pytest.raises(StartError, match=f"sentinel-{REGION}: no replica after 0.3 s"):
            asyncio.run(await_replica(child, 0.3))
        spec.region = "elsewhere"
        with pytest.raises(
            StartError, match=f"sentinel-{REGION}: ValueError it watches no primary"
        ):
            asyncio.run(follow(child))
    finally:
        process.kill()
        process.wait(10)
    with pytest.raises(StartError, match=f"sentinel-{REGION}: ConnectionError"):
        asyncio.run(await_replica(child, 0.3))


async def follow(child: Any) -> None:
    """Move no proxy at all to where the primary is."""
    async with httpx.AsyncClient() as client:
        await follow_primary(client, child, ())


async def _accepts(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                return
            except OSError:
                await asyncio.sleep(0.05)
