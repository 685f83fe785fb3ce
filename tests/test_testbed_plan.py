"""Shapes, ports, layout and placement of defects: what is planned before anything starts."""

from __future__ import annotations

import json
import math
import os
import random
import socket
from collections.abc import MutableSequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from testbed_peers import small_target

from muster import contract, targets
from muster.errors import BadInput
from muster.targets.testbed import TestbedSpec
from muster.testbed.design import config as settings
from muster.testbed.design import ports, prometheus_config, sentinel
from muster.testbed.design.binaries import WANTED, Binary, Wanted, find
from muster.testbed.design.defects import DEFECTS
from muster.testbed.design.layout import Layout, endpoints, lay_out
from muster.testbed.design.parts import Secrets
from muster.testbed.design.placement import defect_of
from muster.testbed.design.ports import BLOCK, Ports, Wish
from muster.testbed.design.shape import FDS_PER_STREAM, Limits, shape
from muster.testbed.rig.planted_region import region_of
from muster.testbed.rig.regions import Region
from muster.testbed.rig.state import is_locked, lock_directory, read_state

M3 = contract.load().profiles["m3_20k"]
SECRETS = Secrets("load", "canary", "control")
PROGRAMS = {wanted.name: Binary(Path("/bin/true"), "9.9") for wanted in WANTED}


def planned(scale: float = 0.1, defect: str | None = None, **shards: int) -> Layout:
    """The layout of the shipped testbed at that scale, with other numbers of processes."""
    config = settings.build(
        targets.load("testbed"), M3, scale=scale, seed=1, defect=defect, owner="test"
    )
    return lay_out(config.model_copy(update=shards), Ports(7400), PROGRAMS, SECRETS)


def test_all_of_m3_gets_two_gateways_a_region() -> None:
    """20,000 streams: no process above four fifths of the files it may open."""
    found = shape(M3, 1.0)
    assert (found.gateways_per_region, found.toxiproxies_per_region, found.providers) == (2, 1, 1)
    assert max(found.fds.values()) <= 16_000


def test_a_tenth_gets_few() -> None:
    """2,000 streams: two gateways a region, one of everything else."""
    found = shape(M3, 0.1)
    assert (found.gateways_per_region, found.toxiproxies_per_region, found.providers) == (2, 1, 1)


@given(st.floats(0.0001, 1.2), st.integers(2_000, 1_000_000))
def test_no_shape_opens_more_files_than_allowed(scale: float, fds_max: int) -> None:
    """Whatever the load and the bound: within it, and a region can hold all streams; or refused."""
    limits = Limits(fds_max=fds_max)
    try:
        found = shape(M3, scale, limits)
    except BadInput:
        return
    assert max(found.fds.values()) <= fds_max
    held = found.gateways_per_region * (found.fds["gateway"] - 200) / FDS_PER_STREAM["gateway"]
    assert held >= math.ceil(found.streams * limits.streams_factor)


def test_a_load_that_does_not_fit_is_refused() -> None:
    """One line that names the scale."""
    with pytest.raises(BadInput, match=r"^--scale: got 10.0, expected .*processes"):
        shape(M3, 10.0)


def test_too_few_gateways_asked_for_are_refused() -> None:
    """A target's own count must be able to hold the load."""
    with pytest.raises(BadInput, match=r"testbed.gateways_per_region: got 1, expected at least 2"):
        shape(M3, 1.0, gateways=1)
    assert shape(M3, 0.1, gateways=3).gateways_per_region == 3


@pytest.mark.parametrize("scale", [0.001, 0.1, 0.5, 1.0])
def test_every_port_is_wanted_once_and_in_the_block(scale: float) -> None:
    """No two parts on one port; only the gateways share their region's."""
    layout = planned(scale)
    wanted = [(wish.host, wish.port, wish.udp) for wish in layout.wishes]
    assert len(set(wanted)) == len(wanted)
    assert all(7400 <= port < 7400 + ports.GUARD for _, port, _ in wanted)
    numbers = {port for _, port, _ in wanted}
    assert all(set(spec.ports) <= numbers for spec in layout.processes)


SHARDS = {"gateways_per_region": 4, "toxiproxies_per_region": 4, "providers": 2}


def test_shards_use_their_own_proxies_and_every_provider() -> None:
    """Gateway k goes through proxy shard k; a region's shards reach both providers alike."""
    layout = planned(1.0, **SHARDS)
    for region in layout.addresses:
        used = [
            tuple(spec.config["providers"]["primary"])
            for spec in layout.of("gateway", region)
            if spec.config
        ]
        assert len(set(used)) == 4
        upstreams = [
            proxy.upstream
            for spec in layout.of("toxiproxy", region)
            for proxy in spec.proxies
            if proxy.name == "provider_primary"
        ]
        assert sorted(upstreams.count(provider) for provider in set(upstreams)) == [2, 2]


def test_a_target_resolves_from_the_endpoints() -> None:
    """Every placeholder of the shipped target has a value."""
    layout = planned()
    resolved = targets.resolve(targets.load("testbed"), testbed=endpoints(layout, SECRETS))
    assert "${" not in resolved.model_dump_json()
    assert resolved.steering.endpoint_url == "http://127.0.0.1:7404"


def test_a_region_with_several_toxiproxies_is_reached_by_their_front() -> None:
    """One Toxiproxy: its own API. Several: the address that speaks for all."""
    sharded = planned(1.0, **SHARDS)
    small, big = endpoints(planned(), SECRETS), endpoints(sharded, SECRETS)
    own = {spec.admin_url for spec in sharded.of("toxiproxy")}
    assert small["regions"]["eu-west-1"]["toxiproxy_url"] in {
        spec.admin_url for spec in planned().of("toxiproxy")
    }
    assert big["regions"]["eu-west-1"]["toxiproxy_url"] not in own


OUTSIDE = ("region_evacuated", "survivor_redis", "survivor_tokens", "route53", "sentinel")
"""Parts of a defect that no process is told of, and Sentinel, which this testbed has not."""


@pytest.mark.parametrize(
    "defect", sorted(name for name, one in DEFECTS.items() if one.part not in OUTSIDE)
)
def test_every_defect_is_planted_where_it_belongs(defect: str) -> None:
    """Each defect reaches some process, and only of the part that it is said to live in."""
    layout = planned(defect=defect)
    having = [spec for spec in layout.processes if (spec.config or {}).get("defect")]
    assert {(spec.config or {})["defect"] for spec in having} == {defect}
    part = DEFECTS[defect].part
    assert {spec.kind for spec in having} == {part.partition("_")[0]}
    where = {
        "gateway_survivor": {"eu-central-1"},
        "gateway_evacuated": {"eu-west-1"},
        "gateway_faulted": {"eu-west-1", "eu-central-1"},
    }.get(part, {None})
    assert {spec.region for spec in having} == where


@pytest.mark.parametrize(
    "defect", sorted(name for name, one in DEFECTS.items() if one.part == "region_evacuated")
)
def test_a_switch_with_a_defect_is_the_evacuated_regions(defect: str) -> None:
    """The evacuated region's switch has it, the survivor's is healthy."""
    assert defect_of(defect, "region", "eu-west-1", "eu-west-1") == defect
    assert defect_of(defect, "region", "eu-central-1", "eu-west-1") is None
    assert region_of(defect) is not Region
    assert region_of(None) is Region


def test_a_survivor_may_be_given_the_evacuated_regions_redis() -> None:
    """Planted, every gateway is given one region's Redis proxy; healthy, each its own."""
    for defect, proxies in ((None, 2), ("survivor_needs_evacuated", 1)):
        gateways = planned(defect=defect).of("gateway")
        assert len({tuple((spec.config or {})["redis"]) for spec in gateways}) == proxies
    evacuated = next(spec for spec in gateways if spec.region == "eu-west-1")
    healthy = next(s for s in planned().of("gateway") if s.region == "eu-west-1")
    assert (evacuated.config or {})["redis"] == (healthy.config or {})["redis"]


def test_a_survivor_may_have_its_tokens_validated_by_the_evacuated_region() -> None:
    """Planted, it asks a gateway there; the evacuated region and a healthy one ask nobody."""
    layout = planned(defect="survivor_admission_evacuated")
    asked = {spec.region: (spec.config or {})["tokens_from"] for spec in layout.of("gateway")}
    assert asked["eu-west-1"] is None
    admin = {spec.admin_url for spec in layout.of("gateway", "eu-west-1")}
    assert "http://{}:{}".format(*asked["eu-central-1"]) in admin
    assert not any((spec.config or {})["tokens_from"] for spec in planned().of("gateway"))


def test_the_steering_api_may_have_the_defect() -> None:
    """It has no file of settings: it is told on its command line."""
    (api,) = planned(defect="steering_stays_away").of("route53")
    assert api.argv[-2:] == ("--defect", "steering_stays_away")
    (api,) = planned().of("route53")
    assert "--defect" not in api.argv


def with_sentinel(**changes: Any) -> tuple[settings.SupervisorConfig, Layout]:
    """The testbed whose Redis has a replica and a Sentinel."""
    target, defect = targets.load("testbed_sentinel"), changes.pop("defect", None)
    config = settings.build(target, M3, scale=0.1, seed=1, defect=defect, owner="test")
    config = config.model_copy(update=changes)
    return config, lay_out(config, Ports(7600), PROGRAMS, SECRETS)


def test_a_replica_and_a_sentinel_are_there_only_where_they_are_asked_for() -> None:
    """Nothing of the default testbed changes; each of them has a port of its own."""
    standby = ("redis_replica", "sentinel")
    assert not any(spec.kind in standby for spec in planned().processes)
    config, layout = with_sentinel()
    assert [spec.kind for spec in layout.processes if spec.kind in standby] == [*standby] * 2
    own, others = (
        {port for spec in layout.processes if (spec.kind in standby) is kind for port in spec.ports}
        for kind in (True, False)
    )
    assert (len(own), own & others) == (4, set())
    known = sentinel.settings(config, layout.ports, layout.directory)
    for spec in layout.processes:
        if spec.kind == "redis_replica":
            line = f"sentinel known-replica {spec.region} 127.0.0.1 {spec.ports[0]}\n"
            assert line in known[f"sentinel-{spec.region}/sentinel.conf"]
    target = targets.load("testbed_sentinel")
    resolved = targets.resolve(target, testbed=endpoints(layout, SECRETS))
    for region, shown in resolved.regions.items():
        (spec,) = layout.of("sentinel", region)
        assert shown.redis_sentinel is not None
        assert shown.redis_sentinel.url == f"redis://127.0.0.1:{spec.ports[0]}"


@pytest.mark.parametrize("shards", [1, 3])
def test_sentinel_moves_every_proxy_of_its_region(shards: int) -> None:
    """Of each Toxiproxy; with the planted defect none, and Sentinel itself is as before."""
    config, layout = with_sentinel(toxiproxies_per_region=shards)
    proxies = layout.of("toxiproxy")
    scripts = sentinel.scripts(config, proxies)
    for region in config.spec.regions:
        text = scripts[f"sentinel-{region}/move"]
        own = [spec.admin_url for spec in proxies if spec.region == region]
        assert len(own) == shards
        assert f"{[f'{url}/proxies/redis' for url in own]!r}" in text
    faulty, _ = with_sentinel(defect="address_stays", toxiproxies_per_region=shards)
    assert all("for url in []:" in text for text in sentinel.scripts(faulty, proxies).values())
    told = sentinel.settings(config, Ports(7600), Path("/x"))
    assert told == sentinel.settings(faulty, Ports(7600), Path("/x"))
    assert "down-after-milliseconds eu-west-1 1000\n" in told["sentinel-eu-west-1/sentinel.conf"]


def test_what_leaves_no_room_for_sentinel_is_refused() -> None:
    """A fourth Toxiproxy has its ports; and without Sentinel its defect would be nowhere."""
    with pytest.raises(BadInput, match=r"testbed\.redis\.sentinel: got .?True.?, expected false"):
        with_sentinel(toxiproxies_per_region=4)
    with pytest.raises(BadInput, match=r"--defect: got .?address_stays.?, expected a target with"):
        planned(defect="address_stays")


def test_without_a_defect_none_is_planted() -> None:
    """The default testbed has no defect anywhere."""
    assert not any((spec.config or {}).get("defect") for spec in planned().processes)


@pytest.mark.parametrize(
    ("scale", "shown"), [(0.0, "0.0"), (-1.0, "-1.0"), (math.nan, "nan"), (math.inf, "inf")]
)
def test_a_scale_that_is_none_is_refused(scale: float, shown: str) -> None:
    """0, negative, NaN and infinity: one line."""
    with pytest.raises(BadInput, match=rf"^--scale: got {shown}, expected a number above 0"):
        planned(scale)


def test_an_unknown_defect_is_refused_with_the_known_ones() -> None:
    """The line lists what can be planted."""
    with pytest.raises(
        BadInput,
        match=r"^--defect: got 'gremlin', expected one of address_stays, answers_in_turn",
    ):
        planned(defect="gremlin")


def test_prometheus_scrapes_every_part() -> None:
    """Targets and intervals, also below a second."""
    target = small_target("x")
    config = settings.build(target, M3, scale=0.1, seed=1, defect=None, owner="test")
    layout = lay_out(config, Ports(7400), PROGRAMS, SECRETS)
    text = yaml.safe_load(prometheus_config.render(layout))
    assert text["global"]["scrape_interval"] == "200ms"
    jobs = {job["job_name"]: job for job in text["scrape_configs"]}
    assert set(jobs) == {"gateway", "provider", "dns", "toxiproxy", "load"}
    assert len(jobs["gateway"]["static_configs"][0]["targets"]) == 4
    assert jobs["load"]["file_sd_configs"][0]["files"] == [
        endpoints(layout, SECRETS)["load_file_sd"]
    ]


def test_free_blocks_stay_out_of_the_ephemeral_range() -> None:
    """Outgoing connections never take a testbed's port; a target may ask for each block."""

    class Unshuffled(random.Random):
        def shuffle(self, x: MutableSequence[Any]) -> None:
            x.reverse()

    for base in ports.free_blocks(Unshuffled()):
        assert base + BLOCK <= 32_768 or base > 60_999
        assert TestbedSpec(port_base=base, regions={}).port_base == base


def test_a_block_is_held_by_one_alone() -> None:
    """The guard port keeps a second testbed out of the block."""
    base = next(ports.free_blocks())
    with ports.hold(base):
        with pytest.raises(BadInput, match=rf"^port {base + 99}: got 'taken"):
            ports.hold(base)
    ports.hold(base).close()


def test_who_holds_a_port_is_named() -> None:
    """The process, by /proc; nothing when nobody does."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert f"(pid {os.getpid()})" in (ports.who_holds(port) or "")
        with pytest.raises(BadInput, match=r"taken by .*expected it free for the test"):
            ports.check([Wish("the test", "127.0.0.1", port)])
    assert ports.who_holds(port) is None


def test_an_address_that_is_not_ours_is_explained() -> None:
    """A loopback address that the system does not have: how to get it."""
    with pytest.raises(BadInput, match=r"got '192.0.2.1', expected an address of this machine"):
        ports.check([Wish("chat", "192.0.2.1", 7400)])


def program(folder: Path, name: str, says: str) -> None:
    """A fake program that prints `says`."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


def test_programs_are_found_with_their_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, too old, and without a version: one line each; a fit one is used."""
    redis = next(wanted for wanted in WANTED if wanted.name == "redis-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path))
    with pytest.raises(BadInput, match=r"^redis-server: got .*nothing.*make setup"):
        find(redis)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    program(tmp_path, "redis-server", "Redis server v=5.0.14 sha=0")
    with pytest.raises(BadInput, match=r"redis-server: version: got '5.0.14', expected 6.0 or"):
        find(redis)
    program(tmp_path, "redis-server", "hello")
    with pytest.raises(BadInput, match=r"got 'hello', expected a version number"):
        find(redis)
    program(tmp_path, "redis-server", "Redis server v=7.0.15 sha=0")
    assert find(redis).version == "7.0.15"


def test_a_toxiproxy_built_by_go_tells_its_module_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`go install` leaves the word git as version; the build's own facts stand in the file."""
    wanted = Wanted("toxiproxy-server", (2, 12), "-version", r"version v?(\d+(?:\.\d+)+)")
    program(tmp_path, "toxiproxy-server", "toxiproxy-server version git")
    with (tmp_path / "toxiproxy-server").open("ab") as file:
        file.write(b"# mod\tgithub.com/Shopify/toxiproxy/v2\tv2.13.0\th1:x\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find(wanted).version == "2.13.0"


def test_a_state_without_its_supervisor_is_no_testbed(tmp_path: Path) -> None:
    """A state.json that a killed supervisor left is never believed."""
    (tmp_path / "state.json").write_text(json.dumps({"pid": os.getpid()}))
    assert read_state(tmp_path) is None


def test_a_directory_is_locked_by_one_alone(tmp_path: Path) -> None:
    """The second lock is refused; asking does not lock."""
    directory = tmp_path / "testbed-x"
    first = lock_directory(directory)
    assert first is not None
    assert is_locked(directory)
    assert lock_directory(directory) is None
    os.close(first)
    assert not is_locked(directory)
    again = lock_directory(directory)
    assert again is not None
    os.close(again)
