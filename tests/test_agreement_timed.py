"""What other processes timed, and the canaries in a platform's counts: whole comparisons."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from test_agreement import EAST, OVER_40_S, WEST, line
from test_counting import FINDING

from muster.judge.agreement import (
    Agreements,
    _canaries,
    _of_nobody,
    _Sent,
    _told,
    agreed,
    compare,
)
from muster.samples.series import Samples, series_of

TOLERANCE = Fraction(2, 100)
FEWER = "processes that nobody scrapes, or answers that nobody timed"
OTHERS = "requests of others, or series that are there twice"


CANARIES = {(WEST, "answered"): 20.0, (EAST, "answered"): 10.0}


def counted(histogram, per_s, region="", *, since_s=0, until_s=60, name="x_count"):
    """What a process that answers nothing has timed; it is scraped once a second."""
    rows = [(float(t), per_s * (t - since_s)) for t in range(since_s, until_s + 1)]
    labels = {"instance": f"l:{region}"} | ({"region": region} if region else {})
    return series_of(histogram, name, labels, rows)


def sides(*timed, load=None, platform=None, canaries=None):
    """200 attempts a second in two regions over 40 s, all answered: 8,000.

    Both sides may differ by 620 (twenty, and two seconds of 300) and 2 % of the larger count.
    """
    load = load or {(WEST, "success"): 100.0, (EAST, "success"): 100.0}
    platform = platform or {WEST: 100.0, EAST: 100.0}
    found = {
        "requests": [
            line("requests", per_s, region=region, code="200", instance=f"g:{region}")
            for region, per_s in platform.items()
        ],
        "client_attempts": [
            line("client_attempts", per_s, region=region, outcome=outcome)
            for (region, outcome), per_s in load.items()
        ],
        "client_canaries": [
            line("client_canaries", per_s, region=region, outcome=outcome)
            for (region, outcome), per_s in (canaries or {}).items()
        ],
    }
    for one in timed:
        found.setdefault(one.signal, []).append(one)
    return Samples({signal: tuple(series) for signal, series in found.items() if series})


def both(samples, tolerance=TOLERANCE):
    return compare(samples, OVER_40_S, tolerance, 1.0)


def test_histograms_of_other_processes_that_time_every_answer_agree():
    """Both are compared; neither holds canaries."""
    timed = [counted(h, 100.0, r) for h in ("first_token", "completion") for r in (WEST, EAST)]
    found = both(sides(*timed))
    assert (found.wrong, found.client, found.server, found.canaries) == ("", 8000, 8000, "")
    assert found.taken == {"first_token": 0.0, "completion": 0.0}
    assert both(sides()).taken == {}


@pytest.mark.parametrize("histogram", ["first_token", "completion"])
@pytest.mark.parametrize(
    ("per_s", "why"),
    [(180.5, ""), (180.4, FEWER), (219.75, ""), (220.0, OTHERS)],
)
def test_the_edges_of_what_was_timed(histogram, per_s, why):
    """780 fewer than were sent, and 795 more."""
    found = both(sides(counted(histogram, per_s)))
    said = f"{histogram} counts {40 * per_s:.0f}, the load 8000 answers: {why}"
    assert found.wrong == (said if why else "")
    assert found.taken == {histogram: 0.0}


@pytest.mark.parametrize(
    ("outcome", "enough", "too_few"),
    [
        ("http_429", 160.5, 160.4),  # answered, and nobody need time it
        ("broken", 170.5, 170.4),  # a platform that counts at the end does not count it
        ("success", 180.5, 180.4),
    ],
)
def test_answers_that_need_not_be_timed_are_left_out(outcome, enough, too_few):
    """Twenty a second of another outcome; ten of them in each region."""
    per_s = 5.0 if outcome == "broken" else 10.0
    load = {(region, "success"): 100.0 - per_s for region in (WEST, EAST)}
    load |= {(region, outcome): load.get((region, outcome), 0.0) + per_s for region in (WEST, EAST)}
    assert both(sides(counted("first_token", enough), load=load)).wrong == ""
    assert both(sides(counted("first_token", too_few), load=load)).wrong.endswith(FEWER)


def test_attempts_without_an_answer_are_neither_sent_less_nor_timed_less_twice():
    """Ten refused a second: 7,600 at least, less 856."""
    load = {(WEST, "success"): 100.0, (EAST, "success"): 100.0, (EAST, "refused"): 10.0}
    assert both(sides(counted("first_token", 168.75), load=load)).wrong == ""
    assert both(sides(counted("first_token", 168.5), load=load)).wrong.endswith(FEWER)


def test_each_region_must_have_timed_its_own_where_the_load_knows_it():
    """The sum is right; of answers in no known region nobody can tell."""
    timed = (counted("first_token", 130.0, WEST), counted("first_token", 70.0, EAST))
    found = both(sides(*timed))
    assert found.wrong == f"first_token counts 2800 in {EAST}, the load 4000 answers: {FEWER}"
    timed = (counted("first_token", 82.0, WEST), counted("first_token", 118.5, EAST))
    found = both(sides(*timed))
    assert found.wrong == f"first_token counts 4740 in {EAST}, the load 4000 answers: {OTHERS}"
    load = {(WEST, "success"): 100.0, (EAST, "success"): 70.0, ("unknown", "success"): 30.0}
    timed = (counted("first_token", 130.0, WEST), counted("first_token", 70.0, EAST))
    assert both(sides(*timed, load=load, platform={WEST: 130.0, EAST: 70.0})).wrong == ""


def test_a_region_may_leave_untimed_what_it_answered_with_an_error():
    """Its own errors, not those of the other one."""
    load = {(WEST, "success"): 50.0, (WEST, "http_429"): 50.0, (EAST, "success"): 100.0}
    timed = (counted("first_token", 50.0, WEST), counted("first_token", 100.0, EAST))
    assert both(sides(*timed, load=load)).wrong == ""
    timed = (counted("first_token", 80.0, WEST), counted("first_token", 75.0, EAST))
    found = both(sides(*timed, load=load))
    assert found.wrong == f"first_token counts 3000 in {EAST}, the load 4000 answers: {FEWER}"


def test_a_histogram_that_ends_in_the_window_cannot_be_compared():
    """Its region's, or all of it; the other histogram is not looked at any more."""
    ended = counted("first_token", 100.0, EAST, until_s=30)
    found = both(sides(counted("first_token", 100.0, WEST), ended, counted("completion", 9.0)))
    assert found.wrong == "no count of first_token to compare"
    assert found.taken == {"first_token": 0.0}


def test_a_region_that_timed_nothing_before_the_window_is_counted_from_zero():
    """Its histogram appears with its first answer; the other region's was there before."""
    late = counted("first_token", 120.0, WEST, since_s=20)
    assert both(sides(late, counted("first_token", 100.0, EAST))).wrong == ""
    few = counted("first_token", 105.0, WEST, since_s=20)
    found = both(sides(few, counted("first_token", 110.0, EAST)))
    assert found.wrong == f"first_token counts 3150 in {WEST}, the load 4000 answers: {FEWER}"


def test_exactly_as_many_more_as_the_scrapes_are_apart_agree():
    """8,000 and 620, without a tolerance: no canary is needed to explain them."""
    found = both(sides(counted("first_token", 215.5)), Fraction(0))
    assert (found.wrong, found.taken) == ("", {"first_token": 0.0})
    found = both(sides(counted("first_token", 215.5), canaries=CANARIES), Fraction(0))
    assert (found.wrong, found.taken) == ("", {"first_token": 0.0})


def test_only_the_count_of_a_histogram_is_compared():
    """Its buckets and its sum are other figures."""
    right = counted("first_token", 200.0)
    other = counted("first_token", 100.0, name="x_bucket")
    assert both(sides(right, other)).wrong == ""
    assert both(sides(other)).taken == {}


def test_counts_that_disagree_are_told_before_what_was_timed():
    """By the requests alone."""
    found = both(sides(counted("first_token", 9.0), platform={WEST: 50.0, EAST: 50.0}))
    assert found.wrong.startswith("the platform counts 4000 answers, the load 8000: ")
    assert found.taken == {}


@pytest.mark.parametrize(
    ("per_s", "held"), [(219.75, 0.0), (220.0, 1200.0), (230.0, 1200.0), (250.5, 1200.0)]
)
def test_canaries_are_taken_from_the_histogram_that_timed_them(per_s, held):
    """1,200 of them: more than the load's own attempts explain."""
    found = both(sides(counted("first_token", per_s), canaries=CANARIES))
    assert (found.wrong, found.taken) == ("", {"first_token": held})
    assert found.canaries == "1200 canaries are not in it"


def test_more_than_all_canaries_are_requests_of_others():
    """1,200, 620 and 2 %; a region's timed canaries are not taken twice."""
    found = both(sides(counted("first_token", 250.75), canaries=CANARIES))
    said = f"first_token counts 10030, the load 8000 answers: {OTHERS}"
    assert (found.wrong, found.taken) == (said, {"first_token": 0.0})
    timed = (counted("first_token", 120.0, WEST), counted("first_token", 110.0, EAST))
    found = both(sides(*timed, canaries=CANARIES))
    assert (found.wrong, found.taken) == ("", {"first_token": 1200.0})


def test_canaries_in_the_requests_are_taken_from_every_figure():
    """Each region holds its own."""
    found = both(sides(canaries=CANARIES, platform={WEST: 120.0, EAST: 110.0}))
    assert (found.wrong, found.client, found.server) == ("", 8000, 9200)
    assert found.taken == dict.fromkeys(("requests", "first_token", "completion"), 1200.0)
    said = "1200 canaries are in it, and are subtracted as successful requests"
    assert found.canaries == said
    found = both(sides(canaries=CANARIES, platform={WEST: 148.0, EAST: 82.0}))
    assert found.wrong == (
        f"the platform counts 3280 answers in {EAST}, the load 4000 and 400 canaries: "
        "some processes are not scraped, or do not count every answer"
    )


@pytest.mark.parametrize("nobody", ["", "unknown"])
def test_canaries_of_no_known_region_leave_regions_uncompared_where_they_count(nobody):
    """They may be in any; where they are not in the figures, or got no answer, regions count."""
    skewed = {WEST: 130.0, EAST: 130.0}
    found = both(sides(canaries={(nobody, "answered"): 60.0}, platform=skewed))
    assert (found.wrong, found.taken["requests"]) == ("", 2400.0)
    silent = {(WEST, "answered"): 60.0, (nobody, "unavailable_reset"): 60.0}
    found = both(sides(canaries=silent, platform=skewed))
    assert f"answers in {EAST}, the load 4000: it counts other" in found.wrong
    few = {(nobody, "answered"): 10.0}
    found = both(sides(canaries=few, platform={WEST: 130.0, EAST: 70.0}))
    assert f"answers in {EAST}, the load 4000: some" in found.wrong


def test_whose_answers_are_nobodys():
    """The load's answers; its canaries only where they are asked about; never what failed."""

    def asked(signal, outcome, region="unknown", **options):
        samples = Samples({signal: (line(signal, 1.0, region=region, outcome=outcome),)})
        return _of_nobody(samples, OVER_40_S, **options)

    assert asked("client_attempts", "success")
    assert not asked("client_attempts", "success", WEST)
    assert not asked("client_attempts", "refused")
    assert not asked("client_canaries", "answered")
    assert asked("client_canaries", "answered", canaries_too=True)
    assert not asked("client_canaries", "unavailable_timeout", canaries_too=True)
    assert asked("client_attempts", "success", canaries_too=True)


def test_canaries_of_one_region_are_its_own():
    """Answered ones; all regions together where none is named."""
    rows = [line("client_canaries", n, region=r, outcome=o) for r, o, n in (
        (WEST, "answered", 1.0), (EAST, "answered", 2.0), (WEST, "unavailable_refused", 4.0),
        (WEST, "unavailable_reset", 8.0), (WEST, "unavailable_timeout", 16.0),
        (WEST, "unavailable_http_503", 32.0),
    )]  # fmt: skip
    samples = Samples({"client_canaries": tuple(rows)})
    assert _canaries(samples, OVER_40_S, WEST) == 40 * 33.0
    assert _canaries(samples, OVER_40_S, EAST) == 40 * 2.0
    assert _canaries(samples, OVER_40_S) == 40 * 35.0
    assert _canaries(samples, OVER_40_S, "eu-north-1") == 0.0


@pytest.mark.parametrize(
    ("most", "tolerance", "served", "within"),
    [
        (1000, 0.0, 1179, False),
        (1000, 0.0, 1180, True),
        (1000, 0.1, 1072, False),
        (1000, 0.1, 1073, True),
        (2000, 0.1, 979, False),
        (2000, 0.1, 980, True),
    ],
)
def test_what_the_counts_tell_of_the_canaries(most, tolerance, served, within):
    """Fewer than 1,000 and 200 canaries, less 20 and the tolerance: they cannot be in it."""
    found = _told(_Sent(1000, most, 1000), served, 20.0, tolerance, 200.0, {})
    words = "may be in it: they are too few to tell" if within else "are not in it"
    assert found == f"200 canaries {words}"


def test_no_canaries_need_no_words():
    """Whatever was counted; and those that are taken out are said to be."""
    assert _told(_Sent(1000, 1000, 1000), 500, 20.0, 0.1, 0.0, {}) == ""
    taken = _told(_Sent(1000, 1000, 1000), 500, 20.0, 0.1, 7.0, {"requests": 7.0})
    assert taken == "7 canaries are in it, and are subtracted as successful requests"
    other = _told(_Sent(1000, 1000, 1000), 500, 20.0, 0.1, 7.0, {"first_token": 7.0})
    assert other == "7 canaries are not in it"


def test_a_single_stretch_that_disagrees_makes_its_own_figures_unknown():
    """Those of the platform in that stretch; the load's own stay as they are."""
    samples = sides(platform={WEST: 50.0, EAST: 50.0})
    window = (OVER_40_S.start_s, OVER_40_S.end_s)
    figure = replace(FINDING, slo="rate_5xx", source="server", window=window, status="pass")
    figure = replace(figure, reason="")
    own = replace(figure, source="client")
    agreements = Agreements(samples, TOLERANCE, 1.0)
    found = agreed([figure, own], [("dark", OVER_40_S)], agreements)
    assert [one.status for one in found] == ["unknown", "pass", "unknown"]
    assert found[0].reason == found[2].reason == agreements.of(OVER_40_S).wrong
    assert found[1] == own


def test_both_counts_stand_before_what_they_tell_of_the_canaries():
    """In the finding that passes."""
    (found,) = agreed(
        [], [("dark", OVER_40_S)], Agreements(sides(canaries=CANARIES), TOLERANCE, 1.0)
    )
    said = "the platform counts 8000 answers, the load 8000; 1200 canaries are not in it"
    assert (found.status, found.reason) == ("pass", said)
