"""A primary Redis is lost on a real testbed, and a real Sentinel promotes its replica.

And everything is back where it was afterwards, also by a process that was not the drill's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
import redis
from testbed_peers import small_target, start, until

from muster import targets, testbed
from muster.faults import FaultError, fault_of
from muster.faults.redis_exhausted import RedisExhausted
from muster.faults.redis_full import RedisFull
from muster.faults.redis_hung import RedisHung
from muster.faults.redis_outage import RedisOutage
from muster.faults.redis_promoted import RedisPromoted
from muster.faults.redis_restarted import RedisRestarted
from muster.platform import Platform, platform_of
from muster.platform.restart import restart_of
from muster.targets.redis_sentinel import RedisSentinel
from muster.targets.testbed import TestbedRedis
from muster.undo import UndoEntry

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("prometheus") is None,
    reason="redis-server or prometheus is missing: make setup",
)
REGION, OTHER = "eu-west-1", "eu-central-1"


def raised(name: str, defect: str | None = None) -> Platform:
    """A testbed with Sentinels, and its platform."""
    plain = small_target(name, redis=TestbedRedis(sentinel=True))
    regions = {
        region: settings.model_copy(
            update={
                "redis_sentinel": RedisSentinel(
                    url=f"${{testbed.regions.{region}.sentinel_url}}",
                    master=region,
                    promoted_s_max=10.0,
                )
            }
        )
        for region, settings in plain.regions.items()
    }
    target = plain.model_copy(update={"regions": regions})
    return platform_of(targets.resolve(target, testbed=start(target, defect=defect).endpoints))


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """The healthy one."""
    yield raised("pair")
    testbed.down("pair")


def by_another_process(fault: RedisPromoted, params: dict[str, object]) -> RedisPromoted:
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    found = fault_of(fault.platform, entry)
    assert isinstance(found, RedisPromoted)
    return found


def platform_restart(platform: Platform) -> None:
    """Restart the region's Toxiproxy, as the last step of a restore does."""
    access = platform.target.regions[REGION].toxiproxy
    assert access is not None
    restart_of(access.restart, platform.clock).restart()


def whole(fault: RedisPromoted) -> dict[str, object]:
    """The undo parameters, once the replica is in step."""
    found: dict[str, object] = {}

    def ready() -> bool:
        try:
            found.update(fault.undo_params())
        except FaultError:
            return False
        return True

    until(ready, 60)
    return found


def test_what_is_up_could_promote_at_once(platform: Platform) -> None:
    """After the testbed's start and after a region's: a drill asks a second later."""
    for region in (REGION, OTHER):
        assert RedisPromoted(platform, region).undo_params()
    power = platform.power[REGION]
    before = power.before()
    power.stop()
    power.start(before)
    assert RedisPromoted(platform, REGION).undo_params()


def test_a_replica_is_promoted_and_everything_comes_back(platform: Platform) -> None:
    """No answer, then another primary on the gateways' path; another process reverts it, twice."""
    fault = RedisPromoted(platform, REGION)
    params = whole(fault)
    upstream = platform.target.regions[REGION].toxiproxy
    assert upstream is not None
    before = RedisOutage(platform, REGION)._proxy.state()
    assert not fault.observe().proven
    client = redis.Redis.from_url(fault._url, retry=None)
    client.set("kept", "1")
    fault.apply()
    looks = []

    def promoted() -> bool:
        looks.append(fault.observe())
        return looks[-1].facts["promoted_s"] is not None

    until(promoted, 60)
    assert all(look.proven for look in looks), [look.why for look in looks]
    assert looks[0].facts["promoted_s"] is None
    assert redis.Redis.from_url(fault._url).get("kept") == b"1", "the replica had it"
    platform_restart(platform)
    assert fault.observe().proven, "a restarted Toxiproxy leads to the promoted one"
    assert not fault.read_back().ok
    restored = by_another_process(fault, params)
    for _ in range(2):
        restored.revert()
        back = restored.read_back()
        assert back.ok, back
    after = RedisOutage(platform, REGION)._proxy.state()
    assert after["upstream"] == before["upstream"]
    assert not fault.observe().proven
    assert RedisPromoted(platform, REGION).undo_params()["primary"] == params["primary"]


def test_a_revert_in_the_middle_of_the_promotion_ends_the_same(platform: Platform) -> None:
    """A drill that was killed a moment after it killed the primary."""
    fault = RedisPromoted(platform, REGION)
    params = whole(fault)
    fault.apply()
    by_another_process(fault, params).revert()
    back = fault.read_back()
    assert back.ok, back
    until(lambda: fault.read_back().ok, 5)


def test_a_revert_before_the_loss_changes_nothing(platform: Platform) -> None:
    """The same server answers, and Sentinel promoted nobody."""
    fault = RedisPromoted(platform, REGION)
    params = whole(fault)
    by_another_process(fault, params).revert()
    assert fault.read_back().ok
    assert fault._pair.on_the_path().run_id == params["run_id"]


def test_a_redis_without_its_replica_is_refused(platform: Platform) -> None:
    """Nobody could be promoted, so nobody is killed."""
    fault = RedisPromoted(platform, OTHER)
    whole(fault)
    pair = fault._pair
    (replica,) = pair.sight().replicas
    pair.follow(replica, ("NO", "ONE"))  # type: ignore[arg-type]
    with pytest.raises(FaultError, match="before the fault: it has no replica"):
        until(lambda: fault.undo_params() is None, 10)
    pair.follow(replica, pair.sight().primary)
    whole(fault)


def test_faults_that_look_like_a_loss_are_refused_there(platform: Platform) -> None:
    """Sentinel would promote another Redis; the faults of the way and of memory do not care."""
    for kind in (RedisHung, RedisRestarted, RedisExhausted):
        found = kind(platform, REGION).unusable()
        assert found is not None
        assert found.key == f"regions.{REGION}.redis_sentinel"
        assert "redis_promoted" in found.wanted
    for kind in (RedisFull, RedisPromoted, RedisOutage):
        assert kind(platform, REGION).unusable() is None  # type: ignore[abstract]


def test_a_target_without_sentinel_is_refused(platform: Platform) -> None:
    """The missing key is named before anything is started."""
    regions = platform.target.regions
    bare = {**regions, REGION: regions[REGION].model_copy(update={"redis_sentinel": None})}
    other = platform_of(platform.target.model_copy(update={"regions": bare}))
    found = RedisPromoted(other, REGION).unusable()
    assert found is not None
    assert found.key == f"regions.{REGION}.redis_sentinel"


def test_an_address_that_stays_on_the_dead_primary_is_seen_and_comes_back() -> None:
    """The planted defect: promoted, and no way leads there; it is as before after the revert."""
    try:
        fault = RedisPromoted(raised("stays", "address_stays"), REGION)
        params = whole(fault)
        fault.apply()
        until(lambda: fault._pair.sight().primary != tuple(params["primary"]), 60)  # type: ignore[arg-type]
        proof = fault.observe()
        assert proof.proven
        assert proof.facts["promoted_s"] is None
        by_another_process(fault, params).revert()
        assert fault.read_back().ok
    finally:
        testbed.down("stays")
