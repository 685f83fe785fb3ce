"""A real testbed's region lost to its users while its processes go on, and found back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import httpx
import pytest
from dead_drill import Bed, bed_in
from testbed_peers import region_of_answer, until

from muster import testbed
from muster.faults.region_grey import RegionGrey
from muster.faults.region_partition import RegionPartition
from muster.platform.port import PortError

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("prometheus") is None,
    reason="redis-server or prometheus is missing: make setup",
)
REGION, OTHER = "eu-west-1", "eu-central-1"
KINDS = {"region_partition": RegionPartition, "region_grey": RegionGrey}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """One testbed for all of them: each leaves it as it was."""
    with bed_in(tmp_path_factory.mktemp("lost")) as one:
        yield one


@pytest.mark.parametrize("kind", KINDS)
def test_recover_ends_it_after_a_drill_that_died(bed: Bed, kind: str) -> None:
    """`chaos drill recover` joins the region and takes its routes back; ready, not only undone."""
    fault = KINDS[kind](bed.platform, REGION, steady_s=0.5)
    assert not fault.observe().proven
    log = bed.dies_in(fault)
    assert fault.observe().proven
    assert not fault.look_back()[0].ok
    again = bed.recovered(log)
    assert not again.observe().proven


def test_a_partition_hides_the_region_and_leaves_it_alive(bed: Bed) -> None:
    """The name server leaves it, its processes run, and their figures are scraped from inside."""
    state = testbed.status("it")
    assert state is not None
    pids = {one.name: one.pid for one in state.processes}
    fault = RegionPartition(bed.platform, REGION)
    fault.undo_params()
    fault.apply()
    try:
        until(lambda: {region_of_answer(state) for _ in range(10)} == {OTHER})
        control, token = state.endpoints["control_url"], state.endpoints["control_token"]
        shown = httpx.get(
            f"{control}/regions/{REGION}",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        ).json()
        assert (shown["power"], shown["ready"]) == ("on", True)
        with pytest.raises(PortError, match="cut before the fault"):
            RegionPartition(bed.platform, REGION).undo_params()
    finally:
        fault.revert()
    until(lambda: {region_of_answer(state) for _ in range(20)} == {REGION, OTHER})
    after = testbed.status("it")
    assert after is not None
    assert {one.name: one.pid for one in after.processes} == pids


def test_a_grey_region_is_refused_where_a_route_fails_before(bed: Bed) -> None:
    """Its effect could not be told then."""
    first = RegionGrey(bed.platform, REGION)
    first.undo_params()
    first.apply()
    try:
        with pytest.raises(PortError, match="toxics left over"):
            RegionGrey(bed.platform, REGION).undo_params()
    finally:
        first.revert()
    assert first.read_back().ok
