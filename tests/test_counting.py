"""What is counted, against exact sums: bounds, attempts, canaries, and how findings are told."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import comb

import pytest
from test_evaluate import WINDOW, attempts, line, requests, samples_of

from muster.judge.findings import Finding, from_json
from muster.samples.counting import Count, at_most, judge_share, smallest_sample, upper_bound_pct
from muster.samples.rates import canary_count, client_counts, server_counts

PARTS = {"success": 500, "broken": 20, "http_429": 30, "http_4xx": 7, "http_5xx": 1}
LOST = {"refused": 2, "reset": 3, "timeout": 4}


@pytest.mark.parametrize(
    ("bad", "total", "share"),
    [
        (0, 1, 0.5),
        (3, 20, 0.25),
        (3, 20, 0.875),
        (19, 20, 0.96875),
        (5, 1000, 1 / 128),
        (99, 300, 0.375),
    ],
)
def test_the_binomial_is_summed_exactly(bad, total, share):
    """Against whole numbers and fractions."""
    p = Fraction(share)
    exact = sum(comb(total, k) * p**k * (1 - p) ** (total - k) for k in range(bad + 1))
    assert at_most(bad, total, share) == pytest.approx(float(exact), rel=1e-11)


def test_the_bound_leaves_the_chance_that_was_asked_for():
    """At it, so few bad ones or fewer are seen once in twenty; or once in a hundred."""
    for bad, total, confidence in ((1, 2000, 0.95), (7, 30, 0.95), (7, 30, 0.99), (29, 30, 0.5)):
        bound_pct = upper_bound_pct(bad, total, confidence)
        assert at_most(bad, total, bound_pct / 100) == pytest.approx(1 - confidence, rel=1e-9)
    assert upper_bound_pct(7, 30) == upper_bound_pct(7, 30, 0.95)


def test_the_bound_at_its_ends():
    """One of one bad, none of one, none at all, and more than a float can tell from nothing."""
    assert upper_bound_pct(0, 1) == pytest.approx(95.0)
    assert upper_bound_pct(1, 1) == upper_bound_pct(0, 0) == 100.0
    assert upper_bound_pct(29, 30) < 100.0
    assert at_most(0, 100_000, 0.9) == 0.0


def test_a_share_of_none_tolerated_needs_one_sample():
    """And any bad one fails it."""
    assert smallest_sample(Fraction(0)) == 1
    assert judge_share(Count(0, 1), Fraction(0)) == ("pass", "")
    assert judge_share(Count(1, 1), Fraction(0)) == ("fail", "")
    assert judge_share(Count(2, 99), Fraction(1, 100)) == ("fail", "")
    status, reason = judge_share(Count(0, 0), Fraction(0))
    assert (status, "0 samples, at least 1 are needed" in reason) == ("unknown", True)
    assert judge_share(Count(None, 5), Fraction(0)) == ("unknown", "no data")


def test_a_share_of_bad_ones_in_percent():
    """Unknown without data, and of none."""
    assert Count(1, 8).share_bad_pct == 12.5
    assert Count(0, 8).share_bad_pct == 0.0
    assert [Count(*n).share_bad_pct for n in ((None, 8), (1, None), (0, 0))] == [None] * 3
    assert Count(1, 1).share_bad_pct == 100.0


def test_the_loads_attempts_are_told_apart():
    """Cut streams, 429 and 4xx are no success; what never got an answer is a 5xx; 429 alone."""
    found = client_counts(samples_of(*attempts(**PARTS, **LOST)), WINDOW)
    total = sum(PARTS.values()) + sum(LOST.values())
    assert found == {
        "success_2xx": Count(total - 500, total),
        "rate_5xx": Count(1 + 2 + 3 + 4, total),
        "rate_429": Count(30, total),
    }
    nothing = Count(None, None)
    assert set(client_counts(samples_of(), WINDOW).values()) == {nothing}
    assert client_counts(samples_of(*attempts(success=9)), WINDOW)["rate_429"] == Count(0, 9)


def test_the_platforms_answers_are_told_apart():
    """By their codes; a broken stream was a 200; an answer without a code could be anything."""
    answers = requests(_200=500, _204=10, _401=7, _429=30, _500=1, _503=4)
    found = server_counts(samples_of(*answers), WINDOW)
    assert found == {
        "success_2xx": Count(42, 552),
        "rate_5xx": Count(5, 552),
        "rate_429": Count(30, 552),
    }
    cut = line("streams_broken", "b_total", {}, 60)
    assert server_counts(samples_of(*answers, cut), WINDOW)["success_2xx"] == Count(102, 552)
    no_code = line("requests", "r_total", {}, 5)
    found = server_counts(samples_of(*answers, no_code), WINDOW)
    assert set(found.values()) == {Count(None, None)}
    assert set(server_counts(samples_of(), WINDOW).values()) == {Count(None, None)}


def test_an_answer_that_was_first_given_in_the_window_began_at_none():
    """Its siblings were scraped before: by the load and by the platform."""
    good, bad = requests(_200=500, _500=6)
    late = replace(bad, t=bad.t[20:], v=bad.v[20:])
    assert server_counts(samples_of(good, late), WINDOW)["rate_5xx"] == Count(6, 506)
    good, bad = attempts(success=500, reset=6)
    late = replace(bad, t=bad.t[20:], v=bad.v[20:])
    assert client_counts(samples_of(good, late), WINDOW)["rate_5xx"] == Count(6, 506)


def test_broken_streams_that_nobody_can_count_make_success_unknown():
    """And what did not succeed otherwise is unknown by itself."""
    lost = line("streams_broken", "b_total", {}, 60)
    lost = replace(lost, t=lost.t[:30], v=lost.v[:30])
    found = server_counts(samples_of(*requests(_200=500, _500=1), lost), WINDOW)
    assert (found["success_2xx"], found["rate_5xx"]) == (Count(None, 501), Count(1, 501))
    good, bad = requests(_200=500, _500=1)
    bad = replace(bad, t=bad.t[:30], v=bad.v[:30])
    whole = line("streams_broken", "b_total", {}, 60)
    found = server_counts(samples_of(good, bad, whole), WINDOW)
    assert found["success_2xx"] == Count(None, None)


def test_canaries_that_were_not_answered_are_bad_ones():
    """However they were not."""
    outcomes = {"answered": 980, "unavailable_5xx": 1, "unavailable_timeout": 2}
    canaries = [
        line("client_canaries", "c_total", {"outcome": outcome}, count)
        for outcome, count in outcomes.items()
    ]
    assert canary_count(samples_of(*canaries), WINDOW) == Count(3, 983)
    assert canary_count(samples_of(canaries[0]), WINDOW) == Count(0, 980)
    assert canary_count(samples_of(), WINDOW) == Count(None, None)


FINDING = Finding(
    slo="rate_5xx",
    tier="G",
    phase="dark",
    region="west",
    source="server",
    window=(10.0, 70.0),
    threshold=0.5,
    measured=0.75,
    margin=-0.25,
    unit="%",
    samples=1200,
    status="fail",
    reason="too many",
    bracket=(1.8, None),
)


def test_a_recorded_finding_is_read_back_as_it_was():
    """Each of its parts."""
    assert from_json(FINDING.as_json()) == FINDING


def test_what_a_record_does_not_say_is_unknown():
    """No status, or a word that is none; the drill's own findings are the client's."""
    plain = from_json({"slo": "shifted"})
    nothing = dict.fromkeys(("tier", "phase", "region", "window", "threshold", "measured"))
    nothing |= dict.fromkeys(("margin", "samples", "bracket"))
    said = {"slo": "shifted", "source": "client", "unit": "", "status": "unknown", "reason": ""}
    assert plain.as_json() == nothing | said
    assert from_json({"status": "PASS"}).status == "unknown"


def test_a_finding_in_a_line():
    """What was seen, against what, where, and why; or that there is no data."""
    assert FINDING.line() == (
        "fail: rate_5xx dark west [server] 0.75 % (threshold 0.5 %): too many"
    )
    bare = replace(FINDING, phase=None, region=None, measured=None, threshold=None, reason="")
    assert bare.line() == "fail: rate_5xx  [server] over 1.8 %"
    assert replace(bare, bracket=(1.5, 1.8)).line() == "fail: rate_5xx  [server] over 1.5 to 1.8 %"
    nothing = replace(bare, bracket=None, status="not_judged")
    assert nothing.line() == "not judged: rate_5xx  [server] no data"
