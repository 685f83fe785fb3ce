"""The abrupt loss of a region judged: each rule both ways, and a rig that could explain a miss."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_rig_pinned import process

from muster.contract import load
from muster.judge.evaluate import Judging
from muster.judge.failing import failing_until
from muster.judge.loss import judge_loss, loss_of
from muster.judge.phases import phases_of
from muster.samples.series import Samples, series_of
from muster.samples.windows import Absence, Window

CONTRACT = load()
EAST, WEST = "eu-central-1", "eu-west-1"
OBJECTIVE = {"rto_s_max": 15, "streams_broken_share_max": 0.6}
PER_S = 200
LOST_S, SHIFTED_S, END_S = 10.0, 27.0, 57.0


def event(t, name, **fields):
    return {"t": t, "event": name, **fields}


def ledger(*more):
    declared = {"fault": "region_loss", "region": WEST, "expects": ["series"]}
    events = [
        event(0, "phase_started", phase="baseline", tier="X"),
        event(9, "phase_ended", phase="baseline", outcome="ok"),
        event(9, "phase_started", phase="loss", tier=None),
        event(LOST_S, "fault_declared", **declared),
        event(SHIFTED_S, "phase_ended", phase="loss", outcome="ok"),
        event(SHIFTED_S, "phase_started", phase="failed_over", tier="G"),
        event(END_S, "phase_ended", phase="failed_over", outcome="ok"),
        *more,
    ]
    return sorted(events, key=lambda one: one["t"])


def counter(signal, per_s, **labels):
    """`per_s(t)` each second, scraped once a second from 0 to 60."""
    value, points = 0.0, []
    for t in range(61):
        value += per_s(t)
        points.append((float(t), value))
    return series_of(signal, signal, labels, points)


def between(start_s, end_s, value):
    return lambda t: value if start_s < t <= end_s else 0.0


def platform(
    *,
    failing_s=14.0,
    failing=PER_S / 2,
    broken=900.0,
    elsewhere=0.0,
    streams=2000.0,
    late_at_west=0.0,
    rig=(),
    without=(),
):
    """Half of the attempts fail for `failing_s`; `broken` streams break in the second of it."""
    last_s = LOST_S + failing_s
    away = between(LOST_S, last_s, failing)
    at_once = (LOST_S, LOST_S + 1)

    def answers(region, code, per_s):
        return counter("client_answers", per_s, region=region, code=code)

    def attempts(region, outcome, per_s):
        return counter("client_attempts", per_s, region=region, outcome=outcome)

    def held(region):
        points = [(float(t), streams / 2) for t in range(61)]
        return series_of("client_streams", "s", {"region": region}, points)

    series = [
        answers(EAST, "200", lambda t: PER_S - away(t)),
        answers(WEST, "refused", away),
        answers(WEST, "200", between(40, 41, late_at_west)),
        attempts(EAST, "success", lambda t: PER_S),
        attempts(WEST, "broken", between(*at_once, broken)),
        attempts(EAST, "broken", between(*at_once, elsewhere)),
        attempts(WEST, "refused", away),
        held(EAST),
        held(WEST),
        *process(rig, until_s=61),
    ]
    found = {}
    for one in series:
        if one.signal not in without:
            found.setdefault(one.signal, []).append(one)
    return Samples({signal: tuple(rows) for signal, rows in found.items()})


def judged(*more, objective=None, **changes):
    events = ledger(*more)
    absences = (Absence(WEST, LOST_S, float("inf")),)
    judging = Judging(CONTRACT, platform(**changes), (WEST, EAST), 30.0, 4.0, absences)
    loss = loss_of(events, phases_of(events))
    return judge_loss(judging, loss, OBJECTIVE if objective is None else objective, events)


APPLIED = {"fault": "region_loss", "region": WEST}


@pytest.mark.parametrize(
    ("told", "lasted_s"),
    [
        ({"cut_at": LOST_S + 2}, 12.0),
        ({}, 14.0),
        ({"cut_at": LOST_S - 1}, 14.0),
        ({"cut_at": LOST_S + 6}, 14.0),
        ({"cut_at": "12"}, 14.0),
        ({"cut_at": None}, 14.0),
        ({"cut_at": float("nan")}, 14.0),
        ({"cut_at": LOST_S + 2, "region": EAST}, 14.0),
    ],
)
def test_a_loss_counts_from_its_first_cut(told, lasted_s):
    """The reads before it cut nothing; a time outside of declaration and record is not believed."""
    found = judged(event(LOST_S + 5, "fault_applied", **APPLIED | told))
    assert found.document["rto_s"] == pytest.approx(lasted_s, abs=0.2)


def statuses(found):
    return {finding.slo: finding.status for finding in found.findings}


def one(found, slo):
    return next(finding for finding in found.findings if finding.slo == slo)


def test_a_loss_that_was_found_in_time_passes_and_is_told():
    """Everything known and within the target's objectives; the impact is in the document."""
    found = judged()
    assert set(statuses(found).values()) == {"pass"}
    assert one(found, "rto").measured == 14.0
    assert one(found, "streams_broken").measured == 45.0
    document = found.document
    assert (document["streams_broken"], document["streams_open"]) == (900, 2000)
    assert (document["rto_s"], document["attempts_failed"]) == (14.0, 1400)
    assert document["rig"] == {"blackout_s": 0, "spans": [], "pinned": [], "unseen": []}


@pytest.mark.parametrize(
    ("changes", "slos"),
    [
        ({"failing_s": 16.0}, {"rto"}),
        ({"failing_s": 47.0}, {"rto", "traffic_split"}),
        ({"broken": 1201.0}, {"streams_broken"}),
        ({"elsewhere": 1.0}, {"broken_elsewhere"}),
        ({"late_at_west": 62.0}, {"traffic_split"}),
    ],
)
def test_each_objective_missed_fails_by_its_own_name(changes, slos):
    """One thing out of limits on a calm rig is the platform's."""
    found = statuses(judged(**changes))
    assert {name for name, status in found.items() if status == "fail"} == slos
    assert "unknown" not in found.values()


@pytest.mark.parametrize(
    "changes",
    [{"failing_s": 15.0}, {"broken": 1200.0}, {"late_at_west": 59.0}, {"failing": 2.0}],
)
def test_just_inside_its_objective_passes(changes):
    """The limits themselves are allowed, and 1 % of failing attempts is no outage."""
    assert set(statuses(judged(**changes)).values()) == {"pass"}


@pytest.mark.parametrize(
    ("signal", "slos"),
    [
        ("client_answers", {"rto", "traffic_split"}),
        ("client_attempts", {"streams_broken", "broken_elsewhere"}),
        ("client_streams", {"streams_broken"}),
        ("rig_lag", {"rig_blackout"}),
    ],
)
def test_what_nothing_measures_is_unknown(signal, slos):
    """No series: never zero, never a pass."""
    found = statuses(judged(without=(signal,)))
    assert {name for name, status in found.items() if status == "unknown"} == slos
    assert "fail" not in found.values()


def test_a_target_without_objectives_leaves_them_unknown():
    """A loss that nothing is owed for can not pass."""
    found = statuses(judged(objective={}))
    assert {n for n, s in found.items() if s == "unknown"} == {"rto", "streams_broken"}


def test_a_rig_pinned_for_too_long_proves_nothing():
    """5 s are allowed, and shown; more is unknown, with the measured figure."""
    slow = {0.5: 50}
    allowed = one(judged(rig={t: slow for t in range(11, 16)}), "rig_blackout")
    assert (allowed.status, allowed.measured) == ("pass", 5.0)
    assert "pinned 5.0 s within 0.0 to 5.0 s after the loss" in allowed.reason
    over = one(judged(rig={t: slow for t in range(11, 17)}), "rig_blackout")
    assert (over.status, over.measured, over.threshold) == ("unknown", 6.0, 5.0)


@pytest.mark.parametrize(("pinned_s", "status"), [(0, "fail"), (1, "fail"), (2, "unknown")])
def test_a_miss_that_the_rig_could_explain_is_unknown(pinned_s, status):
    """17 s of failing attempts against 15: explained by a rig that was pinned for 2 of them."""
    rig = {11 + t: {0.5: 50} for t in range(pinned_s)}
    found = one(judged(failing_s=17.0, rig=rig), "rto")
    assert (found.status, found.measured) == (status, 17.0)
    assert ("pinned for 2.0 s" in found.reason) is (status == "unknown")


@pytest.mark.parametrize("changes", [{"broken": 1201.0}, {"elsewhere": 1.0}])
def test_streams_that_a_starved_rig_could_have_cut_are_unknown(changes):
    """What broke while the rig was pinned is nobody's for sure."""
    found = statuses(judged(rig={12: {0.5: 50}}, **changes))
    assert list(found.values()).count("unknown") == 1
    assert "fail" not in found.values()


def test_seconds_without_samples_count_as_failing_until_they_are_known():
    """The load was not scraped around the limit: neither kept nor missed."""
    samples = platform(failing_s=13.0)

    def cut(one):
        points = zip(one.t, one.v, strict=True)
        kept = [(t, v) for t, v in points if not 22 <= t <= 29]
        return series_of(one.signal, one.name, one.labels, kept)

    answers = tuple(cut(one) for one in samples.of("client_answers"))
    failing = failing_until(
        Samples({"client_answers": answers}), Window(LOST_S, END_S, 4.0), 0.01, 1.0
    )
    assert failing.seen_s <= 13.0 < 15.0 < failing.worst_s


def test_few_attempts_are_looked_at_over_longer_stretches():
    """One failure in a slow second is not over 1 % of anything."""
    answers = [
        counter("client_answers", lambda t: 10.0, region=EAST, code="200"),
        counter("client_answers", between(49, 50, 1.0), region=EAST, code="503"),
    ]
    samples = Samples({"client_answers": tuple(answers)})
    assert failing_until(samples, Window(LOST_S, END_S, 4.0), 0.01, 1.0).seen_s == 0.0


BRIEFLY = {0.01: 97, 0.5: 2}
"""Over the limit in its own second, and not over ten of them."""
STOPPED = {"by": "limit:rate_5xx", "verdict": "FAIL", "t_trip": 30.0}
TRIP = {"limit": "rate_5xx", "t_trip": 30.0, "windows": [[10.0, 20.0], [20.0, 30.0]]}
TRIP |= {"measured": 9.5, "threshold": 0.5, "unit": "%"}
QUEUE = {**TRIP, "windows": [[20.0, 30.0]], "measured": 31.0, "threshold": 30.0, "unit": "s"}


@pytest.mark.parametrize(
    ("rig", "stop", "excused"),
    [
        ({}, STOPPED, False),
        ({25: BRIEFLY}, STOPPED, True),
        ({5: BRIEFLY}, STOPPED, False),
        ({45: BRIEFLY}, STOPPED, False),
        ({25: BRIEFLY}, {**STOPPED, "verdict": "ABORTED"}, False),
        ({25: BRIEFLY}, {**STOPPED, "by": "platform:loss_not_detected"}, False),
        (
            {t: {0.5: 50} for t in range(11, 18)},
            {**STOPPED, "by": "platform:loss_not_detected"},
            True,
        ),
    ],
)
def test_a_stop_on_what_a_pinned_rig_did_proves_nothing(rig, stop, excused):
    """Only within what a limit was judged by; a wait that ran out, past the rig's own limit."""
    found = judged(event(30.0, "limit", **TRIP), event(31.0, "stopped", **stop), rig=rig)
    assert bool(found.stop_excuse) is excused
    assert ("pinned for" in found.stop_excuse) is excused


@pytest.mark.parametrize(
    ("trip", "excused"),
    [
        ({**TRIP, "measured": 10.5}, True),
        ({**TRIP, "measured": 10.6}, False),
        (QUEUE, True),
        ({**QUEUE, "measured": 31.5}, False),
        ({**QUEUE, "windows": []}, False),
    ],
)
def test_a_limit_passed_by_more_than_the_rig_could_explain_stands(trip, excused):
    """Pinned for a second: 10 % of a window of ten seconds, or one second of an age."""
    events = event(30.0, "limit", **trip), event(31.0, "stopped", **STOPPED)
    found = judged(*events, rig={29: BRIEFLY})
    assert bool(found.stop_excuse) is excused


def test_a_limit_judged_by_windows_in_which_the_rig_was_slow_proves_nothing():
    """By the contract's own rule: p99 over the limit in the window, whatever was measured."""
    trip = {**TRIP, "measured": 90.0}
    events = event(30.0, "limit", **trip), event(31.0, "stopped", **STOPPED)
    excuse = judged(*events, rig={29: {0.5: 50}}).stop_excuse
    assert excuse == "limit:rate_5xx: the rig itself: load lagged: p99 at or under 500 ms"


def test_after_a_rig_that_was_unfit_no_failing_finding_stands():
    """What it caught up with is not the platform's; what failed before the loss stays."""
    found = judged(rig={t: {0.5: 50} for t in range(11, 17)})
    before, after = (
        replace(one(found, "rto"), status="fail", window=w) for w in ((0, 9), (30, 40))
    )
    held = replace(after, status="pass")
    assert found.excused([before, held]) == [before, held]
    (excused,) = found.excused([after])
    assert excused.status == "unknown"
    assert "the rig itself was pinned for 6.0 s, over 5 s" in excused.reason
    assert judged().excused([after]) == [after]


def test_a_ledger_without_a_loss_has_none():
    """Another fault is no loss."""
    events = [event(1, "fault_declared", fault="region_power", region=WEST)]
    assert loss_of(events, phases_of(events)) is None
