"""The testbed as real processes: up, used, broken and taken down."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from testbed_peers import (
    SCALE,
    alive,
    ask,
    descriptors,
    left_in,
    pids,
    region_of_answer,
    small_target,
    start,
    until,
)

from muster import targets, testbed
from muster.errors import BadInput
from muster.platform.steering.route53 import Route53
from muster.testbed.design import ports
from muster.testbed.design.ports import Wish
from muster.testbed.rig.state import State, directory_of

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("prometheus") is None,
    reason="redis-server or prometheus is missing: make setup",
)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State and temporary files of whatever the test starts, below tmp_path."""
    for name in ("state", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    return tmp_path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """One testbed for the tests that leave it as they found it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSTER_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        state = start(small_target("shared"))
        try:
            yield state
        finally:
            testbed.down("shared")


def control(state: State, method: str, path: str, **more: object) -> httpx.Response:
    """One call of the control API."""
    token = state.endpoints["control_token"]
    return httpx.request(
        method,
        state.endpoints["control_url"] + path,
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
        trust_env=False,
        **more,  # type: ignore[arg-type]
    )


def steering(state: State) -> Route53:
    """The drill's own steering, on that testbed."""
    return Route53(targets.resolve(small_target("x"), testbed=state.endpoints).steering)


def block_of(state: State) -> int:
    """The first port of the testbed's block."""
    return int(state.endpoints["chat_port"])


def assert_nothing_left(state: State, places: Path) -> None:
    """No process, no port, no file."""
    assert [pid for pid in pids(state) if alive(pid)] == []
    assert left_in(places) == ["state", "tmp"]
    base = block_of(state)
    try:
        guard = ports.hold(base)
    except BadInput:
        # Its holder was ended above: a testbed of another test has taken the block meanwhile.
        return
    with guard:
        rest = [base + offset for offset in range(ports.BLOCK) if offset != ports.GUARD]
        for host in ("127.0.0.1", "127.0.1.1", "127.0.2.1"):
            ports.check([Wish("test", host, port) for port in rest])
        ports.check([Wish("test", "127.0.0.1", base + ports.DNS, udp=True)])


def test_up_then_down_leaves_nothing(places: Path) -> None:
    """After `down` no process, port or file of the testbed is left; a second `down` says so."""
    before = descriptors()
    state = start(small_target("plain"))
    assert state.ready
    assert all(alive(pid) for pid in pids(state))
    assert testbed.status("plain") == state
    assert testbed.down("plain") is True
    assert_nothing_left(state, places)
    assert testbed.down("plain") is False
    assert testbed.status("plain") is None
    # Fewer is fine: what earlier tests dropped may have been collected meanwhile.
    assert descriptors() <= before


def test_a_killed_supervisor_takes_its_parts_along_and_the_next_one_ends_by_itself(
    places: Path,
) -> None:
    """SIGKILL of the supervisor: every part dies, nobody takes the leftovers for a testbed.

    The next one on the same place comes up, and ends by itself.
    """
    state = start(small_target("killed"))
    os.kill(state.pid, signal.SIGKILL)
    os.waitpid(state.pid, 0)
    until(lambda: not any(alive(pid) for pid in pids(state)))
    assert testbed.status("killed") is None
    again = start(small_target("killed", lifetime_s_max=1.0))
    assert again.ready
    # A testbed that everybody forgot ends after its lifetime.
    os.waitpid(again.pid, 0)
    assert_nothing_left(again, places)


def test_two_stand_side_by_side(running: State, places: Path) -> None:
    """A second testbed with port_base 0 takes another block; each ends alone.

    SIGINT to the supervisor takes everything down, as SIGTERM does for `down`.
    """
    second = start(small_target("second"))
    assert abs(block_of(second) - block_of(running)) >= ports.BLOCK
    os.kill(second.pid, signal.SIGINT)
    os.waitpid(second.pid, 0)
    assert_nothing_left(second, places)
    assert all(alive(pid) for pid in pids(running))
    assert ask(running).rr


def held(host: str, offset: int) -> tuple[int, socket.socket]:
    """A block that no other testbed has, and a listener on that port of it.

    Other tests look for blocks at the same time: one that is taken meanwhile is passed over.
    """
    for base in ports.free_blocks():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", base + 99)) == 0:
                continue
        holder = socket.socket()
        try:
            holder.bind((host, base + offset))
        except OSError:
            holder.close()
            continue
        holder.listen()
        return base, holder
    raise AssertionError("no block of ports is free")


@pytest.mark.parametrize(
    ("offset", "wants"),
    [(ports.CHAT, "chat of eu-west-1"), (ports.PROMETHEUS, "prometheus"), (99, "guard")],
)
def test_a_taken_port_is_one_line_and_nothing_stays(places: Path, offset: int, wants: str) -> None:
    """A port that someone else holds is named, with who wants it; nothing was started."""
    base, holder = held("127.0.1.1" if offset == ports.CHAT else "127.0.0.1", offset)
    with holder:
        with pytest.raises(BadInput, match=rf"^port {base + offset}: got .*{wants}") as caught:
            start(small_target("taken", port_base=base))
        assert f"pid {os.getpid()}" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert testbed.status("taken") is None
    assert left_in(places) == ["state", "tmp"]


def test_an_interrupted_up_leaves_nothing(places: Path) -> None:
    """SIGINT while it comes up: `up` returns only when nothing is left."""
    script = (
        "import signal, sys, time; sys.path.insert(0, sys.argv[1])\n"
        # Who starts the tests in the background of a shell has them ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from testbed_peers import small_target, start\n"
        "import muster.testbed.api as api\n"
        "follow = api._follow\n"
        "def said(line):\n"
        "    print(line, flush=True)\n"
        "    for _ in range(600):\n"
        "        time.sleep(0.1)\n"
        "def loud(a, b, c, progress):\n"
        "    return follow(a, b, c, said)\n"
        "api._follow = loud\n"
        "start(small_target('cut'))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith(b"ports ")
    state = until(lambda: testbed.status("cut"))
    child.send_signal(signal.SIGINT)
    assert child.wait(60) != 0
    child.stdout.close()
    assert [pid for pid in pids(state) if alive(pid)] == []
    assert testbed.status("cut") is None


def test_an_up_that_is_killed_leaves_nothing(places: Path) -> None:
    """SIGKILL of whoever starts it, before it is ready: the supervisor ends by itself."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from testbed_peers import small_target, start\n"
        "start(small_target('orphan'))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(Path(__file__).parent)])
    state = until(lambda: testbed.status("orphan"))
    child.kill()
    child.wait()
    until(lambda: testbed.status("orphan") is None, 60)
    until(lambda: not any(alive(pid) for pid in pids(state)))


def test_every_endpoint_is_reachable(running: State) -> None:
    """Prometheus, Route 53, DNS, Toxiproxy, Redis through its proxy, readiness: all answer."""
    ends = running.endpoints
    assert httpx.get(ends["prometheus_url"] + "/-/ready", trust_env=False).is_success
    assert steering(running).weights() == {"eu-west-1": 50, "eu-central-1": 50}
    assert steering(running).ttl_s() == 1
    assert steering(running).health_checks() == {"eu-west-1": (10, 1), "eu-central-1": (10, 1)}
    for region, facts in ends["regions"].items():
        assert httpx.get(facts["ready_url"], trust_env=False).status_code == 200
        proxies = httpx.get(facts["toxiproxy_url"] + "/proxies", trust_env=False).json()
        assert set(proxies) == {"redis", "provider_primary", "provider_fallback"}, region
        import redis

        with redis.Redis.from_url(facts["redis_url"]) as store:
            assert store.ping()


def test_prometheus_sees_every_part(running: State) -> None:
    """Every target is scraped, and the labels `region` come from the metrics themselves."""
    url = running.endpoints["prometheus_url"]

    def value(query: str) -> dict[str, str]:
        found = httpx.get(f"{url}/api/v1/query", params={"query": query}, trust_env=False).json()
        return {
            entry["metric"].get("region", ""): entry["value"][1]
            for entry in found["data"]["result"]
        }

    until(lambda: value("count(up == 0) or vector(0)") == {"": "0"})
    until(lambda: value('count(up{job=~"gateway|provider|dns"})') == {"": "4"})
    until(lambda: set(value("chat_streams_limit")) == {"eu-west-1", "eu-central-1"})
    until(lambda: value("muster_dns_region_healthy") == {"eu-west-1": "1", "eu-central-1": "1"})


def test_a_client_library_streams_through_the_whole_chain(running: State) -> None:
    """The public OpenAI client gets its tokens in each region, by way of proxies and provider."""
    for facts in running.endpoints["regions"].values():
        with openai.OpenAI(
            api_key=running.endpoints["load_token"],
            base_url=facts["chat_url"].removesuffix("/chat/completions"),
            max_retries=0,
            http_client=httpx.Client(trust_env=False),
        ) as client:
            chunks = list(
                client.chat.completions.create(
                    model="chat",
                    messages=[{"role": "user", "content": "hello"}],
                    max_tokens=40,
                    stream=True,
                )
            )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_the_state_file_is_for_its_owner_alone(running: State) -> None:
    """Tokens stand in state.json, so nobody else may read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSTER_STATE_DIR", str(state_dir_of(running)))
        path = directory_of("shared") / "state.json"
    assert path.stat().st_mode & 0o777 == 0o600


def state_dir_of(state: State) -> Path:
    """The state directory that holds that testbed."""
    return Path(state.endpoints["load_file_sd"]).parents[2]


def test_control_asks_for_its_token(running: State) -> None:
    """Without the token nothing is shown and nothing is done."""
    url = running.endpoints["control_url"]
    for method, path in (("GET", "/status"), ("POST", "/shutdown"), ("POST", "/regions/x/stop")):
        assert httpx.request(method, url + path, trust_env=False).status_code == 401
    assert control(running, "GET", "/regions/nowhere").status_code == 404
    assert control(running, "POST", "/regions/eu-west-1/explode").status_code == 404
    answer = control(running, "POST", "/regions/eu-west-1/drain", json={"state": "asleep"})
    assert answer.status_code == 400
    assert "'asleep'" in answer.json()["error"]


def test_a_stopped_region_leaves_the_answers_and_comes_back(running: State) -> None:
    """stop: gateways and Redis are gone, DNS stops naming it; start: ready, and named again."""
    region, other = "eu-west-1", "eu-central-1"
    for _ in range(2):  # idempotent
        shown = control(running, "POST", f"/regions/{region}/stop").json()
        assert shown == {
            "region": region,
            "power": "off",
            "ready": False,
            "gateways": 0,
            "redis": False,
        }
    with pytest.raises(httpx.ConnectError):
        httpx.get(running.endpoints["regions"][region]["ready_url"], trust_env=False)
    until(lambda: {region_of_answer(running) for _ in range(20)} == {other})
    assert control(running, "GET", f"/regions/{region}/drain").json()["state"] == "off"
    refused = control(running, "POST", f"/regions/{region}/drain", json={"state": "serving"})
    assert refused.status_code == 409
    for _ in range(2):
        shown = control(running, "POST", f"/regions/{region}/start").json()
        assert shown["ready"] is True
        assert shown["power"] == "on"
    ready = running.endpoints["regions"][region]["ready_url"]
    assert httpx.get(ready, trust_env=False).status_code == 200
    until(lambda: {region_of_answer(running) for _ in range(40)} == {region, other})


def test_a_drain_reaches_every_gateway(running: State) -> None:
    """`closing` and back to `serving`, read back from the gateways."""
    for state in ("closing", "serving"):
        answer = control(running, "POST", "/regions/eu-west-1/drain", json={"state": state})
        assert answer.json()["state"] == state
        assert control(running, "GET", "/regions/eu-west-1/drain").json()["state"] == state


def test_answers_follow_the_weights(running: State) -> None:
    """Within TTL and poll of a change of weights the answers follow it."""
    route53 = steering(running)
    try:
        route53.set_weights({"eu-west-1": 0, "eu-central-1": 100})
        until(lambda: {region_of_answer(running) for _ in range(30)} == {"eu-central-1"}, 5)
    finally:
        route53.set_weights({"eu-west-1": 50, "eu-central-1": 50})
    until(lambda: len({region_of_answer(running) for _ in range(30)}) == 2, 5)


def test_dns_says_what_it_does_not_serve(running: State) -> None:
    """NXDOMAIN in the zone, REFUSED outside, no data for another type; TCP answers too."""
    assert ask(running, "nothing.muster.test").header.rcode == 3
    assert ask(running, "example.com").header.rcode == 5
    assert ask(running, kind="AAAA").header.rcode == 0
    assert not ask(running, kind="AAAA").rr
    assert ask(running, "muster.test", "SOA").rr
    assert ask(running, tcp=True).rr[0].ttl == 1


def test_a_part_that_dies_is_written_down_and_stays_dead(places: Path) -> None:
    """Prometheus killed from outside: /status and state.json name it; nothing starts it again."""
    state = start(small_target("dying"))
    victim = next(process for process in state.processes if process.name == "prometheus")
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    seen = until(lambda: (testbed.status("dying") or state).deaths)
    assert [(death["name"], death["exit_code"]) for death in seen] == [("prometheus", -9)]
    shown = control(state, "GET", "/status").json()
    assert shown["deaths"][0]["name"] == "prometheus"
    assert next(p for p in shown["processes"] if p["name"] == "prometheus")["pid"] is None
    assert control(state, "POST", "/shutdown").status_code == 202
    until(lambda: testbed.status("dying") is None)
    os.waitpid(state.pid, 0)
    assert (directory_of("dying") / "logs" / "prometheus.log").is_file()


def test_a_part_that_does_not_come_up_is_named(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that ends at once: its name in one line, and nothing stays."""
    programs = places / "programs"
    programs.mkdir()
    fake = programs / "redis-server"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo v=7.0.0 && exit\necho no luck\nexit 3\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with pytest.raises(testbed.TestbedError, match=r"redis-eu-.* ended while it started: no luck"):
        start(small_target("broken"))
    assert testbed.status("broken") is None


def test_scale_of_the_shared_testbed(running: State) -> None:
    """The state says what it was built for."""
    assert running.scale == SCALE
    assert running.shape["streams"] == 40
    assert set(running.versions) == {"redis-server", "prometheus", "toxiproxy-server"}


def test_up_twice_is_refused_in_one_line(running: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second `up` says that it is already up and starts nothing."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(state_dir_of(running)))
    with pytest.raises(BadInput, match=r"^testbed shared: got .*already up.*expected") as caught:
        start(small_target("shared"))
    assert "\n" not in str(caught.value)
    found = testbed.status("shared")
    assert found is not None
    assert found.pid == running.pid


def test_killed_gateways_are_an_abrupt_loss(running: State) -> None:
    """kill: every gateway gone at once, Redis stays; start brings the region back."""
    shown = control(running, "POST", "/regions/eu-west-1/kill").json()
    assert (shown["gateways"], shown["redis"], shown["power"]) == (0, True, "off")
    assert control(running, "POST", "/regions/eu-west-1/start").json()["ready"] is True
    assert control(running, "GET", "/status").json()["deaths"] == []
