"""A phase lasts until its arrivals are enough to judge it, however soon its work is done."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from muster.contract import load
from muster.drill.phases.arrivals import judgeable_s
from muster.drill.phases.failover import STAY_S_MAX
from muster.drill.plan.enough import ENOUGH


def session_at(scale: float, profile: str = "m3_20k") -> SimpleNamespace:
    """As much of a session as the length needs."""
    contract = load()
    plan = SimpleNamespace(
        contract=contract,
        profile=contract.profiles[profile],
        settings=SimpleNamespace(scale=scale),
    )
    return SimpleNamespace(plan=plan)


@pytest.mark.parametrize(("tier", "needed"), [("G", 200), ("X", 334), ("L", 100)])
def test_it_follows_the_strictest_share_and_the_arrivals(tier: str, needed: int) -> None:
    """One and a half times the smallest sample of the tier's strictest rate."""
    session = session_at(0.1)
    rate = session.plan.profile.arrivals_per_s(0.1)
    assert judgeable_s(session, tier) == pytest.approx(ENOUGH * needed / rate)


def test_all_streams_need_no_wait_worth_naming() -> None:
    """At scale 1 a fraction of a second; a tiny load is not waited for without end."""
    assert judgeable_s(session_at(1.0), "G") < 1.0
    assert judgeable_s(session_at(0.0005), "G") > STAY_S_MAX
