"""A small load is judged as far as it can tell, or refused with the reason: never blamed."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, exp, floor, lgamma, log, log1p, sqrt
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.drill.phases import failover
from muster.drill.plan import enough
from muster.drill.plan.plan import make_plan
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.facts import Facts
from muster.drill.sight.split import ARRIVALS_MIN, Split, needed_draws, tolerance_of
from muster.drill.stop import StopFlag
from muster.errors import DrillAborted
from muster.platform.metrics import RawSeries

TOLERANCE_PCT = 5.0
FALSELY_OFF_MAX = 0.006
"""By one look at a healthy split; a wait fails only if its every look does."""
FALSELY_HELD_MAX = {20.0: 0.05, 30.0: 0.0005}
"""By one look at a split that is so many points off."""


def within(n: int, share: float, low: float, high: float) -> float:
    """P(low <= X <= high) of a binomial."""
    total = 0.0
    for k in range(max(0, ceil(low)), min(n, floor(high)) + 1):
        chosen = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
        total += exp(chosen + k * log(share) + (n - k) * log1p(-share))
    return total


def held(n: int, true_pct: float, wanted_pct: float) -> float | None:
    """How likely a look at `n` arrivals finds the split as wanted; None: it says nothing."""
    tolerance = tolerance_of(wanted_pct, n, TOLERANCE_PCT)
    if tolerance is None:
        return None
    low, high = n * (wanted_pct - tolerance) / 100, n * (wanted_pct + tolerance) / 100
    return within(n, true_pct / 100, low - 1e-9, high + 1e-9)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 900), st.floats(2, 98))
def test_a_correct_split_is_almost_never_off(n, wanted):
    """At any number of arrivals, by exact counting: judged within the bound, or not at all."""
    likely = held(n, wanted, wanted)
    assert likely is None or 1 - likely <= FALSELY_OFF_MAX


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 900), st.floats(2, 98), st.sampled_from([-30.0, -20.0, 20.0, 30.0]))
def test_a_split_that_is_far_off_is_found_or_unknown(n, wanted, off):
    """20 points are twice the widest tolerance that says anything."""
    if 0 < wanted + off < 100:
        likely = held(n, wanted + off, wanted)
        assert likely is None or likely <= FALSELY_HELD_MAX[abs(off)]


@given(st.floats(0, 100), st.integers(0, 2000))
def test_what_is_needed_is_what_a_look_asks_for(wanted, n):
    """The plan's figure and the look's: the same."""
    says = tolerance_of(wanted, n, TOLERANCE_PCT) is not None
    assert says == (n >= needed_draws(wanted, TOLERANCE_PCT))
    assert needed_draws(wanted, TOLERANCE_PCT) >= ARRIVALS_MIN


def facts_at(per_s: float, seconds: int, share: float = 0.5) -> Facts:
    facts = Facts(stale_s=10)
    for second in range(seconds):
        rows = (("west", share), ("east", 1 - share))
        facts.add(
            RawSeries("client_answers", "n", {"region": name}, (1000.0 + second,), (v,))
            for name, part in rows
            for v in [per_s * second * part]
        )
    return facts


def test_three_arrivals_a_second_are_judged_by_a_longer_look_back():
    """Half of them in 80 s: 240 arrivals are enough, 60 in 20 s were not."""
    look = Split(facts_at(3, 89), 1.0, TOLERANCE_PCT).look("west", 50)
    assert look is not None
    assert look.holds
    assert Split(facts_at(3, 40), 1.0, TOLERANCE_PCT).look("west", 50) is None


@given(st.integers(0, 88))
def test_no_look_back_reaches_before_the_step(age):
    """What was counted before the step is never in a look."""
    since_s = 1088.0 - age
    split = Split(facts_at(300, 89), 1.0, TOLERANCE_PCT, since_s=since_s)
    assert split.seen() <= 300 * age
    assert (split.look("west", 50) is None) == (age < 3)


class Session:
    """As much of a session as the wait for a split needs."""

    def __init__(self, facts, per_s):
        self.target = SimpleNamespace(evacuate="west")
        self.split = Split(facts, 1.0, TOLERANCE_PCT)
        self.gone_pct, self.split_tolerance_pct = 1.0, TOLERANCE_PCT
        self.ttl_s, self.detection_s, self.poll_s = 5.0, 10.0, 2.0
        profile = SimpleNamespace(arrivals_per_s=lambda scale: per_s)
        self.plan = SimpleNamespace(profile=profile, settings=SimpleNamespace(scale=0.1))
        self.clock = SimpleNamespace(now_s=lambda: 0.0)
        self.samples = SamplesClock(clock=self.clock)
        self.watch = SimpleNamespace(blamed=lambda reason: reason)
        self.stop = StopFlag()
        self.waited = []

    def wait_until(self, holds, seconds_max):
        self.waited.append(seconds_max)
        return 0.0 if holds() else None

    def record(self, event, **fields):
        pass

    def stop_now(self, reason):
        self.reason = reason
        raise DrillAborted(reason.by, reason.detail)

    def fail(self, by, detail):
        raise DrillAborted(by, detail)


@pytest.mark.parametrize("leaving", [True, False])
@pytest.mark.parametrize(
    ("facts", "share", "by"),
    [
        (facts_at(2, 89), 50, "load:too_few_arrivals"),
        (facts_at(0.5, 89), 0, "load:too_few_arrivals"),
        (Facts(stale_s=10), 50, "data_lost"),
        (facts_at(30, 89, share=0.9), 50, "platform:traffic_would_not_"),
    ],
)
def test_too_few_arrivals_are_neither_lost_data_nor_the_platforms(
    monkeypatch, leaving, facts, share, by
):
    """In evacuate's steps and in restore's: each by its own name."""
    monkeypatch.setattr(failover, "look", lambda session: None)
    monkeypatch.setattr(failover, "_look_at_drain", lambda session: None)
    session = Session(facts, 2.0)
    with pytest.raises(DrillAborted) as stopped:
        failover.await_split(session, share, leaving=leaving)
    assert stopped.value.by.startswith(by)
    if by.startswith("load"):
        assert session.reason.verdict == "INCONCLUSIVE"
        assert "are needed" in stopped.value.detail


def test_the_wait_is_longer_where_arrivals_are_few_and_only_there():
    """By what a small load needs, and by no more than a look-back."""
    waits = {}
    for per_s in (0.1, 3.0, 300.0):
        session = Session(facts_at(300, 89), per_s)
        failover.await_split(session, 50, leaving=True)
        (waits[per_s],) = session.waited
    assert waits[300.0] == 5 + 6 + 10
    assert waits[3.0] == waits[0.1] == waits[300.0] + 80


SHARES = {"evacuate": [25, 10, 0], "restore": [10, 25]}


def plan_of():
    method = [
        {
            "name": name,
            "provider": {
                "module": "muster.actions.failover",
                "func": name,
                "arguments": arguments,
            },
        }
        for name, arguments in (
            ("baseline", {"minutes": 5}),
            ("evacuate", {"shares_pct": SHARES["evacuate"]}),
            ("dark", {"minutes": 11}),
            ("restore", {"shares_pct": SHARES["restore"]}),
        )
    ]
    asked = {"target": "testbed", "profile": "m3_20k"}
    return make_plan(asked, drill="d", title="t", kind="failover", gate="M3", method=method)


PLAN = plan_of()


def plan_at(scale: float):
    return replace(PLAN, settings=replace(PLAN.settings, scale=scale))


def test_a_plan_says_what_is_needed_and_which_scale_would_do():
    """Phase by phase; a load that brings enough needs no other scale."""
    told = "\n".join(enough.lines(plan_at(0.001)))
    assert "arrivals of baseline, Tier X: 141 expected in 50 s, 334 needed: TOO FEW" in told
    assert "split at the steps of restore: 219 expected in 80 s, 225 needed: TOO FEW" in told
    assert "--var scale:float=0.004" in told
    assert "TOO FEW" not in "\n".join(enough.lines(plan_at(0.1)))
    assert enough.smallest_scale(plan_at(0.1)) is None


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-4, 1.0))
def test_the_scale_that_is_named_brings_enough(scale):
    """Whatever was asked: at the named scale nothing lacks, and nothing is refused."""
    found = enough.smallest_scale(plan_at(scale))
    if found is None:
        assert enough.too_few(plan_at(scale)) == ""
        return
    better = plan_at(min(found, 1.0))
    assert enough.smallest_scale(better) is None
    assert enough.too_few(better) == ""


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-4, 1.0))
def test_only_what_no_luck_could_bring_is_refused(scale):
    """Three standard errors above what is expected would still be too few."""
    refused = enough.too_few(plan_at(scale))
    splits = [need for need in enough.needs_of(plan_at(scale)) if need.split]
    worst = min(need.expected + 3 * sqrt(need.expected) - need.needed for need in splits)
    assert bool(refused) == (worst < 0)
    if refused:
        assert "would be enough" in refused
