"""What a target declares none, as findings: each word of them, and who must agree on it."""

from __future__ import annotations

import pytest
from test_counting import FINDING
from test_evaluate import samples_of

from muster.judge.declared import (
    agreed_on,
    as_declared,
    contradictions,
    declared_findings,
    document,
)
from muster.judge.phases import Phase
from muster.samples.series import series_of

WHY, SAID = "no queue", 'declared none: "no queue"'
PHASES = [Phase("recovery", None, 0.0, 9.0, True), Phase("drain", None, 9.0, 20.0, True)]
ALL = dict.fromkeys(("streams_broken", "queue_age", "admission_failures", "circuit_open"), WHY)


@pytest.mark.parametrize(
    ("started", "agreed"),
    [
        ({"declared": {"queue_age": WHY}}, {"queue_age": WHY}),
        ({"declared": {"queue_age": WHY, "circuit_open": WHY}}, {"queue_age": WHY}),
        ({"declared": {"queue_age": "another reason"}}, {}),
        ({"declared": ["queue_age"]}, {}),
        ({"declared": None}, {}),
        ({}, {}),
    ],
)
def test_target_and_ledger_must_say_the_same_of_a_signal(started, agreed):
    """By name and by reason; a ledger that holds something else has declared nothing."""
    assert agreed_on({"queue_age": WHY}, started) == agreed


def told(target, started, *series):
    return [
        (one.slo, one.source, one.status, one.reason)
        for one in contradictions(target, {"declared": started}, samples_of(*series))
    ]


def test_each_contradiction_is_unknown_and_says_both_sides():
    """Declared by one of them alone, for another reason, or seen in the samples all the same."""
    shown = "no declaration"
    found = told({"queue_age": WHY}, {"circuit_open": WHY})
    assert found == [
        (
            "declared_none",
            "ledger",
            "unknown",
            f"{name}: target.yaml has {target}, the drill started with {ledger}",
        )
        for name, target, ledger in (("circuit_open", shown, SAID), ("queue_age", SAID, shown))
    ]
    [(*_, reason)] = told({"queue_age": WHY}, {"queue_age": "other"})
    assert reason.endswith(f'has {SAID}, the drill started with declared none: "other"')
    seen = series_of("queue_age", "q", {}, [(0.0, 0.0)])
    assert told({"queue_age": WHY, "circuit_open": WHY}, {**ALL} | {"x": "y"}, seen)[-1] == (
        "declared_none",
        "server",
        "unknown",
        "queue_age is declared none, but the samples contain it",
    )
    assert told({"queue_age": WHY}, {"queue_age": WHY}) == []
    assert told({}, {}, seen) == []


def rows(declared, phases):
    return [
        (one.slo, one.source, one.phase, one.region, one.status, one.reason)
        for one in declared_findings(declared, phases, "west")
    ]


def test_what_no_rule_on_samples_tells_is_told_as_declared():
    """Triggers and limits that cannot fire, the quiet after a fault, and the streams cut."""
    guard = [
        ("trigger_hard_failure", "admission_failures"),
        ("trigger_circuit_open", "circuit_open"),
        ("trigger_queue_age", "queue_age"),
        ("limit_queue_age", "queue_age"),
    ]
    quiet = ("circuit_open", "admission_failures", "queue_age")
    assert rows(ALL, PHASES) == [
        *((slo, "guard", None, None, "declared", f"{name}: {SAID}") for slo, name in guard),
        *(
            ("recovery_quiet", "server", "recovery", None, "declared", f"{name}: {SAID}")
            for name in quiet
        ),
        ("streams_cut", "server", "drain", "west", "declared", f"streams_broken: {SAID}"),
    ]


def test_a_phase_that_was_not_run_tells_nothing_of_what_is_declared():
    """And a signal that is shown is not told here."""
    assert {row[1] for row in rows(ALL, [])} == {"guard"}
    assert [row[0] for row in rows({"streams_broken": WHY}, PHASES)] == ["streams_cut"]
    assert [row[0] for row in rows({"streams_broken": WHY}, PHASES[:1])] == []
    quiet = [row[0] for row in rows({"admission_failures": WHY}, PHASES)]
    assert quiet == ["trigger_hard_failure", "recovery_quiet"]
    assert rows({}, PHASES) == []


def test_a_finding_on_a_declared_signal_keeps_its_rule_and_no_figure():
    """What was asked stays, what was measured goes."""
    found = as_declared(FINDING, WHY)
    assert (found.slo, found.threshold, found.window) == (
        FINDING.slo,
        FINDING.threshold,
        FINDING.window,
    )
    assert (found.measured, found.margin, found.bracket, found.samples) == (None,) * 4
    assert (found.status, found.reason) == ("declared", SAID)


def test_the_verdict_lists_each_signal_with_what_is_not_guarded():
    """By name."""
    assert document({"streams_broken": "a", "queue_age": WHY}) == [
        {
            "signal": "queue_age",
            "reason": WHY,
            "unguarded": ["trigger:queue_age", "limit:queue_age"],
        },
        {"signal": "streams_broken", "reason": "a", "unguarded": []},
    ]
