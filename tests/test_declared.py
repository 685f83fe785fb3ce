"""What a target declares that its platform does not have: shown as such, and never a pass."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from bundle_maker import EAST, WEST, make_bundle, small
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from promotion_platform import Platform, rules

from muster import home, targets
from muster.attestation import result_of, statement
from muster.bundle import seal
from muster.cli import drill
from muster.cli.gate import Asked, answer
from muster.drill.conclude import conclude
from muster.errors import BadInput
from muster.guard.promotion import as_json, judge_promotion
from muster.judge.verdict import judge
from muster.reports.evidence import read_evidence
from muster.reports.junit import junit
from muster.reports.render import Drawn, html, markdown
from muster.reports.view import build_view
from muster.targets.declared import DECLARABLE, declared_in, lines
from muster.targets.signals import SIGNALS_KNOWN, SIGNALS_NEEDED

WHY = "requests are admitted or refused at once"
NONE = {"none": WHY}
HERE = Path(home.root())


def testbed(**signals):
    """The testbed's document with some signals otherwise; None leaves one out."""
    data = yaml.safe_load((HERE / "targets/testbed.yaml").read_text())
    for name, how in signals.items():
        if how is None:
            del data["signals"][name]
        else:
            data["signals"][name] = how
    return data


def loaded(**signals):
    return targets.load_bytes(yaml.safe_dump(testbed(**signals)).encode(), Path("t.yaml"))


@pytest.mark.parametrize("name", sorted(DECLARABLE))
def test_a_target_may_declare_it(name):
    """It is on record with its reason, asked of nobody, and stays declared when filled."""
    target = loaded(**{name: NONE})
    assert target.declared == {name: WHY}
    assert name not in target.signals
    again = targets.model.Target.model_validate(target.model_dump(by_alias=True))
    assert (again.declared, again.signals) == (target.declared, target.signals)
    (line,) = lines(target.declared)
    assert name in line
    assert WHY in line
    for rule in DECLARABLE[name].unguarded:
        assert rule in line


@pytest.mark.parametrize("name", sorted(set(SIGNALS_KNOWN) - set(DECLARABLE)))
def test_what_a_verdict_rests_on_is_never_declared(name):
    """One line that names the key, and what may be declared."""
    with pytest.raises(BadInput) as refused:
        loaded(**{name: NONE})
    said = str(refused.value)
    assert said.startswith(f"t.yaml: signals.{name}: ")
    assert "only queue_age, circuit_open, admission_failures" in said
    assert "\n" not in said
    assert declared_in({name: NONE}) == {}


@pytest.mark.parametrize(
    "how", [{"none": ""}, {"none": "  "}, {"none": None}, {"none": 3}, {"none": WHY, "unit": "s"}]
)
def test_a_declaration_without_a_reason_is_bad_input(how):
    with pytest.raises(BadInput, match=r"signals\.queue_age"):
        loaded(queue_age=how)
    assert declared_in({"queue_age": how}) == {}


def test_leaving_a_signal_out_is_no_declaration():
    with pytest.raises(BadInput, match="none: the reason"):
        loaded(queue_age=None)


SIGNALS = st.dictionaries(
    st.sampled_from([*SIGNALS_KNOWN, "x_own"]),
    st.one_of(
        st.text(max_size=3),
        st.none(),
        st.fixed_dictionaries({"none": st.one_of(st.text(max_size=3), st.none(), st.integers())}),
    ),
)


@settings(max_examples=80, deadline=None)
@given(SIGNALS)
def test_nothing_else_is_ever_read_as_declared(signals):
    """Whatever a bundle's target holds: only what may be declared, and with a reason."""
    found = declared_in(signals)
    assert set(found) <= set(DECLARABLE)
    assert all(signals[name] == {"none": why} and why.strip() for name, why in found.items())
    assert set(DECLARABLE).isdisjoint(
        set(SIGNALS_NEEDED) - {"queue_age", "circuit_open", "admission_failures"}
    )


def declare(bundle, *names, ledger=True, target=True):
    """The bundle of a drill of a target that declares `names`; some of it may say otherwise."""
    file = bundle / "target.yaml"
    data = yaml.safe_load(file.read_text())
    if target:
        data["signals"] = {**data.get("signals", {}), **dict.fromkeys(names, NONE)}
        file.write_text(yaml.safe_dump(data))
    if ledger:
        path = bundle / "ledger.jsonl"
        events = [json.loads(line) for line in path.read_text().splitlines()]
        for event in events:
            if event["event"] == "drill_started":
                event["declared"] = dict.fromkeys(names, WHY)
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return bundle


def statuses(verdict, slo):
    return {finding.status for finding in verdict.findings if finding.slo == slo}


def made(tmp_path, *names, story=None, **options):
    """A bundle that declares `names`, and by itself without samples of them."""
    story = story or small(without=frozenset(names))
    return declare(make_bundle(tmp_path / "bundle", story), *names, **options)


def test_a_drill_passes_over_it_and_says_so_in_every_place(tmp_path):
    """Verdict, page, draft, JUnit, console and attestation: declared, with the reason."""
    bundle = made(tmp_path, "queue_age")
    verdict = judge(bundle)
    assert verdict.verdict == "PASS", verdict.document["unknowns"]
    assert statuses(verdict, "queue_age") == {"declared"}
    assert statuses(verdict, "trigger_queue_age") == statuses(verdict, "limit_queue_age")
    assert statuses(verdict, "limit_queue_age") == {"declared"}
    assert verdict.document["declared"] == [
        {
            "signal": "queue_age",
            "reason": WHY,
            "unguarded": ["trigger:queue_age", "limit:queue_age"],
        }
    ]
    assert conclude(bundle).verdict == "PASS"
    view = build_view(read_evidence(bundle))
    assert WHY in view.banner.why
    hanging = [row for row in view.findings if row.slo == "queue_age"]
    assert hanging
    assert {(row.status, row.measured) for row in hanging} == {("declared", "none")}
    assert '<span class="status declared">∅ declared: none</span>' in html(view, Drawn())
    assert "✓ declared" not in html(view, Drawn())
    assert "declared: none" in markdown(view)
    root = ET.fromstring(junit(view))
    cases = [case for case in root.iter("testcase") if case.get("name").startswith("queue_age")]
    assert cases
    assert all(WHY in case.find("skipped").get("message") for case in cases)
    said = CliRunner().invoke(drill, ["judge", str(bundle)])
    assert (said.exit_code, f'declared none: queue_age: "{WHY}"' in said.output) == (0, True)
    gate = {**verdict.document, "evidence": "gate"}
    assert result_of(gate) == "WARNED"
    assert result_of({**gate, "declared": []}) == "PASSED"
    sealed = dict.fromkeys(("config.json", "contract.yaml", "target.yaml"), "0")
    tests = statement(b"", sealed, gate)["predicate"]
    assert "declared/queue_age" in tests["warnedTests"]
    assert not [name for name in tests["passedTests"] if "queue_age" in name]


def test_the_judged_verdict_never_turns_declared_into_a_pass(tmp_path):
    """Whatever is declared: no finding that hangs on it passes."""
    story = small(gate="M1", tier="L", profile="m1_1k", scale=1, without=frozenset(DECLARABLE))
    verdict = judge(made(tmp_path, *DECLARABLE, story=story))
    for hanging in DECLARABLE.values():
        slos = {*hanging.findings, *(rule.replace(":", "_") for rule in hanging.unguarded)}
        for slo in slos - {"recovery_quiet"}:
            found = {f.status for f in verdict.findings if f.slo == slo and f.source != "client"}
            assert found == {"declared"}, (slo, found)


@pytest.mark.parametrize(
    "options",
    [
        {"target": False},  # the ledger says none, the target names a selector
        {"ledger": False},  # the target was changed after the drill began
        {"story": small()},  # the samples hold it
    ],
)
def test_a_contradiction_is_unknown(tmp_path, options):
    """Fail closed: target, ledger and samples must say the same."""
    verdict = judge(made(tmp_path, "queue_age", **options))
    assert verdict.verdict == "INCONCLUSIVE"
    assert "unknown" in statuses(verdict, "declared_none")


def test_what_the_samples_hold_still_fails(tmp_path):
    """A queue over its limit, declared none afterwards in target and ledger."""
    from bundle_series import Harm

    story = small(harm={"dark": Harm(queue_age_s=45.0)})
    verdict = judge(made(tmp_path, "queue_age", story=story))
    assert verdict.verdict in ("FAIL", "INCONCLUSIVE")
    assert "fail" in statuses(verdict, "queue_age")
    assert "declared" not in statuses(verdict, "queue_age")


@pytest.mark.parametrize("name", ["requests", "streams_active", "client_attempts", "first_token"])
def test_a_bundles_target_cannot_declare_what_a_verdict_rests_on(tmp_path, name):
    """Written into the bundle by hand: it is missing, and so unknown."""
    verdict = judge(made(tmp_path, name))
    assert verdict.verdict != "PASS"
    assert "declared" not in {finding.status for finding in verdict.findings}


def test_a_drill_cannot_record_declared_by_itself(tmp_path):
    """It follows from the target alone."""
    recorded = {"slo": "streams_cut", "status": "declared", "reason": "none", "source": "client"}
    event = {"t": 1_790_000_100.0, "event": "finding", "finding": recorded}
    verdict = judge(make_bundle(tmp_path / "b", small(extra=(event,))))
    assert verdict.verdict == "INCONCLUSIVE"
    assert statuses(verdict, "streams_cut") == {"unknown"}


def test_a_target_edited_after_the_seal_is_noticed(tmp_path):
    """The seal covers the target: nothing is believed."""
    bundle = make_bundle(tmp_path / "bundle", small(without=frozenset({"queue_age"})))
    conclude(bundle)
    seal(bundle)
    declare(bundle, "queue_age")
    said = CliRunner().invoke(drill, ["judge", str(bundle)])
    assert said.exit_code == 3
    assert "altered: " in said.output
    assert "target.yaml" in said.output


def gate(*arguments):
    given = ["gate", "m3", *map(str, arguments), "--allow-testbed", "--unsigned"]
    result = CliRunner().invoke(drill, [*given, "--age-days-max", "100000", "--json"])
    if result.exit_code == 2:
        return 2, str(result.exception or result.output), {}
    return result.exit_code, result.output, json.loads(result.output)


def test_a_gate_lists_it_and_opens_only_where_it_is_accepted(tmp_path):
    """By name, on record with the reason; a name that is not declared is bad input."""
    bundle = made(tmp_path, "queue_age")
    conclude(bundle)
    code, _, told = gate(bundle)
    rules_of = {rule["rule"]: rule for rule in told["rules"]}
    assert not rules_of["declared none"]["holds"]
    assert "--accept queue_age" in rules_of["declared none"]["detail"]
    assert not rules_of["queue age"]["holds"]
    assert told["declared"][0]["accepted"] is False
    _, _, told = gate(bundle, "--accept", "queue_age")
    rules_of = {rule["rule"]: rule for rule in told["rules"]}
    assert rules_of["declared none"]["holds"]
    assert rules_of["queue age"]["holds"]
    assert WHY in rules_of["declared none"]["detail"]
    assert told["declared"] == [
        {"bundle": "bundle", "signal": "queue_age", "reason": WHY, "accepted": True}
    ]
    for name in ("circuit_open", "queue_aeg", "requests"):
        with pytest.raises(BadInput, match="--accept"):
            answer(Asked("m3", (bundle,), allow_unsigned=True, accepted=(name,)))
    assert code in (0, 1)


def test_accepting_does_not_accept_what_fails():
    """A rule whose finding failed stays shut, whatever is accepted; one seen to pass stays open."""
    from test_gate import ask, bundle, refused

    declared = [{"signal": "queue_age", "reason": WHY, "unguarded": []}]

    def evidence(status, declared=declared):
        document = bundle().document
        found = [
            {**f, "status": status} if f["slo"] == "queue_age" else f for f in document["findings"]
        ]
        return replace(bundle(), document={**document, "findings": found, "declared": declared})

    yes = frozenset({"queue_age"})
    assert refused(ask(evidence("declared"))) == {"declared none", "queue age"}
    assert refused(ask(evidence("declared"), accepted=yes)) == set()
    for status in ("fail", "unknown", "not_judged"):
        assert "queue age" in refused(ask(evidence(status), accepted=yes))
    # Accepted, but not what this bundle's target declares.
    assert "queue age" in refused(ask(evidence("declared", []), accepted=yes))
    other = frozenset({"circuit_open"})
    assert refused(ask(evidence("declared"), accepted=other)) == {"declared none", "queue age"}


def declared_rules(*names):
    return replace(rules(), declared=dict.fromkeys(names, WHY))


def test_a_promotion_tells_it_and_never_holds_by_it():
    """Its triggers are declared, the others hold; a signal that is seen all the same is unknown."""
    platform = Platform()
    answer = platform.judged()
    span = (answer.start_s, answer.end_s, [(answer.start_s, frozenset({EAST, WEST}))])
    whole = [(s.signal, s.name, s.labels, s.t_s, s.v) for s in platform.series(900)]
    series = [one for one in whole if one[0] != "queue_age"]
    told = judge_promotion(declared_rules("queue_age"), series, *span)
    assert told.state == "held"
    assert {row.state for row in told.rows if row.trigger == "queue_age"} == {"declared"}
    assert any(WHY in line for line in as_json(told)["not_judged"])
    blind = judge_promotion(rules(), series, *span)
    assert blind.state == "unknown"
    seen = judge_promotion(declared_rules("queue_age"), whole, *span)
    assert seen.state == "unknown"


@pytest.mark.parametrize("name", ["queue_age", "circuit_open", "admission_failures"])
def test_a_guard_loses_no_data_over_what_is_declared(name):
    """Without the declaration the same silence is lost data."""
    from muster.contract import load
    from muster.guard.triggers import Guard

    contract = load()

    def lost(declared):
        guard = Guard(
            contract,
            contract.gates["M3"],
            contract.tiers["G"],
            time_scale=1.0,
            regions=(EAST, WEST),
            stale_s=4.0,
            declared_none=declared,
        )
        found = []
        for second in range(0, 600, 5):
            fresh = [
                (signal, signal, {"region": region}, (float(second),), (0.0,))
                for signal in ("queue_age", "circuit_open", "admission_failures")
                for region in (EAST, WEST)
                if signal != name
            ]
            found += guard.push(fresh, second, rotation=frozenset({EAST, WEST}), declared=())
        return {trip.name for trip in found if trip.kind == "data_lost"} & {name}

    assert lost(frozenset()) == {name}
    assert lost(frozenset({name})) == set()
