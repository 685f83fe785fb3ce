"""The provider, the ways to it and the steering API in trouble on a real testbed, and `recover`.

A drill that was killed leaves each of them as it was told; nothing of that outlives the command.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from dead_drill import Bed, bed_in

from muster.faults.provider_cut import ProviderCut
from muster.faults.provider_share import ProviderShare
from muster.faults.provider_trickle import ProviderTrickle
from muster.faults.steering_unavailable import SteeringUnavailable

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("prometheus") is None,
    reason="redis-server or prometheus is missing: make setup",
)
REGION = "eu-west-1"
KINDS = {
    "provider_cut": lambda platform: ProviderCut(platform, after_tokens=1),
    "provider_share": lambda platform: ProviderShare(
        platform, REGION, latency_ms=2000, share_pct=50
    ),
    "provider_trickle": lambda platform: ProviderTrickle(platform, REGION, rate_kb_s=1),
    "steering_unavailable": lambda platform: SteeringUnavailable(platform, 50),
}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """One testbed for all of them: each leaves it as it was."""
    with bed_in(tmp_path_factory.mktemp("provider")) as one:
        yield one


@pytest.mark.parametrize("kind", KINDS)
def test_recover_ends_it_after_a_drill_that_died(bed: Bed, kind: str) -> None:
    """Proven only while it is there, and gone from the path as well as from what was told."""
    fault = KINDS[kind](bed.platform)
    log = bed.dies_in(fault)
    assert fault.observe().proven
    assert not fault.read_back().ok
    again = bed.recovered(log)
    assert not again.observe().proven
