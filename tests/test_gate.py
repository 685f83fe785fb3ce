"""A gate opens for whole, fresh gate evidence of one build, and says which bundle meets what."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from bundle_maker import FAILOVER, Story, make_bundle
from bundle_series import Harm
from click.testing import CliRunner

from muster import home
from muster.bundle import seal
from muster.cli import COMMANDS, drill
from muster.contract import load
from muster.judge.gate import Bundle, judge_gate
from muster.judge.phases import Phase
from muster.judge.verdict import judge, write_verdict

CONTRACT = load()
NOW_S = 1_800_000_000.0
SLOS = (
    "availability",
    "success_2xx",
    "rate_5xx",
    "rate_429",
    "first_token_p95",
    "completion_p95",
)


def finding(slo, phase, tier=None, status="pass"):
    return {"slo": slo, "phase": phase, "tier": tier, "status": status}


def bundle(name="both", gate="M3", soak_s=7200.0, dark_s=660.0, **changes):
    """One bundle that holds both soak and drill of M3, changed by dotted keys."""
    tier = CONTRACT.gates[gate].tier
    findings = [finding(slo, "baseline", tier) for slo in SLOS]
    findings += [finding(slo, "evacuate..restore", "G") for slo in SLOS]
    findings += [
        finding(slo, "baseline")
        for slo in ("queue_age", "streams_achieved", "circuit_open", "failover_action_in_baseline")
    ]
    findings.append(finding("fault_proof", None))
    document = {
        "kind": "failover",
        "target": "prod",
        "verdict": "PASS",
        "evidence": "gate",
        "gate": gate,
        "profile": CONTRACT.gates[gate].profile,
        "time_scale": 1.0,
        "platform_build": ["1.4.2"],
        "load": {"target_streams": CONTRACT.tiers[tier].streams},
        "findings": findings,
        **changes.pop("document", {}),
    }
    phases, at = [], 0.0
    for phase, phase_tier, seconds in (
        ("baseline", tier, soak_s),
        ("evacuate", "G", 60.0),
        ("drain", "G", 40.0),
        ("dark", "G", dark_s),
        ("restore", "G", 60.0),
    ):
        if seconds:
            phases.append(Phase(phase, phase_tier, at, at + seconds, True))
        at += seconds
    plain = Bundle(
        name, document, tuple(phases), NOW_S - 3600, (), True, "HMAC holds", dark_s=dark_s
    )
    return replace(plain, **changes)


def ask(*bundles, gate="M3", **options):
    chosen = {"now_s": NOW_S, "age_s_max": 7 * 86400.0, **options}
    return judge_gate(CONTRACT, CONTRACT.gates[gate], bundles, **chosen)


def refused(result):
    return {line.rule for line in result.lines if not line.holds}


@pytest.mark.parametrize("gate", ["M1", "M2", "M3"])
def test_whole_evidence_opens_the_gate(gate):
    """One bundle that holds all that its gate asks for."""
    result = ask(bundle(gate=gate), gate=gate)
    assert (result.opens, result.not_a_gate, refused(result)) == (True, False, set())


def test_a_soak_and_a_drill_may_be_two_bundles():
    """Each rule names the bundle that meets it."""
    drill_phases = tuple(p for p in bundle().phases if p.name != "baseline")
    soak_phases = tuple(p for p in bundle().phases if p.name == "baseline")
    soak, failover = bundle("soak", phases=soak_phases), bundle("drill", phases=drill_phases)
    result = ask(soak, failover)
    assert result.opens
    by = {line.rule: line.bundle for line in result.lines}
    assert (by["soak length"], by["dark hold"], by["Tier X SLOs"]) == ("soak", "drill", "soak")
    assert refused(ask(soak)) == {"failover drill"}
    assert refused(ask(failover)) == {"soak"}


def test_a_soak_of_another_target_is_none_for_this_one():
    """Staging held, and production failed over, both of one build."""
    soak = bundle("soak", phases=bundle().phases[:1], document={"target": "staging"})
    failover = bundle("drill", phases=bundle().phases[1:])
    result = ask(soak, failover)
    assert not result.opens
    assert refused(result) == {"one target"}
    line = next(line for line in result.lines if line.rule == "one target")
    assert line.detail == "prod, staging"


def worse(slo, phase, status="fail", gate="M3"):
    plain = bundle(gate=gate)
    changed = [
        {**f, "status": status} if (f["slo"], f["phase"]) == (slo, phase) else f
        for f in plain.document["findings"]
    ]
    return replace(plain, document={**plain.document, "findings": changed})


@pytest.mark.parametrize(
    ("evidence", "rules"),
    [
        (bundle(soak_s=7199.0), {"soak length"}),
        (bundle(dark_s=659.0), {"dark hold"}),
        (bundle(document={"kind": "gate"}), {"drill kind"}),
        (bundle(document={"kind": "experiment"}), {"soak kind"}),
        (bundle(document={"kind": "safety"}), {"soak kind", "drill kind"}),
        (bundle(document={"kind": None}), {"soak kind", "drill kind"}),
        (bundle(document={"verdict": "FAIL"}), {"verdict"}),
        (bundle(document={"verdict": "INCONCLUSIVE"}), {"verdict"}),
        (bundle(document={"evidence": "testbed"}), {"evidence"}),
        (bundle(document={"evidence": "rehearsal"}), {"evidence"}),
        (bundle(document={"evidence": None}), {"evidence"}),
        (bundle(document={"gate": "M2"}), {"gate"}),
        (bundle(document={"profile": "m2_5k"}), {"profile", "drill profile"}),
        (bundle(document={"load": {"target_streams": 19_999}}), {"streams", "drill streams"}),
        (bundle(document={"target": None}), {"one target"}),
        (bundle(document={"platform_build": []}), {"one build"}),
        (bundle(document={"platform_build": ["unknown"]}), {"one build"}),
        (bundle(document={"platform_build": ["1.4.2", "1.4.3"]}), {"one build"}),
        (bundle(ended_s=NOW_S - 7 * 86400 - 1), {"fresh"}),
        (bundle(ended_s=NOW_S + 60), {"fresh"}),
        (bundle(ended_s=None), {"fresh"}),
        (bundle(seal_faults=("altered: ledger.jsonl",)), {"whole"}),
        (bundle(signed=False), {"signature"}),
        (bundle(signed=None), {"signature"}),
        (bundle(on_record="verdict: on record PASS, judged FAIL"), {"verdict.json"}),
        (worse("rate_5xx", "baseline"), {"Tier X SLOs"}),
        (worse("availability", "baseline", "unknown"), {"Tier X SLOs"}),
        (worse("queue_age", "baseline"), {"queue age"}),
        (worse("streams_achieved", "baseline"), {"streams", "drill streams"}),
        (worse("completion_p95", "evacuate..restore"), {"drill Tier G"}),
        (worse("fault_proof", None, "unknown"), {"fault proof"}),
    ],
)
def test_each_rule_refuses_by_its_own_name(evidence, rules):
    """One thing off: the gate stays shut, and says which."""
    result = ask(evidence)
    assert not result.opens
    assert refused(result) == rules


def test_gates_have_their_own_rules():
    """Circuits for M1, failover actions for M2; neither asks for a drill."""
    assert refused(ask(worse("circuit_open", "baseline", gate="M1"), gate="M1")) == {"circuit"}
    moved = worse("failover_action_in_baseline", "baseline", gate="M2")
    assert refused(ask(moved, gate="M2")) == {"no failover action"}
    assert not ask(bundle(gate="M1", phases=()), gate="M1").opens


def test_a_soak_that_was_broken_off_is_none_however_long():
    """Its length is there, its end is not."""
    plain = bundle()
    broken = tuple(replace(p, complete=p.name != "baseline") for p in plain.phases)
    result = ask(replace(plain, phases=broken))
    assert refused(result) == {"soak length"}
    detail = next(line.detail for line in result.lines if line.rule == "soak length")
    assert detail == "120.0 of 120 min, and it was not completed"


def test_the_dark_hold_is_what_was_seen_to_be_dark():
    """Not the phase, in which the region is still being stopped."""
    long_phase = bundle(dark_s=700.0)
    assert ask(long_phase).opens
    assert refused(ask(replace(long_phase, dark_s=659.9))) == {"dark hold"}
    assert refused(ask(bundle(document={"time_scale": 6.0}, dark_s=110.0))) == {"dark hold"}


def test_a_drill_under_another_load_proves_nothing_of_this_gate():
    """Full streams of the gate's own profile, for the drill's bundle too."""
    soak = bundle("soak", phases=bundle().phases[:1])
    others = bundle().phases[1:]
    small = bundle("drill", phases=others, document={"load": {"target_streams": 2_000}})
    assert refused(ask(soak, small)) == {"drill streams"}
    other = bundle("drill", phases=others, document={"profile": "m1_1k"})
    assert refused(ask(soak, other)) == {"drill profile"}


def test_what_was_not_judged_does_not_pass():
    """A finding that is not there is no pass."""
    plain = bundle()
    for slo in (*SLOS, "queue_age"):
        left = [f for f in plain.document["findings"] if f["slo"] != slo]
        assert not ask(replace(plain, document={**plain.document, "findings": left})).opens


def test_bundles_of_different_builds_are_refused():
    """What soaked is not what failed over."""
    assert refused(ask(bundle("a"), bundle("b", document={"platform_build": ["1.5.0"]}))) == {
        "one build"
    }


def test_the_lines_say_what_was_seen():
    """A person reads them a year later."""
    result = ask(bundle(document={"platform_build": []}, ended_s=NOW_S, soak_s=7233.0))
    details = {line.rule: line.detail for line in result.lines}
    assert details["one build"] == "unknown"
    assert details["fresh"] == "0.0 days old, 7 allowed"
    assert details["soak length"] == "120.5 of 120 min"
    assert details["dark hold"] == "660 of 660 s"
    assert details["whole"] == "every file is as the manifest says"
    assert details["streams"] == "20,000 of 20,000 held"


def test_no_evidence_opens_nothing():
    """Nothing is not everything."""
    assert not ask().opens


def test_a_testbed_may_be_asked_about_and_never_opens_a_gate():
    """Allowed, every line and the document say NOT A GATE."""
    testbed = bundle(document={"evidence": "testbed", "time_scale": 6.0}, soak_s=1200.0, dark_s=110)
    result = ask(testbed, allow_testbed=True)
    assert (result.opens, result.not_a_gate) == (True, True)
    assert all("NOT A GATE" in line.text(result.not_a_gate) for line in result.lines)
    document = result.as_json()
    assert (document["notice"], document["opens"], document["rules_hold"]) == (
        "NOT A GATE",
        False,
        True,
    )
    assert not ask(testbed).opens


# The same from the command line, with bundles on disk.

SOAK = (("preflight", None, 5), ("ramp", None, 20), ("baseline", "L", 1800), ("verify", None, 8))


@pytest.fixture(scope="module")
def m1_bundle(tmp_path_factory):
    """A real half-hour soak of m1_1k at full scale on a staging platform."""
    story = Story(
        kind="gate",
        drill="m1_gate",
        gate="M1",
        tier="L",
        drill_tier=None,
        profile="m1_1k",
        scale=1.0,
        time_scale=1.0,
        evidence="gate",
        target_class="staging",
        phases=SOAK,
        dark=False,
        server_processes=1,
        shards=1,
    )
    made = make_bundle(tmp_path_factory.mktemp("gate") / "m1", story)
    write_verdict(made, judge(made))
    seal(made)
    return made


@pytest.fixture(autouse=True)
def _listed(monkeypatch):
    """The command stands in the list of commands."""
    monkeypatch.setitem(COMMANDS, "gate", "judge")


def run(*arguments):
    result = CliRunner().invoke(drill, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_the_command_opens_m1_for_its_soak(m1_bundle, monkeypatch):
    """Exit 0 where its signature is verified; not signed, it takes an option that is on record."""
    asked = ("gate", "m1", m1_bundle, "--age-days-max", 100000)
    code, output = run(*asked)
    assert (code, output.splitlines()[-1]) == (1, "M1 stays shut")
    said = "MUSTER_VERIFY_KEY_FILE (or --key) and MUSTER_SIGNING_KEY are not set"
    assert f"REFUSED signature: m1: {said}; the manifest carries no signature" in output
    code, output = run(*asked, "--unsigned")
    assert (code, output.splitlines()[-1]) == (0, "M1 opens [UNSIGNED: m1]")
    assert f"ok      signature: m1: NOT VERIFIED, accepted by --unsigned: {said}" in output
    assert "NOT A GATE" not in output
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "k")
    seal(m1_bundle)
    try:
        code, output = run(*asked)
    finally:
        monkeypatch.delenv("MUSTER_SIGNING_KEY")
        seal(m1_bundle)
    assert (code, output.splitlines()[-1]) == (0, "M1 opens")
    assert "ok      signature: m1: HMAC holds" in output


def test_the_command_refuses_old_and_altered_bundles(m1_bundle):
    """Stale by the contract's age; one byte changed is found by the manifest."""
    code, output = run("gate", "m1", m1_bundle, "--age-days-max", 0.000001)
    assert code == 1
    assert "REFUSED fresh" in output
    config = m1_bundle / "config.json"
    before = config.read_text()
    config.write_text(before + " ")
    try:
        code, output = run("gate", "m1", m1_bundle, "--age-days-max", 100000)
    finally:
        config.write_text(before)
    assert code == 3
    assert "REFUSED whole: m1: altered: config.json" in output
    assert "REFUSED verdict: m1: INCONCLUSIVE" in output


def test_a_key_at_hand_wants_a_signature(m1_bundle, monkeypatch):
    """A manifest whose signature was taken away is not taken for one that never had one."""
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "k")
    code, output = run("gate", "m1", m1_bundle, "--age-days-max", 100000)
    assert code == 1
    assert "REFUSED signature: m1: the manifest carries no signature" in output


def test_without_a_key_the_gate_says_that_a_signature_was_not_checked(m1_bundle, monkeypatch):
    """One that is there and nobody could check is not passed over in silence."""
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "k")
    seal(m1_bundle)
    try:
        assert "signature: m1: HMAC holds" in run("gate", "m1", m1_bundle)[1]
        monkeypatch.setenv("MUSTER_SIGNING_KEY", "other")
        output = run("gate", "m1", m1_bundle)[1]
        assert "REFUSED signature: m1: HMAC does not fit" in output
        assert "REFUSED whole: m1: the signature does not fit the manifest" in output
        monkeypatch.delenv("MUSTER_SIGNING_KEY")
        output = run("gate", "m1", m1_bundle)[1]
    finally:
        monkeypatch.delenv("MUSTER_SIGNING_KEY", raising=False)
        seal(m1_bundle)
    assert "REFUSED signature: m1" in output
    assert "HMAC not verified: MUSTER_SIGNING_KEY is not set" in output


def test_the_answer_names_what_it_rests_on(m1_bundle, tmp_path):
    """When, by which contract and on which sealed bundles: for whoever must explain it later."""
    out = tmp_path / "answer.json"
    asked = ("gate", "m1", m1_bundle, "--age-days-max", 100000, "--unsigned", "--out", out)
    assert run(*asked)[0] == 0
    answer = json.loads(out.read_text())
    assert answer["unsigned"] == ["m1"]
    text = (home.root() / "contract" / "phase5.yaml").read_bytes()
    assert answer["opens"] is True
    assert answer["contract"]["sha256"] == hashlib.sha256(text).hexdigest()
    assert answer["contract"]["document"] == "Phase 5.0 Program Setup"
    manifest = hashlib.sha256((m1_bundle / "manifest.json").read_bytes()).hexdigest()
    assert answer["bundles"] == [{"bundle": "m1", "manifest_sha256": manifest}]
    assert answer["answered_at"].endswith("+00:00")
    code, output = run("gate", "m1", m1_bundle, "--out", tmp_path / "no" / "such")
    assert (code, len(output.splitlines())) == (2, 1)
    assert "--out: got" in output


def test_show_tells_tiers_gates_and_triggers():
    """With what a drill itself stops at, what "unresolved" is, and where it is all from."""
    code, output = run("contract", "show")
    assert code == 0
    for said in (
        "availability_min       >= 99.5%  >= 99.9%  >= 99.95%",
        "M3  X     m3_20k   120 min  <= 30 s",
        "over the tier's limit for 5 windows of 60 s in a row",
        "below the tier's floor for 10 windows of 60 s in a row",
        "route primary, for longer than 120 s",
        "over the gate's limit for longer than 600 s",
        "redis_unavailable, token_validation, gateway_health: still increasing 60 s",
        "From Phase 5.0 Program Setup, as of 2026-02-19",
    ):
        assert said in output, said


def test_the_command_says_not_a_gate_on_every_line_of_a_testbed_run(tmp_path):
    """And in the file that it writes."""
    made = make_bundle(tmp_path / "bed", Story(time_scale=60.0, phases=FAILOVER))
    seal(made)
    out = tmp_path / "answer.json"
    code, output = run(
        *("gate", "M3", made, "--allow-testbed", "--age-days-max", 100000, "--out", out)
    )
    assert all(line.endswith("[NOT A GATE]") for line in output.splitlines())
    assert json.loads(out.read_text())["notice"] == "NOT A GATE"
    assert (code, "REFUSED soak length" in output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gate", "m4", "x"), "GATE: got 'm4', expected one of m1, m2, m3"),
        (("gate", "m3", "nowhere"), "nowhere: got 'No such file or directory', expected"),
        (("judge", "nowhere"), "nowhere: got 'No such file or directory', expected"),
        (("contract", "check", "nowhere.yaml"), "nowhere.yaml: got 'No such file or directory'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments, said):
    """File, key, value, expected."""
    code, output = run(*arguments)
    assert code == 2
    assert said in output
    assert len(output.splitlines()) == 1


def test_judging_by_another_contract(tmp_path):
    """Old evidence by new thresholds; without it, the bundle's own contract decides."""
    story = Story(harm={"drain": Harm(rate_5xx=0.004)})
    made = make_bundle(tmp_path / "bundle", story)
    write_verdict(made, judge(made))
    seal(made)
    before = (made / "verdict.json").read_bytes()
    assert run("judge", made)[0] == 0
    stricter = tmp_path / "stricter.yaml"
    text = (made / "contract.yaml").read_text()
    stricter.write_text(text.replace("rate_5xx_max: 0.5%", "rate_5xx_max: 0.2%"))
    code, output = run("judge", made, "--contract", stricter)
    assert code == 1
    assert "fail: rate_5xx drain" in output
    assert (made / "verdict.json").read_bytes() == before


@pytest.mark.parametrize("place", [0, 1])
def test_each_bundle_must_be_admitted_wherever_it_stands(place):
    """An altered bundle is refused, first or last, though the other one is whole."""
    bundles = [bundle("a"), bundle("b")]
    bundles[place] = replace(bundles[place], seal_faults=("altered: ledger.jsonl",))
    result = ask(*bundles)
    assert not result.opens
    [line] = [line for line in result.lines if not line.holds]
    assert (line.rule, line.bundle, line.detail) == ("whole", "ab"[place], "altered: ledger.jsonl")


def test_evidence_is_fresh_from_its_end_to_its_age():
    """Both included, to the second."""
    week_s = 7 * 86400.0
    for age_s, opens in ((0.0, True), (0.5, True), (week_s, True), (week_s + 1, False)):
        assert ask(bundle(ended_s=NOW_S - age_s)).opens is opens


def test_what_is_asked_as_a_testbed_is_no_gate_even_with_a_gates_evidence():
    """And a testbed's is none even where nobody allowed it."""
    assert ask(bundle(), allow_testbed=True).not_a_gate
    assert ask(bundle(document={"evidence": "testbed"})).not_a_gate
    document = ask(bundle()).as_json()
    assert "notice" not in document
    assert (document["schema_version"], document["opens"]) == (1, True)


def test_the_lines_name_bundle_and_reason():
    """What refuses, by whom, with what was seen."""
    changes = {"verdict": "FAIL", "stopped_by": "operator", "evidence": "rehearsal", "gate": "M2"}
    result = ask(bundle("one", document=changes))
    found = {line.rule: line for line in result.lines}
    assert {found[rule].bundle for rule in ("fresh", "evidence", "gate", "verdict")} == {"one"}
    assert found["verdict"].text(False) == "REFUSED verdict: one: FAIL, stopped by operator"
    assert (found["evidence"].detail, found["gate"].detail) == ("rehearsal", "run for M2")
    assert found["whole"].text(False).startswith("ok      whole: one")


@pytest.mark.parametrize("phase", ["evacuate", "drain", "dark", "restore"])
def test_a_drill_that_left_a_phase_unfinished_is_none(phase):
    """Begun is not done."""
    plain = bundle()
    broken = tuple(replace(p, complete=p.name != phase) for p in plain.phases)
    assert refused(ask(replace(plain, phases=broken))) == {"drill phases"}


def test_a_time_scale_lengthens_no_soak_of_a_gate():
    """20 minutes at six times the speed are 20 minutes."""
    short = bundle(document={"time_scale": 6.0}, soak_s=1200.0)
    assert "soak length" in refused(ask(short))
