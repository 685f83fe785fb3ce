"""The testbed's switch of a region: one verb at a time, and what a cut-short one leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from dataplane_fixtures import free_port
from testbed_peers import small_target, start

from muster import testbed
from muster.testbed.design.parts import ProcessSpec
from muster.testbed.rig import planted_region, regions
from muster.testbed.rig.control import Control
from muster.testbed.rig.planted_region import HalfBack, LitInDark
from muster.testbed.rig.processes import Child, StartError
from muster.testbed.rig.regions import Region, RegionError, RegionParts
from muster.testbed.rig.small_http import Request

SERVES = """
import http.server, signal, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
def leave(number, frame):
    time.sleep(float(sys.argv[2])); raise SystemExit(0)
signal.signal(signal.SIGTERM, leave)
server.serve_forever(0.02)
"""


def a_child(tmp_path: Path, name: str, leaves_s: float = 0.0, config=None) -> Child:
    """A process that is ready soon and takes `leaves_s` to end."""
    port = free_port()
    spec = ProcessSpec(
        name=name,
        kind="gateway",
        argv=(sys.executable, "-c", SERVES, str(port), str(leaves_s)),
        region="eu",
        ports=(port,),
        ready=f"http://127.0.0.1:{port}/",
        config=config,
        config_path=tmp_path / f"{name}.json" if config else None,
    )
    return Child(spec, tmp_path, lambda child, pid, exit_code: None)


@pytest.mark.skipif(sys.platform != "linux", reason="cores are Linux's to give")
def test_a_part_with_a_core_keeps_to_it(tmp_path: Path) -> None:
    """Its number counts modulo the machine's; a part without one may use them all."""
    own = sorted(os.sched_getaffinity(0))

    async def cores(core: int | None) -> set[int]:
        child = a_child(tmp_path, f"on-{core}")
        child.spec = replace(child.spec, core=core)
        await child.start()
        try:
            assert child.pid is not None
            return os.sched_getaffinity(child.pid)
        finally:
            await child.kill()

    assert asyncio.run(cores(None)) == set(own)
    assert asyncio.run(cores(0)) == {own[0]}
    assert asyncio.run(cores(len(own) + 1)) == {own[1 % len(own)]}


def run(tmp_path: Path, body, kind: type[Region] = Region, leaves_s: float = 0.0) -> None:
    """`body` with a region of one gateway and its control; everything is ended after it."""

    async def main() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            gateway = a_child(tmp_path, "gateway", leaves_s, {"streams_limit_region": 300})
            redis = a_child(tmp_path, "redis")
            region = kind(RegionParts("eu", (gateway,), (redis,), (), (), client, 45.0))

            async def status():
                return {}

            control = Control(
                "t",
                {"eu": region},
                status=status,
                shutdown=lambda: None,
                changed=lambda: None,
            )
            try:
                await region.start()
                await body(region, control, gateway)
            finally:
                await region.close()
                await asyncio.gather(gateway.kill(), redis.kill())

    asyncio.run(main())


def post(control: Control, verb: str):
    """The answer of the control API to a verb."""
    request = Request("POST", f"/regions/eu/{verb}", {"authorization": "Bearer t"}, b"")
    return control.handle(request)


async def asked(gateway: Child) -> None:
    """Until the gateway was asked to end."""
    while not gateway._asked_to_end:
        await asyncio.sleep(0.001)


def test_a_start_waits_for_the_stop_that_is_under_way(tmp_path: Path) -> None:
    """Asked to start while the gateway still ends: it ends, and a new one is ready."""

    async def body(region: Region, control: Control, gateway: Child) -> None:
        before = gateway.pid
        stopping = asyncio.create_task(post(control, "stop"))
        await asked(gateway)
        answer = await post(control, "start")
        assert (answer.status, answer.body["power"], answer.body["ready"]) == (200, "on", True)
        assert gateway.pid not in (None, before)
        assert (await stopping).status == 200

    run(tmp_path, body, leaves_s=0.5)


def test_a_stop_goes_on_when_whoever_asked_for_it_is_gone(tmp_path: Path) -> None:
    """Cut off in its middle it would leave a gateway that neither serves nor ends."""

    async def body(region: Region, control: Control, gateway: Child) -> None:
        stopping = asyncio.create_task(post(control, "stop"))
        await asked(gateway)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        answer = await post(control, "start")
        assert (answer.status, answer.body["ready"]) == (200, True)

    run(tmp_path, body, leaves_s=0.5)


def test_a_process_that_was_asked_to_end_is_not_taken_for_one_that_runs(tmp_path: Path) -> None:
    """A start after half a stop waits for its end and begins anew."""

    async def body(region: Region, control: Control, gateway: Child) -> None:
        before = gateway.pid
        ending = asyncio.create_task(gateway.end())
        await asked(gateway)
        ending.cancel()
        await gateway.start()
        assert gateway.pid not in (None, before)

    run(tmp_path, body, leaves_s=0.5)


def test_a_region_that_stays_busy_is_an_error_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for another verb is bounded, and names it."""
    monkeypatch.setattr(regions, "BUSY_S_MAX", 0.05)

    async def body(region: Region, control: Control, gateway: Child) -> None:
        region.ready_s_max = 0.05
        async with region._alone("stop"):
            answer = await post(control, "start")
            assert answer.status == 409
            assert "eu: start: stop is still under way" in answer.body["error"]
            with pytest.raises(RegionError):
                await region.kill()
        region.ready_s_max = 45.0
        assert (await post(control, "start")).status == 200

    run(tmp_path, body)


def test_a_part_that_does_not_get_ready_is_ended_so_that_the_next_start_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs as it starts would stay not ready for every later start."""

    async def never(client, child, seconds_max):
        raise StartError(f"{child.spec.name} not ready after {seconds_max:g} s")

    async def body(region: Region, control: Control, gateway: Child) -> None:
        await region.stop()
        with monkeypatch.context() as patch:
            patch.setattr(regions, "await_ready", never)
            answer = await post(control, "start")
            assert (answer.status, "not ready after 45 s" in answer.body["error"]) == (500, True)
        answer = await post(control, "start")
        assert (answer.status, answer.body["ready"]) == (200, True)

    run(tmp_path, body)


def test_a_region_with_the_defect_lights_itself_and_goes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped, it starts after a while and stops again; a real start ends the trick."""
    monkeypatch.setattr(planted_region, "LIT_AFTER_S", 0.05)
    monkeypatch.setattr(planted_region, "LIT_FOR_S", 0.05)

    async def body(region: Region, control: Control, gateway: Child) -> None:
        answer = await post(control, "stop")
        assert answer.body["power"] == "off"
        while gateway.pid is None:
            await asyncio.sleep(0.005)
        while gateway.pid is not None:
            await asyncio.sleep(0.005)
        await post(control, "stop")
        answer = await post(control, "start")
        assert (answer.body["power"], answer.body["ready"]) == ("on", True)
        await asyncio.sleep(0.2)
        assert (await region.show())["ready"]

    run(tmp_path, body, LitInDark)


def test_a_region_with_the_defect_comes_back_with_a_quarter(tmp_path: Path) -> None:
    """Its first start is whole; after a stop its gateways are told of a quarter of the streams."""

    async def body(region: Region, control: Control, gateway: Child) -> None:
        assert (gateway.spec.config or {})["streams_limit_region"] == 300
        for _ in range(2):
            await post(control, "stop")
            answer = await post(control, "start")
            assert answer.body["power"] == "on"
        assert (gateway.spec.config or {})["streams_limit_region"] == 18

    run(tmp_path, body, HalfBack)


needs_programs = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("prometheus") is None,
    reason="redis-server or prometheus is missing: make setup",
)


@pytest.fixture
def control_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A small testbed's control API."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path))
    state = start(small_target("switch"))
    token = state.endpoints["control_token"]
    try:
        with httpx.Client(
            base_url=state.endpoints["control_url"],
            headers={"Authorization": f"Bearer {token}"},
            timeout=100.0,
            trust_env=False,
        ) as client:
            yield client
    finally:
        testbed.down("switch")


@needs_programs
def test_a_killed_callers_stop_keeps_no_region_dark(control_of: httpx.Client) -> None:
    """The caller of a stop goes away at once; the start that follows brings the region back."""
    for patience_s in (0.001, 0.05):
        # A quick machine may answer before the caller's patience is over.
        with contextlib.suppress(httpx.TimeoutException):
            control_of.post("/regions/eu-west-1/stop", timeout=patience_s)
        answer = control_of.post("/regions/eu-west-1/start")
        assert answer.status_code == 200
        assert answer.json()["ready"] is True
