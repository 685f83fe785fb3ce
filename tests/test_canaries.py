"""Canaries: as many as load and judging ask for, and taken out of the platform's figures."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from bundle_maker import Harm, make_bundle, small
from test_counting import FINDING
from test_small_loads import plan_at

from muster.drill.load import DrillLoad
from muster.drill.plan.enough import canaries_per_s, lines, needs_of
from muster.judge.taken_out import without_canaries
from muster.judge.verdict import judge
from muster.load.starter import shard_configs
from muster.samples.counting import Count, judge_share


def at(scale: float, time_scale: float):
    return replace(plan_at(scale), time_scale=time_scale)


@pytest.mark.parametrize(
    ("scale", "time_scale", "per_s"),
    [
        (1.0, 1.0, 50.0),
        (0.5, 1.0, 25.0),
        (0.1, 1.0, 10.0),  # the baseline of 300 s needs 2,000, and half as many again
        (0.01, 2.0, 20.0),
        (0.1, 6.0, 50.0),  # 60 would be needed in 50 s: never more than at scale 1
        (2.0, 1.0, 100.0),
    ],
)
def test_canaries_follow_the_scale_and_never_starve_availability(scale, time_scale, per_s):
    """A canary costs like a request, but the shortest hold must still be judged."""
    plan = at(scale, time_scale)
    assert canaries_per_s(plan) == pytest.approx(per_s)
    assert f"{per_s:,.1f} canaries a second" in next(lines(plan))
    if per_s < 50:
        needs = [need for need in needs_of(plan) if need.what.startswith("canaries")]
        assert needs
        assert all(need.enough for need in needs)


def test_the_load_sends_as_many_canaries_as_the_plan_says(tmp_path):
    """All shards together; without a drill it is the profile's rate at the scale."""
    plan = at(0.1, 1.0)
    told = replace(
        DrillLoad(plan, plan.target, {}, tmp_path)._load_plan(), url="http://127.0.0.1:9"
    )
    assert {one.canary_rate_per_s for one in shard_configs(told)} == {10.0}
    alone = replace(told, canaries_per_s=None)
    assert {one.canary_rate_per_s for one in shard_configs(alone)} == {5.0}


def statuses(verdict, slo, source, phase):
    return [
        (one.status, one.reason)
        for one in verdict.findings
        if (one.slo, one.source, one.phase) == (slo, source, phase)
    ]


def test_canaries_that_the_platform_counts_are_taken_out_and_said(tmp_path):
    """A healthy platform passes although its figures hold them; the verdict says so."""
    verdict = judge(make_bundle(tmp_path / "in", small(canaries_counted=True)))
    assert verdict.verdict == "PASS"
    [(status, reason)] = statuses(verdict, "attempts_agree", "server", "baseline")
    assert status == "pass"
    assert "canaries are in it, and are subtracted as successful requests" in reason
    for slo in ("rate_5xx", "success_2xx", "first_token_p95", "completion_p95"):
        [(status, reason)] = statuses(verdict, slo, "server", "baseline")
        assert status == "pass"
        assert "canaries subtracted" in reason
    apart = judge(make_bundle(tmp_path / "out"))
    [(_, reason)] = statuses(apart, "attempts_agree", "server", "baseline")
    assert reason.endswith("canaries are not in it")


def test_fast_canaries_do_not_make_a_slow_platform_pass(tmp_path):
    """5.3 % of its streams are slow, 4.5 % of what it counts: decided by canaries, so unknown."""
    harm = {"baseline": Harm(slow_first_token=0.053)}
    verdict = judge(make_bundle(tmp_path, small(canaries_counted=True, harm=harm)))
    [(status, reason)] = statuses(verdict, "first_token_p95", "server", "baseline")
    assert status == "unknown"
    assert "canaries subtracted: pass with them, fail without" in reason
    [(status, _)] = statuses(verdict, "first_token_p95", "client", "baseline")
    assert status == "fail"


@pytest.mark.parametrize(
    ("bad", "total", "canaries", "status"),
    [
        (10, 2000, 0, "pass"),
        (9, 2000, 100, "pass"),
        (10, 2000, 1, "unknown"),
        (11, 2000, 100, "fail"),
        (0, 100, 100, "unknown"),
    ],
)
def test_what_the_canaries_decide_is_unknown(bad, total, canaries, status):
    """Half a per cent may be bad: with the canaries, and without them."""

    def judged(taken):
        found, reason = judge_share(Count(bad, total).without_good(taken), Fraction(5, 1000))
        return replace(FINDING, status=found, reason=reason)

    found = without_canaries(judged, canaries)
    assert found.status == status
    assert ("canaries subtracted" in found.reason) is bool(canaries)


@pytest.mark.parametrize(
    ("why", "rest", "said"),
    [
        ("", "pass", "7 canaries subtracted"),
        ("", "fail", "7 canaries subtracted: pass with them, fail without"),
        ("too few", "pass", "too few; 7 canaries subtracted"),
    ],
)
def test_why_it_is_so_without_the_canaries_stands_first(why, rest, said):
    """The figures are those without them."""

    def judged(taken):
        return replace(FINDING, status=rest if taken else "pass", reason=why, measured=taken)

    found = without_canaries(judged, 7.0)
    assert (found.reason, found.measured) == (said, 7.0)


def test_no_more_are_taken_out_than_were_good():
    """What is bad stays, and an unknown total stays unknown."""
    assert Count(7, 10).without_good(100) == Count(7, 7)
    assert Count(None, None).without_good(100) == Count(None, None)
