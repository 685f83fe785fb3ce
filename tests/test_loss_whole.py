"""Whole findings and documents of a judged loss: every field, and what is unknown as unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_loss import (
    CONTRACT,
    EAST,
    END_S,
    LOST_S,
    OBJECTIVE,
    WEST,
    between,
    counter,
    event,
    judged,
    ledger,
    one,
    platform,
)
from test_rig_pinned import process, seen

from muster.judge.evaluate import Judging
from muster.judge.failing import Failing, failing_until
from muster.judge.loss import Loss, judge_loss, loss_of
from muster.judge.phases import Phase, phases_of
from muster.judge.rig_excuse import unfit
from muster.judge.rig_pinned import Span, blackout
from muster.samples.series import Samples, series_of
from muster.samples.windows import Absence, Window

RTO = "from the loss to the last second with over 1 % of the attempts failed"
ELSEWHERE = "streams that broke in regions that were not lost"
CALM = "no process of the rig was pinned"
BROKE = "of 2000 open streams broke"
SPLIT = "of the attempts went to the lost region"
PINNED = "the rig itself was pinned for 5.5 s"
SLOW = {0.5: 50}
RIG = {t: SLOW for t in (11, 15, 17, 19)} | {13: {9.0: 1}, 21: {0.01: 99, 0.5: 1}}
MISSED = {"broken": 1201.0, "elsewhere": 1.0}
NOTHING = ("client_answers", "client_attempts", "client_streams", "rig_lag")


def told(found):
    return [
        (f.slo, f.status, f.measured, f.threshold, f.margin, f.unit, f.samples, f.reason)
        for f in found.findings
    ]


CASES = {
    "calm": (
        {},
        [
            ("rto", "pass", 14.0, 15, 1.0, "s", None, RTO),
            ("streams_broken", "pass", 45.0, 60.0, 15.0, "%", 2000, f"900 {BROKE}"),
            ("broken_elsewhere", "pass", 0.0, 0, 0.0, "streams", None, ELSEWHERE),
            ("traffic_split", "pass", 0.0, 1.0, 1.0, "%", 6000, SPLIT),
            ("rig_blackout", "pass", 0, 5.0, 5.0, "s", None, CALM),
        ],
    ),
    "missed": (
        {"failing_s": 47.0, **MISSED},
        [
            ("rto", "fail", 47.0, 15, -32.0, "s", None, RTO),
            ("streams_broken", "fail", 60.1, 60.0, -0.1, "%", 2000, f"1202 {BROKE}"),
            ("broken_elsewhere", "fail", 1.0, 0, -1.0, "streams", None, ELSEWHERE),
            ("traffic_split", "fail", 50.0, 1.0, -49.0, "%", 6000, SPLIT),
            ("rig_blackout", "pass", 0, 5.0, 5.0, "s", None, CALM),
        ],
    ),
    "nothing measured": (
        {"without": NOTHING},
        [
            ("rto", "unknown", None, 15, None, "s", None, "no data"),
            ("streams_broken", "unknown", None, 60.0, None, "%", None, "no data"),
            ("broken_elsewhere", "unknown", None, 0, None, "streams", None, "no data"),
            ("traffic_split", "unknown", None, 1.0, None, "%", None, "no data"),
            ("rig_blackout", "unknown", None, 5.0, None, "s", None, "no data of load"),
        ],
    ),
    "pinned": (
        {"failing_s": 17.0, **MISSED, "rig": RIG},
        [
            ("rto", "unknown", 17.0, 15, -2.0, "s", None, f"{RTO}; {PINNED} of it"),
            (
                "streams_broken", "unknown", 60.1, 60.0, -0.1, "%", 2000,
                f"1202 {BROKE}; {PINNED} meanwhile",
            ),
            (
                "broken_elsewhere", "unknown", 1.0, 0, -1.0, "streams", None,
                f"{ELSEWHERE}; {PINNED} meanwhile",
            ),
            ("traffic_split", "pass", 0.0, 1.0, 1.0, "%", 6000, SPLIT),
            (
                "rig_blackout", "unknown", 5.5, 5.0, -0.5, "s", None,
                "the rig itself was pinned 1.0 s within 0.0 to 1.0 s, 1.0 s within 2.0 to 3.0 s, "
                "1.0 s within 4.0 to 5.0 s, 1.0 s within 6.0 to 7.0 s and 2 times more after the "
                "loss; longest load a, beats up to 0.5 s late",
            ),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_figure_limit_and_reason(case):
    """Each finding in full; where it was looked at does not depend on what was found."""
    changes, expected = CASES[case]
    found = judged(**changes)
    assert told(found) == expected
    assert {f.tier for f in found.findings} == {None}
    where = [(f.phase, f.window, f.source, f.region) for f in found.findings]
    own = ("loss", (10.0, 27.0), "client", WEST)
    after = ("failed_over", (27.0, 57.0), "client", WEST)
    assert where == [own, own, own, after, ("loss", (10.0, 27.0), "rig", None)]


def test_objectives_that_are_not_named_are_named_as_missing():
    """Nothing is measured against no limit."""
    named = "the target names no region_loss."
    assert told(judged(objective={}))[:2] == [
        ("rto", "unknown", None, None, None, "s", None, f"{named}rto_s_max"),
        ("streams_broken", "unknown", None, None, None, "%", None,
         f"{named}streams_broken_share_max"),
    ]  # fmt: skip


def test_the_whole_document():
    """Impact and blackout; a beat past every edge has no figure, and nothing measured is none."""
    lags = (0.5, None, 0.5, 0.5, 0.5)
    spans = [(t, t + 1.0, 1.0, lag) for t, lag in zip(range(10, 20, 2), lags, strict=True)]
    spans.append((20, 21.0, 0.5, 0.5))
    assert judged(failing_s=17.0, **MISSED, rig=RIG).document == {
        "region": WEST, "fault": "region_loss", "lost_at": 10.0, "judged_from": 27.0, "rto_s": 17.0,
        "streams_open": 2000.0, "streams_broken": 1202.0, "streams_broken_elsewhere": 1.0,
        "attempts": 6302.0, "attempts_failed": 1700.0,
        "rig": {
            "blackout_s": 5.5,
            "spans": [{"from": a, "to": b, "pinned_s": s} for a, b, s, _ in spans],
            "pinned": [
                {"component": "load", "instance": "a", "from": a, "to": b, "pinned_s": s,
                 "lag_s": lag}
                for a, b, s, lag in spans
            ],
            "unseen": [],
        },
    }  # fmt: skip
    assert judged(without=NOTHING).document == {
        "region": WEST, "fault": "region_loss", "lost_at": 10.0, "judged_from": 27.0, "rto_s": None,
        "streams_open": None, "streams_broken": None, "streams_broken_elsewhere": None,
        "attempts": None, "attempts_failed": None,
        "rig": {"blackout_s": None, "spans": [], "pinned": [], "unseen": ["load"]},
    }  # fmt: skip


def test_an_unbounded_beat_is_said_to_be_over_every_edge():
    """The longest stretch names it."""
    found = one(judged(rig={11: {9.0: 1}}), "rig_blackout")
    assert found.reason == (
        "the rig itself was pinned 1.0 s within 0.0 to 1.0 s after the loss; "
        "longest load a, beats over every edge late"
    )


def answers(*series, window=None):
    samples = Samples({"client_answers": series})
    return failing_until(samples, window or Window(LOST_S, END_S, 4.0), 0.01, 1.0)


def good(per_s=200.0, **labels):
    return counter("client_answers", lambda t: per_s, code="200", **labels)


def bad(code, start_s, end_s, value):
    return counter("client_answers", between(start_s, end_s, value), code=code)


def test_a_counter_that_was_never_scraped_makes_the_loss_unknown():
    """It could be the one of the failures; with the others alone nothing would have failed."""
    unseen = series_of("client_answers", "muster_client_answers", {"code": "503"}, [])
    assert answers(good()) == Failing(0.0, 0.0)
    assert answers(good(), unseen) is None
    assert answers(unseen) is None


def test_failures_of_every_kind_count_together_and_only_over_the_share():
    """Two kinds of 1 % each are over it, one is not; any 5xx counts, and no code does not."""
    assert answers(good(198.0), bad("503", 10, 14, 2.0)) == Failing(0.0, 0.0)
    both = answers(good(196.0), bad("599", 10, 14, 2.0), bad("refused", 10, 14, 2.0))
    assert both == Failing(4.0, 4.0)
    assert answers(good(), counter("client_answers", lambda t: 100.0)) == Failing(0.0, 0.0)


def test_no_attempts_no_window_and_no_series_are_unknown():
    """Nothing counted is nothing known."""
    assert answers() is None
    assert answers(good(0.0)) is None
    assert answers(good(), window=Window(LOST_S, LOST_S, 4.0)) is None
    assert answers(good(), window=Window(LOST_S, LOST_S + 1, 4.0)) == Failing(0.0, 0.0)


def test_a_restart_of_the_load_hides_no_failing_second():
    """What one load lost with its restart is not taken off the failures that another counted."""
    failing = [
        counter("client_answers", between(10, 30, 50.0), code="503", instance="b"),
        series_of(
            "client_answers", "c", {"code": "503", "instance": "a"},
            [(float(t), 50.0 if t < 30 else 0.0) for t in range(61)],
        ),
    ]  # fmt: skip
    assert answers(good(), *failing) == Failing(19.0, 20.0)


def test_a_phase_that_never_ended_leaves_no_time_to_judge():
    """Stopped at once: the loss ends where it began, and a phase before it is not taken for it."""
    declared = event(LOST_S, "fault_declared", fault="region_loss", region=WEST)
    earlier = [Phase("loss", None, 1.0, 9.0, True), Phase("failed_over", None, 2.0, 9.5, True)]
    assert loss_of([declared], earlier) == Loss(WEST, LOST_S, LOST_S, LOST_S)
    cut = [Phase("loss", None, 9.0, 20.0, True)]
    assert loss_of([declared], cut) == Loss(WEST, LOST_S, 20.0, 20.0)
    events = ledger()
    assert loss_of(events, phases_of(events)) == Loss(WEST, LOST_S, 27.0, 57.0)


def test_what_is_excused_says_both_reasons():
    """The finding's own, where it has one, and the rig's; one that ends with the loss stands."""
    found = judged(rig=RIG)
    missed = replace(one(found, "rto"), status="fail", window=(30, 40), reason="late")
    (own, bare, before) = found.excused(
        [missed, replace(missed, reason=""), replace(missed, window=(0, LOST_S))]
    )
    assert (own.status, own.reason) == ("unknown", f"late; {PINNED}, over 5 s")
    assert (bare.status, bare.reason) == ("unknown", f"{PINNED}, over 5 s")
    assert before.status == "fail"
    assert (unfit(5.0, 5.0), unfit(5.5, 5.0)) == ("", f"{PINNED}, over 5 s")


def test_late_beats_of_several_edges_add_up():
    """Each by its own upper edge."""
    found = seen(process({5: {0.01: 97, 0.1: 1, 0.5: 1, 5.0: 1}}, off=0.0))
    assert found.spans == (Span(4.0, 5.0, 1.0),)
    wide = process({5: {0.01: 95, 0.5: 1, 5.0: 1}})
    sparse = [
        series_of(
            s.signal,
            s.name,
            s.labels,
            [(t, v) for t, v in zip(s.t, s.v, strict=True) if t % 10 == 9],
        )
        for s in wide
    ]
    window = Window(-1.0, 19.0, 10.0)
    assert seen(sparse, window=window).spans == (Span(-1.0, 9.0, 5.5),)


def test_who_begins_after_the_window_or_ends_before_it_is_unseen():
    """Seen from its first moment to within a scrape's age of its last, both to the moment."""
    assert seen(process(until_s=17)).unseen == ()
    assert seen(process(until_s=17), window=Window(0.0, 20.5, 4.0)).unseen == ("load a",)
    assert seen(process(), window=Window(-1.0, 20.0, 4.0)).unseen == ()
    assert seen(process(), window=Window(-1.5, 20.0, 4.0)).unseen == ("load a",)


def test_only_what_lies_within_the_window_counts():
    """The interval that holds its first moment in part, none before; the last one too."""
    rig = {0: SLOW, 5: SLOW, 20: SLOW}
    assert seen(process(rig), window=Window(4.5, 20.0, 4.0)).spans == (
        Span(4.5, 5.0, 0.5),
        Span(19.0, 20.0, 1.0),
    )


def test_a_region_is_not_asked_while_it_is_away_and_is_again_after():
    """What it shows before and after its absence counts."""
    window = Window(0.0, 20.0, 4.0, (Absence("west", 3.0, 10.0),))
    slow = process({2: SLOW, 5: SLOW, 15: SLOW}, "gateway", "b", "west")
    assert seen(process(), slow, window=window).spans == (
        Span(1.0, 2.0, 1.0),
        Span(14.0, 15.0, 1.0),
    )


def test_a_restart_counts_as_what_the_new_process_shows():
    """Its own beats since: late ones among them pinned it."""
    restarted = [
        series_of(
            s.signal, s.name, s.labels,
            [(t, v if t < 5 else v - before + base) for t, v in zip(s.t, s.v, strict=True)],
        )
        for s in process({5: {0.01: 50, 0.5: 1}})
        for before in [dict(zip(s.t, s.v, strict=True))[4.0]]
        for base in [0.0]
    ]  # fmt: skip
    assert seen(restarted).spans == (Span(4.0, 5.0, 0.5),)


TRIP = {"limit": "rate_5xx", "t_trip": 30.0, "windows": [[20.0, 30.0]], "unit": "%"}
TRIP |= {"measured": 10.5, "threshold": 0.5}
STOP = {"by": "limit:rate_5xx", "verdict": "FAIL", "t_trip": 30.0}
BRIEFLY = {29: {0.01: 97, 0.5: 2}}
EXCUSE = "limit:rate_5xx: the rig itself was pinned for 1.0 s of the judged windows"


@pytest.mark.parametrize(
    ("trip", "stop", "excuse"),
    [
        ({}, {}, EXCUSE),
        ({"limit": "another"}, {}, ""),
        ({"t_trip": 29.5}, {}, ""),
        ({"windows": [[30.0, 30.0]]}, {}, ""),
        ({"windows": [[30.0, 30.0]], "measured": 0.5}, {}, ""),
        ({"windows": [[20.0, 30.0], [30.0, 30.0]]}, {}, EXCUSE),
        ({"windows": [[12.0, 22.0]], "measured": 0.5}, {}, ""),
        ({"measured": None, "threshold": 10.0}, {}, EXCUSE),
        ({"measured": None, "threshold": 10.5}, {}, ""),
        ({"measured": 10.5, "threshold": None}, {}, ""),
        ({"measured": 10.0, "threshold": None}, {}, EXCUSE),
    ],
)
def test_only_the_trip_that_stopped_it_is_excused_and_only_by_enough(trip, stop, excuse):
    """By name and moment; a window of no length and a rig that was not pinned explain nothing."""
    events = event(30.0, "limit", **TRIP | trip), event(31.0, "stopped", **STOP | stop)
    assert judged(*events, rig=BRIEFLY).stop_excuse == excuse


def test_a_stop_is_dated_by_its_trip_or_by_itself():
    """Without a trip's moment its own counts; one at the loss is after it, one before it stands."""
    rig = {t: SLOW for t in range(11, 18)}
    waited = {"by": "platform:loss_not_detected", "verdict": "FAIL"}
    excuse = "platform:loss_not_detected: the rig itself was pinned for 7.0 s, over 5 s"
    assert judged(event(31.0, "stopped", **waited), rig=rig).stop_excuse == excuse
    assert judged(event(31.0, "stopped", t_trip=12.0, **waited), rig=rig).stop_excuse == ""
    early = {**TRIP, "t_trip": 9.5, "windows": [[0.0, 9.5]]}, {**STOP, "t_trip": 9.5}
    events = event(9.5, "limit", **early[0]), event(31.0, "stopped", **early[1])
    assert judged(*events, rig={5: SLOW}).stop_excuse == ""


def test_a_stop_at_the_very_moment_of_the_loss_is_looked_at():
    """Only an earlier one stands whatever the rig did."""
    trip = {**TRIP, "t_trip": LOST_S, "windows": [[0.0, LOST_S]]}
    events = event(LOST_S, "limit", **trip), event(31.0, "stopped", **STOP | {"t_trip": LOST_S})
    assert judged(*events, rig={5: SLOW}).stop_excuse == (
        "limit:rate_5xx: the rig itself: load lagged: p99 at or under 500 ms"
    )


def judged_of(samples, *more):
    events = ledger(*more)
    absences = (Absence(WEST, LOST_S, float("inf")),)
    judging = Judging(CONTRACT, samples, (WEST, EAST), 30.0, 4.0, absences)
    return judge_loss(judging, loss_of(events, phases_of(events)), OBJECTIVE, events)


def kept(samples, signal, keep):
    """`samples` with only those points (t, v) of a signal that `keep` takes."""
    rows = [
        series_of(s.signal, s.name, s.labels, [p for p in zip(s.t, s.v, strict=True) if keep(*p)])
        for s in samples.of(signal)
    ]
    return Samples({**samples.by_signal, signal: tuple(rows)})


def test_a_lost_gateway_that_was_slow_before_it_went_excuses_a_stop():
    """What it last showed counts in the window that its loss cuts short."""
    calm = platform()
    lost = process({t: SLOW for t in range(1, 10)}, "gateway", "b", WEST, until_s=11)
    rows = {**calm.by_signal, "rig_lag": (*calm.of("rig_lag"), *lost)}
    trip = {**TRIP, "windows": [[0.0, 20.0]], "measured": 90.0}
    more = event(30.0, "limit", **trip), event(31.0, "stopped", **STOP)
    assert judged_of(Samples(rows), *more).document["rig"]["unseen"] == []
    assert judged_of(Samples(rows), *more).stop_excuse == (
        "limit:rate_5xx: the rig itself: gateway lagged: p99 at or under 500 ms"
    )


@pytest.mark.parametrize(("failing_s", "status"), [(15.0, "unknown"), (16.0, "fail")])
def test_missing_seconds_after_an_outage_leave_its_end_unknown(failing_s, status):
    """Neither kept nor missed as long as what was seen is within the limit, itself included."""
    last_s = LOST_S + failing_s
    samples = kept(
        platform(failing_s=failing_s), "client_answers", lambda t, v: not last_s < t < 34
    )
    missing = "; data is missing for seconds up to 24 s" if status == "unknown" else ""
    assert told(judged_of(samples))[0] == (
        ("rto", status, failing_s, 15, 15 - failing_s, "s", None, RTO + missing)
    )


def test_a_counter_that_begins_with_its_first_failure_counts_from_nothing():
    """Its siblings were there before, so that it stood at 0: what it first shows is growth."""
    whole = platform(elsewhere=3.0)
    well = counter("client_attempts", lambda t: 1.0, region=WEST, outcome="success")
    rows = (*whole.of("client_attempts"), well)
    whole = Samples({**whole.by_signal, "client_attempts": rows})
    assert judged_of(kept(whole, "client_attempts", lambda t, v: v > 0)) == judged_of(whole)
    assert judged_of(whole).document["streams_broken_elsewhere"] == 3.0


def test_streams_of_which_some_are_not_known_have_no_share():
    """The open streams of one region alone are not all."""
    samples = platform()
    east, west = samples.of("client_streams")
    stale = series_of(west.signal, west.name, west.labels, [(5.0, 1000.0)])
    found = judged_of(Samples({**samples.by_signal, "client_streams": (east, stale)}))
    assert told(found)[1] == ("streams_broken", "unknown", None, 60.0, None, "%", None, "no data")
    assert found.document["streams_open"] is None


@pytest.mark.parametrize(
    ("west", "status", "measured"),
    [(None, "pass", 0.0), (1.0, "pass", 0.5025), (2.0, "fail", 1.0)],
)
def test_a_lost_region_is_left_only_by_less_than_the_share(west, status, measured):
    """Nothing ever sent there is none; 1 % exactly is not less; a late first sample is growth."""
    rows = [counter("client_answers", lambda t: 198.0, region=EAST, code="200")]
    if west:
        rows += [counter("client_answers", between(27, 57, west), region=WEST, code="x")]
    samples = Samples({**platform().by_signal, "client_answers": tuple(rows)})
    samples = kept(samples, "client_answers", lambda t, v: v > 0)
    found = one(judged_of(samples), "traffic_split")
    assert (found.status, found.measured, found.margin) == (
        status,
        measured,
        round(1 - measured, 4),
    )


def test_shares_are_told_to_the_third_decimal():
    """1000 of 3000."""
    found = one(judged(streams=3000.0, broken=1000.0), "streams_broken")
    assert (found.measured, found.margin) == (33.333, 26.667)


def test_moments_and_seconds_are_told_to_the_millisecond():
    """Bins of 47.4656 s / 47, and a scrape that the end cuts."""
    lag = process({12: SLOW, 58: SLOW}, until_s=61, off=0.25061)
    samples = Samples({**platform(late_at_west=20.0).by_signal, "rig_lag": tuple(lag)})
    judging = Judging(CONTRACT, samples, (WEST, EAST), 30.0, 4.0, ())
    found = judge_loss(judging, Loss(WEST, 10.0, 27.0, 57.4659), OBJECTIVE)
    spans = [
        {"from": 11.251, "to": 12.251, "pinned_s": 1.0},
        {"from": 57.251, "to": 57.466, "pinned_s": 0.215},
    ]
    who = {"component": "load", "instance": "a", "lag_s": 0.5}
    assert found.document["rto_s"] == 14.139
    assert found.document["rig"] == {
        "blackout_s": 1.215, "spans": spans, "pinned": [span | who for span in spans], "unseen": [],
    }  # fmt: skip
    assert (one(found, "rto").margin, one(found, "rig_blackout").measured) == (0.861, 1.215)
    split = one(found, "traffic_split")
    assert (split.measured, split.margin) == (0.3322, 0.6678)


def test_who_is_named_without_an_instance_and_how_many_times_more():
    """Up to four stretches are all named; several that were not seen are listed."""
    lag = process({t: SLOW for t in (11, 13, 15, 17)}, instance="", until_s=61)
    samples = platform()
    found = judged_of(Samples({**samples.by_signal, "rig_lag": tuple(lag)}))
    assert one(found, "rig_blackout").reason == (
        "the rig itself was pinned 1.0 s within 0.0 to 1.0 s, 1.0 s within 2.0 to 3.0 s, "
        "1.0 s within 4.0 to 5.0 s, 1.0 s within 6.0 to 7.0 s after the loss; "
        "longest load, beats up to 0.5 s late"
    )
    lag = process(component="gateway", instance="b", until_s=12)
    found = judged_of(Samples({**samples.by_signal, "rig_lag": tuple(lag)}))
    assert one(found, "rig_blackout").reason == "no data of gateway b, load"


def test_what_lies_behind_the_window_is_not_in_it():
    """Its last moment is one of its own; the interval that begins there is not."""
    assert seen(process({21: SLOW}, until_s=22)).pinned == ()


@pytest.mark.parametrize("shown", [lambda t: t != 0, lambda t: t == 5])
def test_a_bucket_that_lacks_the_first_scrape_or_has_but_one_is_unknown(shown):
    """All that it shows at once is not its growth in between."""
    (bucket,) = [s for s in process() if s.labels.get("le") == "0.1"]
    held = [(t, v) for t, v in zip(bucket.t, bucket.v, strict=True) if shown(t)]
    others = [s for s in process() if s.labels.get("le") != "0.1"]
    cut = series_of(bucket.signal, bucket.name, bucket.labels, held)
    assert seen([*others, cut]).unseen == ("load a",)


def test_growth_is_counted_from_its_first_sample_to_the_second():
    """What stood there at the loss is not of it; what begins after it began from nothing."""

    def held(*points, well=197.0):
        late = series_of("client_answers", "c", {"code": "503"}, points)
        return answers(good(well), late)

    stood = [(float(t), 50.0) for t in range(10, 61)]
    assert held(*stood) == Failing(0.0, 0.0)
    assert held((10.0, 0.0), *stood[1:]) == Failing(1.0, 1.0)
    late = [(float(t), 3.0) for t in range(12, 61)]
    assert held(*late, well=198.0) == Failing(2.0, 2.0)
    assert held(*late, well=297.0) == Failing(0.0, 0.0)


@pytest.mark.parametrize(("first_s", "worst_s"), [(10, 0.0), (11, 1.0), (20, 10.0)])
def test_the_second_of_the_first_scrape_of_all_is_unknown(first_s, worst_s):
    """What the load counted since it began would make that second's failures look few."""
    whole = Samples({"client_answers": (good(), bad("503", 9, first_s, 3.0))})
    late = kept(whole, "client_answers", lambda t, v: t >= first_s)
    assert answers(*late.of("client_answers")) == Failing(0.0, worst_s)


def test_a_sample_of_exactly_the_stale_age_still_holds():
    """The next one shows what failed since."""
    series = good(196.0), bad("503", 10, 25, 4.0)
    samples = kept(Samples({"client_answers": series}), "client_answers",
                   lambda t, v: not 20 < t < 25)  # fmt: skip
    assert answers(*samples.of("client_answers")) == Failing(15.0, 15.0)


def test_a_second_with_one_attempt_that_failed_is_a_failing_one():
    """One of one is over any share."""
    well = counter("client_answers", lambda t: 0.0 if t == 20 else 200.0, code="200")
    assert answers(well, bad("503", 19, 20, 1.0)) == Failing(10.0, 10.0)


def test_a_count_without_samples_is_unseen_and_one_is_enough_for_as_long_as_it_is_fresh():
    """Held for the stale age, and no longer."""

    def only(shown, end_s):
        cut = kept(Samples({"rig_lag": tuple(process())}), "rig_lag", lambda t, v: t in shown)
        return blackout(cut, Window(0.0, end_s, 4.0), 0.1).unseen

    assert only((), 4.0) == ("load a",)
    assert (only((0.0,), 4.0), only((0.0,), 4.5)) == ((), ("load a",))
