"""Every verdict both ways on synthetic bundles; what is missing never passes."""

from __future__ import annotations

from types import SimpleNamespace

import orjson
import pytest
import yaml
from bundle_maker import EAST, FAILOVER, LOSS, SHORT, WEST, Story, make_bundle
from bundle_series import Harm

from muster.contract import load
from muster.judge.verdict import _decide, judge, verdict_bytes, write_verdict
from muster.samples.series import Samples, SampleWriter, read_samples


def judged(tmp_path, **changes):
    story = Story(phases=SHORT, server_processes=1, shards=1, **changes)
    return judge(make_bundle(tmp_path / "bundle", story))


def failing(verdict):
    return {(f.slo, f.source) for f in verdict.findings if f.status == "fail"}


def unknown(verdict):
    return {f.slo for f in verdict.findings if f.status == "unknown"}


def test_a_plain_drill_passes(tmp_path):
    """Everything known, everything holds: the one way to exit 0."""
    verdict = judged(tmp_path)
    assert (verdict.verdict, verdict.stopped_by, verdict.exit_code) == ("PASS", None, 0)
    assert verdict.document["unknowns"] == []
    assert verdict.document["undo"] == {
        "pending": [],
        "verified": True,
        "commands": [],
        "changed_by_another": [],
    }


@pytest.mark.parametrize(
    ("harm", "slos"),
    [
        (Harm(rate_5xx=0.006), {("rate_5xx", "client"), ("rate_5xx", "server")}),
        (Harm(rate_429=0.041), {("rate_429", "client"), ("rate_429", "server")}),
        (
            Harm(rate_429=0.04, broken=0.011),
            {("success_2xx", "client"), ("success_2xx", "server")},
        ),
        (Harm(refused=0.006), {("rate_5xx", "client")}),
        (
            Harm(slow_first_token=0.06),
            {("first_token_p95", "client"), ("first_token_p95", "server")},
        ),
        (
            Harm(slow_completion=0.06),
            {("completion_p95", "client"), ("completion_p95", "server")},
        ),
        (Harm(canaries_bad=0.01), {("availability", "client")}),
        (Harm(queue_age_s=30.5), {("queue_age", "server")}),
    ],
)
def test_each_slo_missed_in_the_drain_fails_by_its_own_name(tmp_path, harm, slos):
    """One thing out of limits in one phase: FAIL, and only that is named."""
    verdict = judged(tmp_path, harm={"drain": harm})
    assert verdict.verdict == "FAIL"
    assert failing(verdict) == slos
    assert unknown(verdict) == set()


@pytest.mark.parametrize(
    "harm",
    [
        Harm(rate_5xx=0.0045),
        Harm(rate_429=0.039),
        Harm(slow_first_token=0.045),
        Harm(slow_completion=0.045),
        Harm(queue_age_s=30.0),
    ],
    ids=["5xx", "429", "first token", "completion", "queue"],
)
def test_just_inside_its_limit_passes(tmp_path, harm):
    """The same a little better holds."""
    assert judged(tmp_path, harm={"drain": harm}).verdict == "PASS"


def test_the_baseline_is_held_to_the_gates_own_tier(tmp_path):
    """0.4 % of 5xx are within Tier G, and over Tier X."""
    assert judged(tmp_path / "g", harm={"drain": Harm(rate_5xx=0.004)}).verdict == "PASS"
    verdict = judged(tmp_path / "x", harm={"baseline": Harm(rate_5xx=0.004)})
    assert verdict.verdict == "FAIL"
    assert {f.phase for f in verdict.findings if f.status == "fail"} == {"baseline"}


def test_a_long_quiet_hold_does_not_dilute_a_bad_shift(tmp_path):
    """1 % of 5xx in 40 s fails although the whole drill stays under half a percent."""
    story = Story(harm={"evacuate": Harm(rate_5xx=0.01)})
    verdict = judge(make_bundle(tmp_path / "bundle", story))
    by_phase = {f.phase: f.status for f in verdict.findings if f.slo == "rate_5xx"}
    assert by_phase["evacuate"] == "fail"
    assert by_phase["evacuate..restore"] == "pass"
    assert verdict.verdict == "FAIL"


@pytest.mark.parametrize(
    ("signal", "slo"),
    [
        ("requests", "rate_5xx"),
        ("first_token", "first_token_p95"),
        ("completion", "completion_p95"),
        ("queue_age", "queue_age"),
        ("client_attempts", "success_2xx"),
        ("client_first_token", "first_token_p95"),
        ("client_completion", "completion_p95"),
        ("client_open_over", "completion_p95"),
        ("client_canaries", "availability"),
        ("client_scheduled", "load_offered"),
        ("client_offered", "load_offered"),
        ("client_streams", "streams_achieved"),
        ("rig_lag", "load_loop_lag"),
    ],
)
def test_an_slo_without_data_is_inconclusive(tmp_path, signal, slo):
    """No series of a signal: its findings are unknown, never zero and never a pass."""
    verdict = judged(tmp_path, without=frozenset({signal}))
    assert (verdict.verdict, verdict.exit_code) == ("INCONCLUSIVE", 3)
    assert slo in unknown(verdict)
    assert failing(verdict) == set()
    assert any(slo in line for line in verdict.document["unknowns"])


def test_a_gap_at_a_phases_end_is_inconclusive(tmp_path):
    """The scrapes around the end of the drain are missing: nobody knows what it counted."""
    story = Story(phases=SHORT)
    end_s = story.span("drain")[1]
    verdict = judged(tmp_path, gap=(end_s - 8, end_s + 4))
    assert verdict.verdict == "INCONCLUSIVE"


def test_a_gap_inside_a_phase_changes_nothing(tmp_path):
    """Only a window's ends matter to a counter, and no queue gets too old in 15 s."""
    story = Story(phases=SHORT)
    start_s = story.span("dark")[0]
    verdict = judged(tmp_path, gap=(start_s + 10, start_s + 13))
    assert verdict.verdict == "PASS"


@pytest.mark.parametrize(
    ("phase", "slo"), [("baseline", "streams_achieved"), ("dark", "streams_held")]
)
def test_streams_that_nobody_saw_were_not_held(tmp_path, phase, slo):
    """15 s of a phase without a scrape: what was held then is not known."""
    story = Story(phases=SHORT)
    start_s = story.span(phase)[0]
    verdict = judged(tmp_path, gap=(start_s + 10, start_s + 25))
    assert verdict.verdict == "INCONCLUSIVE"
    assert unknown(verdict) == {slo}


def test_a_load_short_of_its_schedule_is_inconclusive(tmp_path):
    """2 % of the arrivals never started: the platform was not asked what it had to stand."""
    verdict = judged(tmp_path, harm={"baseline": Harm(offered=0.98)})
    assert verdict.verdict == "INCONCLUSIVE"
    assert "load_offered" in unknown(verdict)


def test_streams_not_held_are_the_platforms_failure(tmp_path):
    """Offered as scheduled and still short of streams: the tier is not sustained."""
    verdict = judged(tmp_path, harm={"baseline": Harm(streams=0.9)})
    assert verdict.verdict == "FAIL"
    assert failing(verdict) == {("streams_achieved", "client")}


@pytest.mark.parametrize("rig", [{"lag": 0.02}, {"late": 0.06}])
def test_a_slow_rig_takes_a_failing_latency_with_it(tmp_path, rig):
    """Where the rig lagged, slow first tokens prove nothing."""
    verdict = judged(tmp_path, harm={"dark": Harm(slow_first_token=0.2, **rig)})
    assert verdict.verdict == "INCONCLUSIVE"
    assert "first_token_p95" in unknown(verdict)


@pytest.mark.parametrize("rig", [{"lag": 0.02}, {"late": 0.06}])
def test_a_rig_over_its_limits_leaves_what_passes_and_what_failed_elsewhere(tmp_path, rig):
    """It never turns a pass into unknown; a rate that fails meanwhile is unknown, and no other."""
    assert judged(tmp_path / "pass", harm={"dark": Harm(**rig)}).verdict == "PASS"
    verdict = judged(tmp_path / "same", harm={"dark": Harm(rate_5xx=0.02, **rig)})
    assert verdict.verdict == "INCONCLUSIVE"
    assert not [f for f in verdict.findings if f.status == "fail"]
    harm = {"dark": Harm(rate_5xx=0.05), "restore": Harm(**rig)}
    verdict = judged(tmp_path / "other", harm=harm)
    assert verdict.verdict == "FAIL"
    failed = {f.phase for f in verdict.findings if f.status == "fail"}
    assert failed == {"dark", "evacuate..restore"}


def test_a_fault_that_was_not_seen_to_bite_is_inconclusive(tmp_path):
    """The darkened region still answered."""
    verdict = judged(tmp_path, proven=False)
    assert verdict.verdict == "INCONCLUSIVE"
    assert "fault_proof" in unknown(verdict)


@pytest.mark.parametrize(
    "facts",
    [{}, {"looks_proven": 0, "held_s": 20.0}, {"looks_proven": 9, "held_s": 0.0}, {"held_s": "20"}],
)
def test_a_look_at_the_start_shows_nothing_of_the_hold(tmp_path, facts):
    """Every look on record saw the effect, but none of them says that it held."""
    verdict = judged(tmp_path, proof=facts)
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("no look is on record for its hold" in one for one in verdict.document["unknowns"])


@pytest.mark.parametrize(
    "event", ["drill_started", "drill_ended", "verify", "fault_proof", "watchdog"]
)
def test_a_ledger_without_its_ends_never_passes(tmp_path, event):
    """The control that did not begin, or did not end, proves nothing."""
    verdict = judged(tmp_path, events_dropped=frozenset({event}))
    assert verdict.verdict in ("INCONCLUSIVE", "ROLLBACK_FAILED")
    assert verdict.exit_code != 0


@pytest.mark.parametrize("state", ["lost", "took_over", "started"])
def test_without_a_live_watchdog_to_the_end_nothing_passes(tmp_path, state):
    """A guard that was lost, or of which the end says nothing, guarded nothing."""
    end_s = Story(phases=SHORT).end_s
    verdict = judged(tmp_path, extra=({"t": end_s - 0.05, "event": "watchdog", "state": state},))
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("watchdog" in line for line in verdict.document["unknowns"])


def test_a_torn_ledger_never_passes(tmp_path):
    """A cut-off last line: whatever it said is missing."""
    verdict = judged(tmp_path, torn=True)
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("torn" in line for line in verdict.document["unknowns"])


@pytest.mark.parametrize(
    ("by", "wanted", "code"),
    [
        ("trigger:rate_5xx", "FAIL", 1),
        ("platform:drain_bound_passed", "FAIL", 1),
        ("operator", "ABORTED", 4),
        ("data_lost", "ABORTED", 4),
        ("action:evacuate", "ABORTED", 4),
        ("preflight:headroom", "INCONCLUSIVE", 3),
        ("rig:starved", "INCONCLUSIVE", 3),
    ],
)
def test_what_stopped_the_drill_decides(tmp_path, by, wanted, code):
    """A stop comes before the findings, with its reason."""
    stop = {"by": by, "verdict": wanted, "detail": ""}
    verdict = judged(tmp_path, stopped=stop, harm={"dark": Harm(rate_5xx=0.05)})
    assert (verdict.verdict, verdict.stopped_by, verdict.exit_code) == (wanted, by, code)
    assert failing(verdict)


def test_a_stop_that_claims_pass_is_an_abort(tmp_path):
    """No stop makes a PASS."""
    verdict = judged(tmp_path, stopped={"by": "operator", "verdict": "PASS", "detail": ""})
    assert verdict.verdict == "ABORTED"


def test_a_trigger_in_the_ledger_fails_even_without_its_stop(tmp_path):
    """Cut off between the trip and the stop: it fired all the same."""
    trip = {"t": Story().start_s + 100, "event": "trigger", "trigger": "rate_5xx", "region": WEST}
    verdict = judged(tmp_path, extra=(trip,))
    assert (verdict.verdict, verdict.stopped_by) == ("FAIL", "trigger:rate_5xx")


@pytest.mark.parametrize("broken", [{"verified": False}, {"undo_state": "failed"}])
def test_what_is_not_back_is_rollback_failed_before_all_else(tmp_path, broken):
    """It lists the failed SLOs too, and what to run by hand."""
    stop = {"by": "operator", "verdict": "ABORTED", "detail": ""}
    verdict = judged(tmp_path, stopped=stop, harm={"dark": Harm(rate_5xx=0.05)}, **broken)
    assert (verdict.verdict, verdict.exit_code) == ("ROLLBACK_FAILED", 5)
    assert failing(verdict)
    if "verified" in broken:
        assert verdict.document["undo"]["commands"]


@pytest.mark.parametrize(
    ("more", "pending", "verdict"),
    [({"rig": True}, [], "ABORTED"), ({}, [], "ROLLBACK_FAILED"),
     ({"rig": True}, ["Job muster-load"], "ROLLBACK_FAILED")],
)  # fmt: skip
def test_the_drills_own_rig_is_no_change_unless_it_is_left(more, pending, verdict):
    """A drill that only had its load elsewhere has nothing to read back; a Job left is not back."""
    stop = {"event": "stopped", "by": "lost_lease", "verdict": "ABORTED"}
    events = [stop, {"event": "undo", "entry_id": "u1", "state": "pending", **more}]
    ledger = SimpleNamespace(of=lambda name: [one for one in events if one["event"] == name])
    assert _decide(ledger, (), (), pending)[0] == verdict


def test_judging_again_gives_the_same_bytes(tmp_path):
    """Verdict in, verdict out: nothing but the evidence decides."""
    bundle = make_bundle(tmp_path / "bundle", Story(phases=SHORT))
    first = judge(bundle)
    write_verdict(bundle, first)
    again = judge(bundle)
    assert verdict_bytes(again) == (bundle / "verdict.json").read_bytes()
    assert orjson.loads(verdict_bytes(again))["schema_version"] == 1


@pytest.mark.parametrize(
    ("facts", "evidence"),
    [
        ({"evidence": "gate"}, "testbed"),
        ({"evidence": "gate", "target_class": "staging", "defect": "queue_stuck"}, "testbed"),
        ({"evidence": "gate", "target_class": "staging"}, "rehearsal"),
        ({"evidence": "rehearsal", "target_class": "staging"}, "rehearsal"),
    ],
)
def test_evidence_is_never_more_than_the_facts_allow(tmp_path, facts, evidence):
    """A ledger that claims to be gate evidence has to look like it."""
    assert judged(tmp_path, **facts).document["evidence"] == evidence


def test_the_gates_own_rules_are_judged_on_the_baseline(tmp_path):
    """M2: a changed weight in the baseline fails, read from the steering records."""
    story = {"gate": "M2", "tier": "G", "drill_tier": None, "profile": "m2_5k"}
    assert judged(tmp_path / "a", **story).verdict == "PASS"
    moved = judged(tmp_path / "b", **story, weights_moved=frozenset({"baseline"}))
    assert failing(moved) == {("failover_action_in_baseline", "steering")}
    unread = judged(tmp_path / "c", **story, without=frozenset({"steering_weight"}))
    assert unread.verdict == "INCONCLUSIVE"


def test_a_circuit_open_too_long_fails_m1(tmp_path):
    """M1 allows two minutes (here compressed to 20 s) of an open circuit."""
    story = {"gate": "M1", "tier": "L", "drill_tier": None, "profile": "m1_1k", "scale": 1.0}
    assert judged(tmp_path / "a", **story).verdict == "PASS"
    verdict = judged(tmp_path / "b", **story, harm={"baseline": Harm(circuit_open=True)})
    assert ("circuit_open", "server") in failing(verdict)


def test_a_region_that_vanishes_undeclared_is_inconclusive(tmp_path):
    """Without a declaration nobody knows what its processes had still to show."""
    dropped = frozenset({"fault_declared"})
    verdict = judged(tmp_path, events_dropped=dropped)
    assert verdict.verdict == "INCONCLUSIVE"
    assert {EAST, WEST} >= {f.region for f in verdict.findings if f.region}


WHOLE = {"evidence": "gate", "target_class": "staging", "time_scale": 1.0, "scale": 1.0}


def test_a_profile_of_the_targets_own_is_no_gates_profile(tmp_path):
    """It has the contract's name, and streams of a token each for all that anyone knows."""
    bundle = make_bundle(tmp_path / "bundle", Story(phases=SHORT, **WHOLE))
    assert judge(bundle).document["evidence"] == "gate"
    own = load().profiles["m3_20k"].model_dump(mode="json")
    target = yaml.safe_load((bundle / "target.yaml").read_text())
    (bundle / "target.yaml").write_text(yaml.safe_dump({**target, "profiles": {"m3_20k": own}}))
    assert judge(bundle).document["evidence"] == "rehearsal"


@pytest.mark.parametrize(
    ("trace", "part", "evidence"), [("t.csv", 0.93, "rehearsal"), ("t.csv", 1.0, "gate")]
)
def test_a_trace_that_needed_a_wider_tolerance_is_no_gate_evidence(tmp_path, trace, part, evidence):
    """Its streams pass by a tolerance that the contract does not have."""
    harm = {name: Harm(streams=part) for name in ("evacuate", "drain", "dark", "restore")}
    bundle = make_bundle(tmp_path / "bundle", Story(phases=FAILOVER, harm=harm, **WHOLE))
    target = yaml.safe_load((bundle / "target.yaml").read_text())
    target["load"] = {**target.get("load", {}), "trace": trace}
    (bundle / "target.yaml").write_text(yaml.safe_dump(target))
    found = judge(bundle)
    held = [one.status for one in found.findings if one.slo == "streams_held"]
    assert held == ["pass"] * 4
    assert found.document["evidence"] == evidence


def test_every_build_that_was_seen_is_named(tmp_path):
    """One that was deployed in mid-drill too."""
    bundle = make_bundle(tmp_path / "bundle", Story(phases=SHORT))
    writer = SampleWriter(bundle / "other.jsonl")
    labels = {"region": WEST, "instance": "new", "version": "1.5.0"}
    writer.append("build_info", "platform_build_info", labels, [1.0], [1.0])
    assert judge(bundle).document["platform_build"] == ["1.4.2"]
    text = (bundle / "other.jsonl").read_text().replace('"series":0', '"series":9999')
    with (bundle / "samples.jsonl").open("a") as file:
        file.write(text.replace('"i":0', '"i":9999'))
    assert judge(bundle).document["platform_build"] == ["1.4.2", "1.5.0"]


def test_an_optional_signal_that_the_target_names_is_judged(tmp_path):
    """Without its series broken streams are unknown, not zero."""
    verdict = judged(tmp_path, without=frozenset({"streams_broken"}))
    assert verdict.verdict == "INCONCLUSIVE"
    assert unknown(verdict) == {"samples_complete"}


def keeps_lengths(bundle, kept=True):
    """The bundle's target says that its platform generates as many tokens as asked for, or not."""
    target = yaml.safe_load((bundle / "target.yaml").read_text())
    target["load"]["lengths_kept"] = kept
    (bundle / "target.yaml").write_text(yaml.safe_dump(target))
    return bundle


@pytest.mark.parametrize("phase", ["evacuate", "drain", "dark", "restore"])
def test_streams_that_were_not_held_in_a_phase_never_pass(tmp_path, phase):
    """2 open where 200 should be: FAIL where lengths are kept, else unknown."""
    story = Story(phases=SHORT, server_processes=1, shards=1, harm={phase: Harm(streams=0.01)})
    bundle = make_bundle(tmp_path / "bundle", story)
    verdict = judge(keeps_lengths(bundle, kept=False))
    assert verdict.verdict == "INCONCLUSIVE"
    assert unknown(verdict) == {"streams_held"}
    verdict = judge(keeps_lengths(bundle))
    assert verdict.verdict == "FAIL"
    assert failing(verdict) == {("streams_held", "client")}
    assert {f.phase for f in verdict.findings if f.status == "fail"} == {phase}


def test_no_series_less_makes_streams_that_were_not_held_pass(tmp_path, monkeypatch):
    """Without one process's arrivals fewer streams would be expected: it is missed by name."""
    harm = {"dark": Harm(streams=0.4)}
    story = Story(phases=SHORT, server_processes=1, shards=2, harm=harm)
    bundle = keeps_lengths(make_bundle(tmp_path / "bundle", story))
    samples = read_samples(bundle / "samples.jsonl")
    assert judge(bundle).verdict == "FAIL"
    for signal in ("client_offered", "client_scheduled", "client_streams", "client_attempts"):
        kept = [one for one in samples.of(signal) if one.labels["shard"] == "0"]
        less = Samples({**samples.by_signal, signal: tuple(kept)})
        monkeypatch.setattr("muster.judge.verdict.read_samples", lambda path, less=less: less)
        verdict = judge(bundle)
        assert verdict.verdict == "INCONCLUSIVE", signal
        assert "samples_complete" in unknown(verdict), signal


def recorded(status, **more):
    finding = {"slo": "x", "status": status, "phase": "dark", "reason": "nothing to judge", **more}
    return {"t": Story(phases=SHORT).span("dark")[0] + 5, "event": "finding", "finding": finding}


def test_what_is_not_judged_says_why_and_is_no_service_level(tmp_path):
    """Without a reason it is unknown; a service level that no side judged is unknown too."""
    assert judged(tmp_path / "a", extra=(recorded("not_judged"),)).verdict == "PASS"
    for more in ({"reason": ""}, {"slo": "availability", "phase": "elsewhere"}):
        verdict = judged(tmp_path / str(more), extra=(recorded("not_judged", **more),))
        assert verdict.verdict == "INCONCLUSIVE"
        assert verdict.document["unknowns"] != []


def test_a_drill_in_which_nothing_was_judged_does_not_pass(tmp_path):
    """What is not judged makes no PASS."""
    only = tuple(p for p in SHORT if p[0] in ("preflight", "verify"))
    changes = {"phases": only, "kind": "gate", "extra": (recorded("not_judged"),)}
    story = Story(server_processes=1, shards=1, **changes)
    bundle = make_bundle(tmp_path / "bundle", story)
    verdict = judge(bundle)
    assert verdict.verdict == "INCONCLUSIVE"


def test_the_plan_on_record_is_required_whole(tmp_path):
    """Each phase that the drill had planned; one that was left out keeps the PASS away."""
    bundle = make_bundle(tmp_path / "bundle", Story(phases=SHORT, server_processes=1, shards=1))
    ledger = bundle / "ledger.jsonl"
    lines = [orjson.loads(line) for line in ledger.read_bytes().splitlines()]

    def planned(names):
        (begun,) = [line for line in lines if line["event"] == "drill_started"]
        begun["phases"] = names
        ledger.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
        return judge(bundle)

    names = [name for name, _, _ in SHORT]
    assert planned(names).verdict == "PASS"
    for wrong in ([*names[:-1], "recovery", "verify"], []):
        verdict = planned(wrong)
        assert verdict.verdict == "INCONCLUSIVE"
        assert unknown(verdict) == {"phase_complete"}


@pytest.mark.parametrize(("late", "verdict"), [(0.0, "FAIL"), (0.369, "INCONCLUSIVE")])
def test_a_limit_that_fired_while_the_load_started_late_proves_nothing(tmp_path, late, verdict):
    """36.9 % of the arrivals of its windows were late: the rig's doing, and said so."""
    at = Story(phases=SHORT).span("dark")[0] + 25
    trip = {"limit": "success_2xx", "t_trip": at, "windows": [[at - 20, at - 10], [at - 10, at]]}
    trip |= {"t": at + 1, "event": "limit", "measured": 56.0, "threshold": 95.0, "unit": "%"}
    found = judged(
        tmp_path,
        harm={"dark": Harm(rate_429=0.44, late=late)},
        extra=(trip,),
        stopped={"by": "limit:success_2xx", "verdict": "FAIL", "t_trip": at},
    )
    assert (found.verdict, found.stopped_by) == (verdict, "limit:success_2xx")
    excused = any("limit:success_2xx: the rig: 36.9 %" in u for u in found.document["unknowns"])
    assert excused is (late > 0)
    assert bool(failing(found)) is (late == 0)


LOST = Harm(broken=0.3, refused=0.7)
SLOW_LOSS = tuple((n, t, 30 if n == "loss" else s) for n, t, s in LOSS)


def judged_loss(tmp_path, **changes):
    """A region lost with no warning: while it is, all its attempts break or are refused."""
    made = {"kind": "experiment", "drill": "region_loss", "phases": LOSS, "harm": {"loss": LOST}}
    made |= {"server_processes": 1, "shards": 1}
    return judge(make_bundle(tmp_path / "bundle", Story(**{**made, **changes})))


def test_a_loss_that_was_found_in_time_passes(tmp_path):
    """No tier judges the loss itself; what it broke is told, and who was not lost stayed whole."""
    verdict = judged_loss(tmp_path)
    assert verdict.verdict == "PASS"
    told = verdict.document["loss"]
    assert (told["region"], told["rig"]["blackout_s"]) == (WEST, 0)
    assert 0 < told["streams_broken"] < told["streams_open"]
    assert {"rto", "streams_broken", "broken_elsewhere", "traffic_split", "rig_blackout"} <= {
        finding.slo for finding in verdict.findings
    }


def test_the_queue_of_a_dark_region_is_not_judged_and_keeps_no_pass_away(tmp_path):
    """The region was dark from end to end: shown as not judged, in a verdict that passes."""
    verdict = judged_loss(tmp_path)
    left_out = [f for f in verdict.findings if f.status == "not_judged"]
    assert {(f.slo, f.region, f.phase) for f in left_out} == {("queue_age", WEST, "failed_over")}
    assert verdict.verdict == "PASS"
    assert orjson.loads(verdict_bytes(verdict))["findings"][-1]["status"] == "not_judged"
    seen = [f for f in verdict.findings if (f.slo, f.region) == ("queue_age", EAST)]
    assert {f.status for f in seen} == {"pass"}


@pytest.mark.parametrize(
    ("changes", "slo"),
    [
        ({"phases": SLOW_LOSS, "harm": {"loss": Harm(broken=0.2, refused=0.8)}}, "rto"),
        ({"harm": {"loss": Harm(broken=1.0)}}, "streams_broken"),
        ({"harm": {"loss": LOST, "failed_over": Harm(rate_5xx=0.006)}}, "rate_5xx"),
        ({"harm": {"loss": LOST, "comeback": Harm(rate_429=0.05)}}, "rate_429"),
    ],
)
def test_a_loss_is_held_to_its_objectives_and_then_to_the_tier(tmp_path, changes, slo):
    """Too long, too many streams, or a tier that does not hold once the traffic has gone."""
    verdict = judged_loss(tmp_path, **changes)
    assert verdict.verdict == "FAIL"
    assert {f.slo for f in verdict.findings if f.status == "fail"} == {slo}


def test_the_rigs_own_lag_is_never_the_platforms(tmp_path):
    """Pinned for longer than it may be, or slow where the tier was missed: nothing is known."""
    slow = {"broken": 0.3, "refused": 0.7, "lag": 0.02}
    verdict = judged_loss(tmp_path / "long", harm={"loss": Harm(**slow)})
    assert verdict.verdict == "INCONCLUSIVE"
    assert unknown(verdict) == {"rig_blackout"}
    assert verdict.document["loss"]["rig"]["blackout_s"] > 5
    assert orjson.loads(verdict_bytes(verdict))["loss"] == verdict.document["loss"]
    rates = {"loss": LOST, "failed_over": Harm(rate_5xx=0.006, lag=0.02)}
    verdict = judged_loss(tmp_path / "rates", harm=rates)
    assert verdict.verdict == "INCONCLUSIVE"
    assert "rate_5xx" in unknown(verdict)
    assert failing(verdict) == set()
    assert any("; the rig: gateway lagged" in line for line in verdict.document["unknowns"])


@pytest.mark.parametrize(("lag", "verdict"), [(0.0, "FAIL"), (0.02, "INCONCLUSIVE")])
def test_a_limit_that_fired_while_the_rig_was_pinned_proves_nothing(tmp_path, lag, verdict):
    """The platform's fault only on valid data; what stopped the drill is named either way."""
    at = Story(phases=LOSS).span("failed_over")[0] - 4
    trip = {"limit": "rate_5xx", "t_trip": at, "windows": [[at - 10, at]]}
    trip |= {"t": at + 1, "event": "limit", "measured": 10.0, "threshold": 0.5, "unit": "%"}
    found = judged_loss(
        tmp_path,
        harm={"loss": Harm(broken=0.3, refused=0.7, lag=lag)},
        extra=(trip,),
        stopped={"by": "limit:rate_5xx", "verdict": "FAIL", "t_trip": at},
    )
    assert (found.verdict, found.stopped_by) == (verdict, "limit:rate_5xx")
    assert any("limit:rate_5xx: the rig" in u for u in found.document["unknowns"]) is (lag > 0)


@pytest.mark.parametrize("phase", ["loss", "failed_over", "comeback", "verify"])
def test_a_loss_without_one_of_its_phases_is_inconclusive(tmp_path, phase):
    """What was left out was not shown."""
    phases = tuple((n, t, s) for n, t, s in FAILOVER if n in ("ramp", "baseline", phase))
    story = Story(kind="experiment", drill="region_loss", phases=phases, dark=False)
    verdict = judge(make_bundle(tmp_path / "bundle", story))
    missing = {f.phase for f in verdict.findings if f.slo == "phase_complete"}
    assert missing == {"loss", "failed_over", "comeback", "verify"} - {n for n, _, _ in phases}
