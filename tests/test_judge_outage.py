"""What follows an outage judged: back in time, too late, not known, and not ended at all."""

from __future__ import annotations

import pytest
from test_loss import CONTRACT, EAST, WEST, between, counter, event

from muster.judge.evaluate import Judging
from muster.judge.outage import judge_outage
from muster.judge.phases import phases_of
from muster.samples.series import Samples

BEGAN_S, ENDED_S, SERVED_S, END_S = 10.0, 25.0, 32.0, 55.0


def events(*, reverted_s=ENDED_S):
    found = [
        event(0, "phase_started", phase="baseline", tier="X"),
        event(9, "phase_ended", phase="baseline", outcome="ok"),
        event(BEGAN_S, "phase_started", phase="outage", tier=None),
        event(SERVED_S, "phase_ended", phase="outage", outcome="ok"),
        event(SERVED_S, "phase_started", phase="back_in_dns", tier="G"),
        event(END_S, "phase_ended", phase="back_in_dns", outcome="ok"),
    ]
    if reverted_s is not None:
        found.append(event(reverted_s, "fault_reverted", fault="dns_empty", region=None))
    return sorted(found, key=lambda one: one["t"])


def judged(after_s=2.0, objective=None, without=(), **changes):
    """Every attempt fails from the outage's begin until `after_s` past its end."""
    away = between(BEGAN_S, ENDED_S + after_s, 100.0)
    series = [
        counter("client_answers", lambda t: 100.0 - away(t), region=EAST, code="200"),
        counter("client_answers", away, region=WEST, code="refused"),
        counter("client_attempts", lambda t: 100.0 - away(t), region=EAST, outcome="success"),
        counter("client_attempts", away, region=WEST, outcome="refused"),
    ]
    found = {}
    for one in series:
        if one.signal not in without:
            found.setdefault(one.signal, []).append(one)
    samples = Samples({signal: tuple(rows) for signal, rows in found.items()})
    judging = Judging(CONTRACT, samples, (WEST, EAST), 30.0, 4.0, ())
    told = events(**changes)
    limits = {"rto_s_max": 4} if objective is None else objective
    return judge_outage(judging, phases_of(told), told, limits)


@pytest.mark.parametrize(
    ("after_s", "status", "measured", "margin"),
    [(2.0, "pass", 2.0, 2.0), (4.0, "pass", 4.0, 0.0), (5.0, "fail", 5.0, -1.0),
     (25.0, "fail", 25.0, -21.0)],
)  # fmt: skip
def test_the_time_from_its_end_counts(after_s, status, measured, margin):
    """Also beyond the phase in which it ended: who fails later is not back."""
    (rto,), document = judged(after_s)
    assert (rto.slo, rto.phase, rto.status) == ("rto", "outage", status)
    assert (rto.measured, rto.threshold, rto.margin) == (measured, 4.0, margin)
    assert document == {
        "fault": "dns_empty",
        "began_at": BEGAN_S,
        "ended_at": ENDED_S,
        "rto_s": measured,
        "attempts": 1500.0,
        "attempts_failed": 1500.0,
    }


def test_nothing_measured_is_unknown_and_no_zero():
    """And says so."""
    (rto,), document = judged(without=("client_answers", "client_attempts"))
    assert (rto.status, rto.measured, rto.reason) == ("unknown", None, "no data")
    assert (document["rto_s"], document["attempts"]) == (None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"objective": {}}, "the target names no dns_outage.rto_s_max"),
        ({"objective": {"rto_s_max": "4"}}, "the target names no dns_outage.rto_s_max"),
        ({"reverted_s": None}, "the outage was not ended in its phase"),
        ({"reverted_s": SERVED_S + 5}, "the outage was not ended in its phase"),
    ],
)
def test_without_a_limit_or_an_end_it_is_unknown(changes, reason):
    """Never a pass."""
    (rto,), document = judged(**changes)
    assert (rto.status, rto.reason, document) == ("unknown", reason, None)


def test_a_drill_without_an_outage_has_no_such_finding():
    """Nothing is added to any other drill."""
    told = [event(0, "phase_started", phase="baseline", tier="X"), event(9, "phase_ended")]
    judging = Judging(CONTRACT, Samples({}), (WEST, EAST), 30.0, 4.0, ())
    assert judge_outage(judging, phases_of(told), told, {"rto_s_max": 4}) == ([], None)
