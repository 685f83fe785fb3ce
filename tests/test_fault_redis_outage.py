"""Redis away for one region: through a real Toxiproxy, in front of a real Redis."""

from __future__ import annotations

import json
import socket
import time
from datetime import UTC, datetime

import pytest
import redis
from by_hand_lines import paste
from floor_fixtures import (
    REGION,
    a_target,
    closing_port,
    free_port,
    listens,
    process,
    redis_server,
    stopped,
    toxiproxy_server,
)

from muster.faults import FaultError, fault_of
from muster.faults.proxies import address_of
from muster.faults.redis_outage import RedisOutage
from muster.faults.redis_path import look_at_redis
from muster.platform import platform_of
from muster.testbed.kubernetes.certificates import Authority
from muster.undo import UndoEntry


@pytest.fixture(scope="module")
def rig():
    """Redis behind Toxiproxy."""
    with redis_server() as port, toxiproxy_server() as server:
        yield port, server, server.create("redis", port)


def the_fault(rig, *, redis_port=None, timeout_s=2.0, proxies=None):
    _, server, listen = rig
    region = {
        "toxiproxy": {
            "url": server.url,
            "proxies": proxies if proxies is not None else {"redis": "redis"},
            "timeout_s": timeout_s,
        },
        "redis_url": f"redis://127.0.0.1:{redis_port or listen}",
    }
    return RedisOutage(platform_of(a_target(region=region)), REGION)


@pytest.fixture
def fault(rig):
    fault = the_fault(rig)
    yield fault
    fault.revert()


def test_it_bites_is_seen_and_goes_away(rig, fault):
    """Redis answers before, refuses on the gateways' path during, and answers after."""
    assert not fault.observe().proven
    params = fault.undo_params()
    fault.apply()
    proof = fault.observe()
    assert proof.proven
    assert proof.facts == {"redis_answers": False, "met": "refused", "answered_before": "PONG"}
    assert not fault.read_back().ok
    assert redis.Redis(port=rig[0]).ping(), "Redis itself is untouched"
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    restored = fault_of(fault.platform, entry)
    for _ in range(2):
        restored.revert()
        assert restored.read_back().ok
    assert not fault.observe().proven


def test_open_connections_are_dropped(rig, fault):
    """A connection from before the fault gets no answer either."""
    client = redis.Redis(port=rig[2], retry=None, socket_timeout=2)
    assert client.ping()
    fault.apply()
    with pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_fault_beside_the_gateways_path_is_not_proven(rig):
    """Redis still reachable where the gateways reach it: the fault did not bite."""
    beside = the_fault(rig, redis_port=rig[0])
    beside.undo_params()
    beside.apply()
    try:
        proof = beside.observe()
        assert not proof.proven
        assert proof.why == "Redis still answers on the gateways' path: answers PONG"
    finally:
        beside.revert()


def test_a_redis_that_stays_away_is_not_back(rig):
    """Enabled is not enough for the read-back: Redis must answer."""
    away = the_fault(rig, redis_port=free_port())
    away.revert()
    back = away.read_back()
    assert not back.ok
    assert back.actual == "enabled, Redis refuses connections"


ERRORS = [
    b"-NOAUTH Authentication required.\r\n",
    b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    b"-NOPERM this user has no permissions to run the 'ping' command\r\n",
    b"-LOADING Redis is loading the dataset in memory\r\n",
    b"-ERR max number of clients reached\r\n",
]


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_of_redis_is_an_answer(rig, error):
    """Refused by Redis before, during and after: it is reached, so the fault did not bite."""
    with closing_port(error) as port:
        fault = the_fault(rig, redis_port=port)
        params = fault.undo_params()
        assert params["answered"] == error[1:].split()[0].decode()
        fault.apply()
        try:
            proof = fault.observe()
            assert not proof.proven
            assert error[1:-2].decode()[:40] in proof.why
        finally:
            fault.revert()
        assert fault.read_back().ok, "it refuses as it did before"
    assert not the_fault(rig, redis_port=rig[2]).observe().proven


def test_an_error_before_and_silence_during_is_an_outage(rig):
    """Without a password Redis is reached by its NOAUTH: that it is gone shows all the same."""
    with closing_port(ERRORS[0]) as port:
        fault = the_fault(rig, redis_port=port)
        fault.undo_params()
    fault.apply()
    try:
        assert fault.observe().proven
    finally:
        fault.revert()
    assert not fault.read_back().ok


def test_a_redis_that_never_answered_is_refused(rig):
    """What did not answer before cannot be seen to go away: told before anything is done."""
    with pytest.raises(FaultError, match=r"no answer before the fault: redis_url refuses"):
        the_fault(rig, redis_port=free_port()).undo_params()
    unknown = the_fault(rig, redis_port=free_port())
    unknown.apply()
    try:
        proof = unknown.observe()
        assert (proof.proven, "unknown whether Redis answered before" in proof.why) == (False, True)
    finally:
        unknown.revert()


def test_a_proxy_that_says_disabled_and_forwards_on_is_not_proven(rig):
    """Its port still accepts: the API's word is not the fact."""
    with redis_server() as gone_port:
        fault = the_fault(rig, redis_port=gone_port)
        fault.undo_params()
        # Redis goes away on the path that is asked; the proxy says disabled, and its port is open.
    fault._proxy = SaysDisabled(fault._proxy)
    proof = fault.observe()
    assert (proof.proven, "its port accepts connections" in proof.why) == (False, True)
    fault._proxy = fault._proxy.real
    proof = fault.observe()
    assert (proof.proven, "says that it is enabled" in proof.why) == (False, True)


class SaysDisabled:
    """A Toxiproxy whose API says what was asked of it, and that does nothing."""

    def __init__(self, real):
        self.real, self.name = real, real.name

    def state(self):
        return {**self.real.state(), "enabled": False}


def test_a_silent_redis_shows_nothing(rig):
    """Accepted and silent is what a slow Redis does too: an error of the look, no outage."""
    fault = the_fault(rig)
    fault.undo_params()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fault.apply()
        try:
            port = silent.getsockname()[1]
            region = fault.target.regions[REGION]
            there = region.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}"})
            regions = {**fault.target.regions, REGION: there}
            fault.target = fault.target.model_copy(update={"regions": regions})
            with pytest.raises(FaultError, match="accepts a connection but does not reply"):
                fault.observe()
        finally:
            fault.revert()


def test_a_server_of_a_private_authority_is_known_by_its_certificate(tmp_path):
    """As the client library knows it; without that file it is reached, and not believed."""
    authority = Authority(tmp_path / "ca", datetime.now(tz=UTC))
    pair, port = authority.pair("redis"), free_port()
    tls = ["--tls-port", str(port), "--port", "0", "--tls-auth-clients", "no"]
    tls += ["--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key)]
    tls += ["--tls-ca-cert-file", str(authority.file), "--save", "", "--bind", "127.0.0.1"]
    with process(["redis-server", *tls], lambda: listens(port)):
        url = f"rediss://127.0.0.1:{port}"
        known = f"{url}?ssl_ca_certs={authority.file}"
        with redis.Redis.from_url(known) as client:
            assert client.ping()
        assert look_at_redis(known).reply == "PONG"
        assert (look_at_redis(url).met, look_at_redis(url).reply) == ("answer", "TLS")
        other = Authority(tmp_path / "other", datetime.now(tz=UTC)).file
        assert look_at_redis(f"{url}?ssl_ca_certs={other}").reply == "TLS"
        # Nothing was asked, so nothing is known: a file that is missing is no outage.
        (tmp_path / "none.pem").write_text("no certificate")
        for file in ("none.pem", "missing.pem"):
            look = look_at_redis(f"{url}?ssl_ca_certs={tmp_path / file}")
            assert (look.met, look.away) == ("blind", None)


def test_a_password_is_sent_and_never_shown(rig):
    """AUTH comes first; what Redis says of it is the answer, and the password is in no text."""
    port = rig[0]
    look = look_at_redis(f"redis://someone:hunter2@127.0.0.1:{port}/0")
    assert (look.met, look.reply) == ("answer", "WRONGPASS")
    assert "hunter2" not in repr(look)
    with redis.Redis(port=port) as client:
        client.config_set("requirepass", "pass:word")
        try:
            assert look_at_redis(f"redis://127.0.0.1:{port}").reply == "NOAUTH"
            assert look_at_redis(f"redis://:pass%3Aword@127.0.0.1:{port}/0").reply == "PONG"
        finally:
            client.config_set("requirepass", "")
    assert look_at_redis("redis://nowhere.invalid:6379").away is None


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:6379", "127.0.0.1:6379"),
        ("[::]:6379", "toxi.example:6379"),
        ("0.0.0.0:6379", "toxi.example:6379"),
        (":6379", "toxi.example:6379"),
        ("redis.example:6379", "redis.example:6379"),
    ],
)
def test_a_proxy_that_listens_everywhere_is_reached_at_its_api(listen, address):
    """An unspecified address is nobody's: the API's host is where the port is."""
    assert address_of(listen, "http://toxi.example:8474") == address


def test_what_was_off_before_is_no_fault_of_ours(fault):
    """A proxy found disabled is refused, or the undo would put it on."""
    fault.apply()
    with pytest.raises(FaultError, match="already disabled before the fault"):
        fault.undo_params()


def test_a_target_without_the_proxy_or_the_path_says_so(rig):
    """The missing key is named."""
    with pytest.raises(FaultError, match=rf"regions\.{REGION}\.toxiproxy names no proxy for redis"):
        the_fault(rig, proxies={})
    fault = the_fault(rig)
    target = fault.target
    region = target.regions[REGION].model_copy(update={"redis_url": None})
    bare = target.model_copy(update={"regions": {**target.regions, REGION: region}})
    with pytest.raises(FaultError, match=rf"regions\.{REGION}\.redis_url is not set"):
        RedisOutage(platform_of(bare), REGION).observe()


def test_a_hanging_toxiproxy_is_an_error_in_time(rig):
    """No step of the fault waits longer than its time-outs."""
    hung = the_fault(rig, timeout_s=0.2)
    with stopped(rig[1].child):
        for step in (hung.undo_params, hung.apply, hung.revert, hung.read_back):
            start = time.monotonic()
            with pytest.raises(FaultError):
                step()
            assert time.monotonic() - start < 10
    # What piled up meanwhile may still disable the proxy: only then is it put back.
    the_fault(rig, timeout_s=5).apply()
    the_fault(rig, timeout_s=5).revert()


def test_the_line_by_hand_puts_it_back(rig, fault):
    """Pasted into a shell, with the proxy's own address: Redis answers again."""
    fault.undo_params()
    fault.apply()
    assert not fault.read_back().ok
    done = paste(fault.command())
    assert done.returncode == 0, done.stderr
    assert fault.read_back().ok
    assert fault.subject == f"toxiproxy {REGION}/redis"
    assert the_fault(rig).command() is None, "no line from a guess"


def test_revert_before_apply_and_of_a_proxy_that_is_gone(rig, fault):
    """Nothing to put back changes nothing; a proxy that somebody deleted is made anew."""
    fault.undo_params()
    state = fault._proxy.state()
    fault.revert()
    assert fault._proxy.state() == state
    fault.apply()
    fault._proxy.api.delete("/proxies/redis")
    fault.revert()
    assert fault.read_back().ok
    assert fault._proxy.state() == state


def test_an_outage_that_raised_after_its_effect_goes_back(rig, fault):
    """The call that disables it came through, its answer did not."""
    params = fault.undo_params()
    fault._proxy.api.post("/proxies/redis", json={"enabled": False})
    restored = fault_of(fault.platform, UndoEntry("u1", fault.kind, fault.subject, REGION, params))
    restored.revert()
    assert restored.read_back().ok
