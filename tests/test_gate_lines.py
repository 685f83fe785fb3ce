"""Which findings of a bundle a gate's rules rest on, and what each line shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_gate import ask, bundle, finding, refused

from muster.judge.gate import Line


def also(*findings, plain=None):
    """A bundle with further findings, the first of which anyone would find."""
    plain = plain or bundle()
    return replace(
        plain, document={**plain.document, "findings": [*findings, *plain.document["findings"]]}
    )


def without(slo, phase):
    plain = bundle()
    left = [f for f in plain.document["findings"] if (f["slo"], f["phase"]) != (slo, phase)]
    return replace(plain, document={**plain.document, "findings": left})


@pytest.mark.parametrize(
    "other",
    [
        finding("rate_5xx", "ramp", "X", "fail"),
        finding("rate_5xx", "baseline", "L", "fail"),
        finding("rate_5xx", "evacuate..restore", "X", "fail"),
        finding("rate_5xx", "dark", "G", "fail"),
        finding("queue_age", "ramp", None, "fail"),
        finding("streams_achieved", "ramp", None, "fail"),
    ],
)
def test_each_rule_asks_for_its_own_phase_and_tier(other):
    """What was judged elsewhere, or by another tier, neither shuts the gate nor opens it."""
    assert ask(also(other)).opens
    slo = other["slo"]
    for phase in ("baseline", "evacuate..restore"):
        if without(slo, phase).document == bundle().document:
            continue
        good = {**other, "status": "pass"}
        assert not ask(also(good, plain=without(slo, phase))).opens


def test_the_nearest_bundle_tells_what_is_missing():
    """Of two soaks that do not hold, the one with fewer rules missed."""
    far = replace(
        bundle("far", soak_s=60.0),
        document={**bundle().document, "profile": "m1_1k", "load": {"target_streams": 5}},
    )
    near = bundle("near", soak_s=60.0)
    for pair in ((far, near), (near, far)):
        result = ask(*pair)
        assert refused(result) == {"soak length"}
        [line] = [line for line in result.lines if not line.holds]
        assert line.bundle == "near"


def test_a_drill_evacuates_and_darkens_all_its_phases():
    """One without an evacuation or a dark region is none; one without a drain is not whole."""
    plain = bundle()

    def left(gone):
        return replace(plain, phases=tuple(p for p in plain.phases if p.name != gone))

    for gone in ("evacuate", "dark"):
        assert refused(ask(left(gone))) == {"failover drill"}
    for gone in ("drain", "restore"):
        assert refused(ask(left(gone))) == {"drill phases"}


def test_a_testbed_holds_what_it_holds_and_its_own_lengths():
    """Fewer streams are allowed there, and a time scale of none is one."""
    small = {"evidence": "testbed", "load": {"target_streams": 2_000}, "time_scale": None}
    assert ask(bundle(document=small), allow_testbed=True).opens
    rehearsal = {**small, "evidence": "rehearsal"}
    assert ask(bundle(document=rehearsal), allow_testbed=True).opens
    short = bundle(document=small, soak_s=3600.0, dark_s=330.0)
    assert refused(ask(short, allow_testbed=True)) == {"soak length", "dark hold"}
    assert refused(ask(bundle(document=small))) == {"evidence", "streams", "drill streams"}


def test_a_soak_is_as_long_as_it_lasted_whenever_it_began():
    """Epoch seconds, as ledgers have them."""
    for soak_s, rules_missed in ((7200.0, set()), (7199.0, {"soak length"})):
        plain = bundle(soak_s=soak_s)
        later = tuple(
            replace(p, start_s=p.start_s + 1.7e9, end_s=p.end_s + 1.7e9) for p in plain.phases
        )
        assert refused(ask(replace(plain, phases=later))) == rules_missed


def test_a_bundle_that_says_nothing_is_refused_and_breaks_nothing():
    """No load, no findings, no streams."""
    plain = bundle()
    bare = {k: v for k, v in plain.document.items() if k not in ("load", "findings")}
    result = ask(replace(plain, document=bare))
    assert {"streams", "Tier X SLOs", "queue age", "fault proof"} <= refused(result)
    none = ask(bundle(document={"load": {"target_streams": None}}))
    [line] = [line for line in none.lines if line.rule == "streams"]
    assert (line.holds, line.detail) == (False, "0 of 20,000 held")


def rules(*bundles, **options):
    return [tuple(line.values()) for line in ask(*bundles, **options).as_json()["rules"]]


def test_every_line_of_a_gate_names_rule_bundle_and_what_was_seen():
    """Two bundles that open M3, as the document has them."""
    drill = bundle("drill", phases=bundle().phases[1:])
    soak = bundle("soak", phases=bundle().phases[:1], signed=None, signature="no key")
    admitted = [
        ("whole", "every file is as the manifest says"),
        ("signature", "HMAC holds"),
        ("fresh", "0.0 days old, 7 allowed"),
        ("evidence", "gate"),
        ("gate", "run for M3"),
        ("verdict", "PASS"),
    ]
    untold = "NOT VERIFIED, accepted by --unsigned: no key"
    assert rules(soak, drill, allow_unsigned=True) == [
        *[
            (rule, "soak", True, untold if rule == "signature" else detail)
            for rule, detail in admitted
        ],
        *[(rule, "drill", True, detail) for rule, detail in admitted],
        ("one target", "all", True, "prod"),
        ("one build", "all", True, "1.4.2"),
        ("soak kind", "soak", True, "failover, of gate or failover"),
        ("soak length", "soak", True, "120.0 of 120 min"),
        ("profile", "soak", True, "m3_20k"),
        ("streams", "soak", True, "20,000 of 20,000 held"),
        ("Tier X SLOs", "soak", True, "all pass"),
        ("queue age", "soak", True, "<= 30 s"),
        ("drill kind", "drill", True, "failover, of failover or experiment"),
        ("drill phases", "drill", True, "evacuated and restored"),
        ("drill profile", "drill", True, "m3_20k"),
        ("drill streams", "drill", True, "20,000 of 20,000 held"),
        ("drill Tier G", "drill", True, "all pass"),
        ("dark hold", "drill", True, "660 of 660 s"),
        ("fault proof", "drill", True, "effect verified"),
    ]
    document = ask(soak, drill, allow_unsigned=True).as_json()
    assert set(document["rules"][0]) == {"rule", "bundle", "holds", "detail"}
    told = {key: document[key] for key in ("gate", "opens", "rules_hold", "not_a_gate")}
    assert told == {"gate": "M3", "opens": True, "rules_hold": True, "not_a_gate": False}


@pytest.mark.parametrize(
    ("gate", "line"),
    [
        ("M1", ("circuit", "both", True, "<= 120 s")),
        ("M2", ("no failover action", "both", True, "none")),
    ],
)
def test_a_gates_own_rule_says_its_limit(gate, line):
    """Beside the queue's."""
    assert line in rules(bundle(gate=gate), gate=gate)


def test_what_refuses_says_what_was_seen():
    """Broken off, another build, an unsigned manifest, no drill at all."""
    broken = [replace(p, complete=False) for p in bundle().phases]
    evidence = replace(
        bundle("one", signed=False, signature="HMAC does not fit", ended_s=None),
        phases=tuple(broken),
        seal_faults=("altered: a", "missing: b"),
    )
    other = bundle("two", document={"platform_build": ["2", "1"]}, phases=())
    worse = also(finding("fault_proof", None, None, "unknown"), plain=evidence)
    found = {(rule, name): detail for rule, name, holds, detail in rules(worse, other) if not holds}
    assert found == {
        ("whole", "one"): "altered: a; missing: b",
        ("signature", "one"): "HMAC does not fit",
        ("fresh", "one"): "its end is unknown, 7 allowed",
        ("one build", "all"): "1.4.2; 2, 1",
        ("soak length", "one"): "120.0 of 120 min, and it was not completed",
        ("drill phases", "one"): "not completed",
        ("fault proof", "one"): "fault_proof: unknown",
    }
    why = rules(bundle("k", signed=False, signature="no signature"))
    assert ("signature", "k", False, "no signature") in why
    assert ask(bundle(phases=())).lines[-2:] == (
        Line("soak", "none", False, "no bundle holds one"),
        Line("failover drill", "none", False, "no bundle holds one"),
    )
    assert ask().lines[:2] == (
        Line("one target", "all", False, "no bundle"),
        Line("one build", "all", False, "no bundle"),
    )
