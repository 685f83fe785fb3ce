"""What a gate's answer says of signals that its bundles' targets declare none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_gate import ask, bundle, finding, refused

from muster.judge.gate import Declared

QUEUE = {"signal": "queue_age", "reason": "requests wait nowhere", "unguarded": []}
CIRCUIT = {"signal": "circuit_open", "reason": "one provider", "unguarded": []}
BOTH = frozenset({"queue_age", "circuit_open"})


def lacking(*declared, name="both", gate="M3", **statuses):
    """A bundle whose target declares something none; findings of these SLOs are declared."""
    plain = bundle(name, gate)
    found = [
        {**one, "status": statuses.get(one["slo"], one["status"])}
        for one in plain.document["findings"]
    ]
    document = {**plain.document, "findings": found, "declared": list(declared)}
    return replace(plain, document=document)


def lines(result, rule):
    return [(one.bundle, one.holds, one.detail) for one in result.lines if one.rule == rule]


def test_the_answer_lists_each_with_its_bundle_its_reason_and_whether_it_was_accepted():
    """As values and in the document; of two bundles, one accepted and one not."""
    first = lacking(QUEUE, name="first", queue_age="declared")
    second = lacking(CIRCUIT, name="second")
    result = ask(first, second, accepted=frozenset({"queue_age"}))
    assert result.declared == (
        Declared("first", "queue_age", "requests wait nowhere", True),
        Declared("second", "circuit_open", "one provider", False),
    )
    assert result.as_json()["declared"] == [
        {
            "bundle": "first",
            "signal": "queue_age",
            "reason": "requests wait nowhere",
            "accepted": True,
        },
        {
            "bundle": "second",
            "signal": "circuit_open",
            "reason": "one provider",
            "accepted": False,
        },
    ]
    assert lines(result, "declared none") == [
        ("first", True, 'queue_age: "requests wait nowhere", accepted by --accept queue_age'),
        ("second", False, 'circuit_open: "one provider", not accepted: --accept circuit_open'),
    ]
    assert not result.opens
    assert ask(first, second, accepted=BOTH).opens


@pytest.mark.parametrize("none", [None, []])
def test_a_bundle_that_declares_nothing_has_no_such_line(none):
    """Nor has one of a time in which nothing could be declared."""
    plain = bundle()
    result = ask(replace(plain, document={**plain.document, "declared": none}), accepted=BOTH)
    assert (result.declared, lines(result, "declared none"), result.opens) == ((), [], True)
    assert ask(bundle()).as_json()["declared"] == []


def test_a_rule_that_is_accepted_says_that_it_was_not_judged():
    """Each by the name of its signal; the other rule keeps its limit."""
    result = ask(lacking(QUEUE, gate="M1", queue_age="declared"), gate="M1", accepted=BOTH)
    said = "not judged: queue_age is declared none, which was accepted"
    assert lines(result, "queue age") == [("both", True, said)]
    assert lines(result, "circuit") == [("both", True, "<= 120 s")]
    result = ask(lacking(CIRCUIT, gate="M1", circuit_open="declared"), gate="M1", accepted=BOTH)
    said = "not judged: circuit_open is declared none, which was accepted"
    assert lines(result, "circuit") == [("both", True, said)]
    assert result.opens


def test_what_was_judged_is_not_waved_through():
    """Another signal declared, another status, one finding of two, none at all, another phase."""
    yes = {"accepted": BOTH}
    assert refused(ask(lacking(CIRCUIT, queue_age="declared"), **yes)) == {"queue age"}
    assert refused(ask(lacking(queue_age="declared"), **yes)) == {"queue age"}
    assert refused(ask(lacking(QUEUE, queue_age="fail"), **yes)) == {"queue age"}
    plain = lacking(QUEUE, queue_age="declared")

    def also(*more, keep=lambda one: True):
        kept = [one for one in plain.document["findings"] if keep(one)]
        return replace(plain, document={**plain.document, "findings": [*kept, *more]})

    failed = finding("queue_age", "baseline", None, "fail")
    assert refused(ask(also(failed), **yes)) == {"queue age"}
    assert ask(also({**failed, "phase": "dark"}), **yes).opens
    none = also(keep=lambda one: one["slo"] != "queue_age")
    assert refused(ask(none, **yes)) == {"queue age"}
    elsewhere = {**failed, "status": "declared", "phase": "dark"}
    only = also(elsewhere, keep=lambda one: one["slo"] != "queue_age")
    assert refused(ask(only, **yes)) == {"queue age"}


def test_accepting_it_for_one_bundle_does_not_open_the_soak_of_another():
    """The bundle whose soak counts must be the one that declares it."""
    soak = lacking(name="soak", queue_age="declared")
    other = lacking(QUEUE, name="other", queue_age="declared")
    short = tuple(p for p in other.phases if p.name != "baseline")
    assert refused(ask(soak, replace(other, phases=short), accepted=BOTH)) == {"queue age"}


def test_a_bundle_without_findings_has_none_that_is_declared():
    """It is refused, whatever is accepted, and breaks nothing."""
    plain = lacking(QUEUE)
    bare = {key: value for key, value in plain.document.items() if key != "findings"}
    assert "queue age" in refused(ask(replace(plain, document=bare), accepted=BOTH))


def test_a_verdict_on_record_that_differs_is_a_line_of_its_own():
    """Of the bundle that has it, with what differs."""
    result = ask(bundle("kept"), bundle("edited", on_record="PASS, the evidence says FAIL"))
    assert lines(result, "verdict.json") == [("edited", False, "PASS, the evidence says FAIL")]
    assert not result.opens


def test_the_age_is_in_days_however_old_the_evidence_is():
    """Fourteen years, to a tenth of a day."""
    now_s = 5_000 * 86_400.0 + 12_000.0
    (line,) = lines(ask(replace(bundle(), ended_s=12_000.0), now_s=now_s), "fresh")
    assert line == ("both", False, "5000.0 days old, 7 allowed")
