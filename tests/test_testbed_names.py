"""A real testbed's name server told to fail: seen by queries, and ended by `recover`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from dead_drill import Bed, bed_in

from muster.faults.dns_empty import DnsEmpty
from muster.faults.dns_path import ask
from muster.faults.dns_slow import DnsSlow
from muster.faults.dns_stale import DnsStale
from muster.faults.traffic_shift import TrafficShift
from muster.platform.port import PortError

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("prometheus") is None,
    reason="redis-server or prometheus is missing: make setup",
)
REGION = "eu-west-1"
KINDS = {
    "dns_slow": lambda platform: DnsSlow(platform, delay_ms=300),
    "dns_empty": DnsEmpty,
    "dns_stale": DnsStale,
}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """One testbed for all of them: each leaves it as it was."""
    with bed_in(tmp_path_factory.mktemp("names")) as one:
        yield one


@pytest.mark.parametrize("kind", KINDS)
def test_recover_ends_it_after_a_drill_that_died(bed: Bed, kind: str) -> None:
    """Proven only while it is there, and told so again once it is not."""
    fault = KINDS[kind](bed.platform)
    assert not fault.observe().proven
    log = bed.dies_in(fault)
    assert fault.observe().proven is (kind != "dns_stale")  # which shows in a shift
    with pytest.raises(PortError, match="in trouble before the fault"):
        KINDS[kind](bed.platform).undo_params()
    again = bed.recovered(log)
    assert not again.observe().proven
    assert again.command() is None


def test_stale_answers_go_on_by_the_weights_that_were(bed: Bed) -> None:
    """The API shows the shift, the answers do not; once it reads again they do."""
    steering = bed.platform.steering
    before = steering.weights()
    fault = DnsStale(bed.platform)
    fault.undo_params()
    fault.apply()
    try:
        steering.set_weights(TrafficShift(bed.platform, REGION, less_pct=80).weights())
        proof = fault.observe()
        assert proof.proven, proof
        assert proof.facts["weights_pct"] < 20 < proof.facts["answers_pct"]
        fault.revert()
        assert not fault.observe().proven
    finally:
        fault.revert()
        steering.set_weights(before)


def test_an_empty_answer_says_for_how_long_it_holds(bed: Bed) -> None:
    """NOERROR, no record, and the SOA's own time."""
    fault = DnsEmpty(bed.platform)
    fault.apply()
    try:
        seen = ask(bed.platform.target, bed.platform.clock)
        assert (seen.rcode, seen.addresses, seen.ttl_s) == ("NOERROR", (), 1)
    finally:
        fault.revert()


def test_what_is_no_trouble_is_refused(bed: Bed) -> None:
    """By the name server itself, and nothing changes."""
    fault = DnsSlow(bed.platform, delay_ms=61_000)
    with pytest.raises(PortError, match="HTTP 400"):
        fault.apply()
    assert fault.read_back().ok


def test_without_a_stub_or_a_server_to_ask_it_is_refused_by_its_key(bed: Bed) -> None:
    """Before anything is started."""
    for key, value, changes in (
        ("dns_stub", None, {"dns_stub": None}),
        (
            "load.dns_server",
            None,
            {"load": bed.platform.target.load.model_copy(update={"dns_server": None})},
        ),
    ):
        target = bed.platform.target.model_copy(update=changes)
        found = DnsEmpty(replace(bed.platform, target=target)).unusable()
        assert found is not None
        assert (found.key, found.value) == (key, value)
