"""The Redis of a real testbed: halted, killed and started, by its control API and by `recover`."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from dead_drill import Bed, bed_in

from muster import targets
from muster.faults import FaultError, redis_held
from muster.faults.redis_black_hole import RedisBlackHole
from muster.faults.redis_exhausted import RedisExhausted
from muster.faults.redis_full import RedisFull
from muster.faults.redis_hung import RedisHung
from muster.faults.redis_restarted import RedisRestarted
from muster.faults.redis_slow import RedisSlow
from muster.platform import platform_of
from muster.platform.port import PortError

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("prometheus") is None,
    reason="redis-server or prometheus is missing: make setup",
)
REGION = "eu-west-1"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """One testbed for all of them: each leaves it as it was."""
    with bed_in(tmp_path_factory.mktemp("redis")) as one:
        yield one


KINDS = {
    "redis_hung": lambda platform: RedisHung(platform, REGION),
    "redis_restarted": lambda platform: RedisRestarted(platform, REGION),
    "redis_full": lambda platform: RedisFull(platform, REGION),
    "redis_black_hole": lambda platform: RedisBlackHole(platform, REGION),
    "redis_slow": lambda platform: RedisSlow(platform, REGION, latency_ms=2000, jitter_ms=0),
    "redis_exhausted": lambda platform: RedisExhausted(platform, REGION),
}


@pytest.mark.parametrize("kind", KINDS)
def test_recover_ends_it_after_a_drill_that_died(bed: Bed, kind: str) -> None:
    """No Redis stays halted, dead, full or cut off: `chaos drill recover` brings it back."""
    fault = KINDS[kind](bed.platform)
    log = bed.dies_in(fault)
    assert fault.observe().proven
    if kind == "redis_exhausted":
        end_the_holder()
    bed.recovered(log)


def end_the_holder() -> None:
    """The connections of a process end with it; this one lives on."""
    for client in redis_held._OPEN.pop(REGION):
        client.close()


def test_a_halted_redis_is_seen_by_the_kernel_and_goes_on(bed: Bed) -> None:
    """The same process, its data with it: nothing was started anew."""
    fault = RedisHung(bed.platform, REGION)
    params, pid = fault.undo_params(), bed.pid(f"redis-{REGION}")
    assert fault.change().before == "running"
    fault.apply()
    assert "\nState:\tT" in Path(f"/proc/{pid}/status").read_text()
    assert not fault.read_back().ok
    for _ in range(2):
        RedisHung.restore(bed.platform, REGION, params).revert()
    assert fault.read_back().ok
    assert bed.pid(f"redis-{REGION}") == pid


def test_one_that_somebody_halted_is_no_proof_of_a_killed_one(bed: Bed) -> None:
    """Silent, and the process is there: not what the fault says."""
    fault = RedisRestarted(bed.platform, REGION)
    fault.undo_params()
    os.kill(bed.pid(f"redis-{REGION}"), signal.SIGSTOP)
    try:
        with pytest.raises(FaultError, match="does not reply"):
            fault.observe()
    finally:
        fault.revert()
    assert fault.read_back().ok


def test_a_killed_one_comes_back_empty_and_as_another_process(bed: Bed) -> None:
    """What was kept is gone, and a second start changes nothing."""
    fault = RedisRestarted(bed.platform, REGION)
    fault._ask(lambda client: client.set("kept", "1"))
    fault.undo_params()
    pid = bed.pid(f"redis-{REGION}")
    assert fault.read_back().actual.endswith("the same server as before")
    fault.apply()
    assert fault.observe().facts["process"] == "gone"
    assert fault.observe().facts["keys_lost"] >= 1
    for _ in range(2):
        fault.revert()
    assert fault.read_back().ok
    assert fault.read_back().actual.endswith("another server")
    assert bed.pid(f"redis-{REGION}") != pid
    assert fault._ask(lambda client: client.exists("kept")) == 0


def test_one_that_saves_to_disk_is_refused(bed: Bed) -> None:
    """It would not come back empty."""
    fault = RedisRestarted(bed.platform, REGION)
    fault._ask(lambda client: client.config_set("save", "60 1"))
    try:
        with pytest.raises(FaultError, match="it saves to disk"):
            fault.undo_params()
    finally:
        fault._ask(lambda client: client.config_set("save", ""))


def test_a_region_that_is_switched_on_has_no_halted_redis(bed: Bed) -> None:
    """The switch of the region lets it go on too."""
    fault = RedisHung(bed.platform, REGION)
    fault.undo_params()
    fault.apply()
    bed.platform.power[REGION].start({})
    assert fault.read_back().ok


def test_a_halted_redis_ends_with_its_region(bed: Bed) -> None:
    """A stop ends it without waiting out its grace, and a start brings a new one."""
    fault = RedisHung(bed.platform, REGION)
    fault.undo_params()
    fault.apply()
    bed.platform.power[REGION].stop()
    assert bed.platform.redis_process[REGION].state() == "gone"
    with pytest.raises(PortError, match="cannot be halted"):
        bed.platform.redis_process[REGION].halt()
    bed.platform.power[REGION].start({})
    assert fault.read_back().ok


def test_a_target_without_the_way_is_refused_before_anything_is_started(bed: Bed) -> None:
    """The key that is missing is named."""
    plain = bed.platform.target
    region = plain.regions[REGION].model_copy(
        update={"redis_process": targets.model.NoRedisProcess()}
    )
    bare = plain.model_copy(update={"regions": {**plain.regions, REGION: region}})
    found = RedisHung(platform_of(bare), REGION).unusable()
    assert found is not None
    assert (found.key, found.value) == (f"regions.{REGION}.redis_process.kind", "none")
    assert RedisHung(bed.platform, REGION).unusable() is None
    with pytest.raises(PortError, match=f"names no regions.{REGION}.redis_process"):
        platform_of(bare).redis_process[REGION].halt()
