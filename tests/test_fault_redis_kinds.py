"""Redis that hangs, is slow, full, exhausted or empty: each on a real redis-server.

Those that act in the path go through a real Toxiproxy. The testbed's control API, which halts and
kills the process, is in test_testbed_redis.py.
"""

from __future__ import annotations

import json

import pytest
import redis
from by_hand_lines import paste
from floor_fixtures import REGION, a_target, free_port, redis_server, toxiproxy_server

from muster.faults import FaultError, Scene, WrongArgument, fault_of, registered
from muster.faults.redis_black_hole import RedisBlackHole
from muster.faults.redis_exhausted import RedisExhausted
from muster.faults.redis_full import RedisFull
from muster.faults.redis_slow import RedisSlow
from muster.platform import platform_of
from muster.undo import UndoEntry


@pytest.fixture(scope="module")
def rig():
    """Redis behind Toxiproxy: its port, the server, and the proxy's port."""
    with redis_server() as port, toxiproxy_server() as server:
        yield port, server, server.create("redis", port)


def the_platform(rig, redis_port=None):
    _, server, listen = rig
    region = {
        "toxiproxy": {"url": server.url, "proxies": {"redis": "redis"}, "timeout_s": 2.0},
        "redis_url": f"redis://127.0.0.1:{redis_port or listen}",
    }
    return platform_of(a_target(region=region))


def by_another_process(fault, params):
    """The fault as the undo log gives it to whoever restores."""
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    return fault_of(fault.platform, entry)


@pytest.fixture(params=["redis_black_hole", "redis_slow", "redis_full", "redis_exhausted"])
def fault(rig, request):
    """Each kind in turn, reverted in any case."""
    platform = the_platform(rig)
    made = {
        "redis_black_hole": lambda: RedisBlackHole(platform, REGION),
        "redis_slow": lambda: RedisSlow(platform, REGION, latency_ms=400, jitter_ms=10),
        "redis_full": lambda: RedisFull(platform, REGION),
        "redis_exhausted": lambda: RedisExhausted(platform, REGION),
    }[request.param]()
    params = made.undo_params()
    yield made, params
    by_another_process(made, params).revert()
    assert redis.Redis(port=rig[0]).ping()


def test_it_bites_is_seen_and_goes_away(fault):
    """Proven only while it is there; another process reverts it from the log, twice."""
    one, params = fault
    assert not seen(one)
    one.apply()
    assert one.observe().proven
    assert not one.read_back().ok
    restored = by_another_process(one, params)
    for _ in range(2):
        restored.revert()
        assert restored.read_back().ok
    assert not seen(one)


def seen(fault):
    """Whether a look proves it; a look that cannot tell proves nothing."""
    try:
        return fault.observe().proven
    except FaultError:
        return False


def test_revert_before_apply_changes_nothing(fault):
    """A drill that died between undo entry and effect leaves everything as it was."""
    one, params = fault
    before = one.change().before
    by_another_process(one, params).revert()
    assert by_another_process(one, params).read_back().ok
    assert one.change().before == before


def test_it_touches_the_region_and_names_what_it_changes(fault):
    """Its proxy or its Redis, so that a target must allow it by name."""
    one, _ = fault
    touched = {(touch.kind, touch.name) for touch in one.touches()}
    assert ("regions", REGION) in touched
    assert touched & {("proxies", f"{REGION}/redis"), ("redis", REGION)}


def test_a_fault_beside_the_gateways_path_is_not_proven(rig):
    """Redis answers where the gateways reach it: the toxic elsewhere is no fault."""
    for make in (
        lambda platform: RedisBlackHole(platform, REGION),
        lambda platform: RedisSlow(platform, REGION, latency_ms=400, jitter_ms=10),
    ):
        beside = make(the_platform(rig, redis_port=rig[0]))
        beside.undo_params()
        beside.apply()
        try:
            assert not beside.observe().proven
        finally:
            beside.revert()


def test_a_redis_without_an_answer_before_is_refused(rig):
    """Nothing could be proven, so nothing is applied."""
    platform = the_platform(rig, redis_port=free_port())
    for fault in (
        RedisBlackHole(platform, REGION),
        RedisSlow(platform, REGION, latency_ms=400, jitter_ms=10),
        RedisFull(platform, REGION),
        RedisExhausted(platform, REGION),
    ):
        with pytest.raises(FaultError):
            fault.undo_params()


def test_a_full_redis_rejects_writes_and_takes_them_again(rig):
    """What the gateways send is rejected by Redis itself, and the settings come back."""
    fault = RedisFull(the_platform(rig), REGION)
    client = redis.Redis(port=rig[2])
    before = client.config_get("maxmemory*")
    fault.undo_params()
    fault.apply()
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("x", 1)
    assert paste(fault.command()).returncode == 0
    assert fault.read_back().ok
    assert client.config_get("maxmemory*") == before
    assert not client.exists("muster:probe")


def test_open_connections_of_others_are_ended_and_new_ones_refused(rig):
    """A client from before the fault gets no answer, and finds room again after it."""
    fault = RedisExhausted(the_platform(rig), REGION)
    client = redis.Redis(port=rig[2], retry=None, single_connection_client=True)
    assert client.ping()
    params = fault.undo_params()
    fault.apply()
    try:
        for _ in range(2):
            with pytest.raises(redis.ConnectionError):
                client.ping()
        assert fault.observe().facts["other_clients"] == 0
    finally:
        by_another_process(fault, params).revert()
    assert client.ping()


def test_a_setting_that_may_not_be_set_is_refused_before(rig):
    """A managed Redis forbids CONFIG: told before anything is changed, without its password."""
    client = redis.Redis(port=rig[0])
    client.acl_setuser("someone", enabled=True, passwords=["+hunter2"], commands=["+ping"])
    try:
        platform = the_platform(rig)
        url = f"redis://someone:hunter2@127.0.0.1:{rig[2]}"
        region = platform.target.regions[REGION].model_copy(update={"redis_url": url})
        regions = {**platform.target.regions, REGION: region}
        bare = platform_of(platform.target.model_copy(update={"regions": regions}))
        for fault in (RedisFull(bare, REGION), RedisExhausted(bare, REGION)):
            with pytest.raises(FaultError, match="no permissions") as refused:
                fault.undo_params()
            assert "hunter2" not in str(refused.value)
            assert fault.command() is None
    finally:
        client.acl_deluser("someone")


@pytest.mark.parametrize(
    ("arguments", "key", "wanted"),
    [
        ({"latency_ms": 19, "jitter_ms": 0}, "latency_ms", "from 20 to 10000 ms"),
        ({"latency_ms": 10_001, "jitter_ms": 0}, "latency_ms", "from 20 to 10000 ms"),
        (
            {"latency_ms": 100, "jitter_ms": 26},
            "jitter_ms",
            "at most a quarter of latency_ms: 25 ms",
        ),
        ({"latency_ms": 100.5, "jitter_ms": 0}, "latency_ms", "a whole number"),
    ],
)
def test_values_out_of_range_are_refused_by_name(rig, arguments, key, wanted):
    """Before anything is read or changed."""
    (step,) = (one for one in registered().steps if one.func == "redis_slow")
    with pytest.raises(WrongArgument) as refused:
        step.planned(Scene(the_platform(rig)), {"seconds": 1, **arguments})
    assert refused.value.key == key
    assert wanted in refused.value.wanted
