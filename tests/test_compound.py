"""A single fault around other phases: its steps, its order, what a session does, what is judged."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from bundle_maker import EAST, HELD, WEST, Story, make_bundle
from chaoslib.exceptions import ActivityFailed
from chaoslib.provider.python import run_python_activity, validate_python_activity
from drill_runner import ROOT
from floor_fixtures import NO_LEASE, OTHER, REGION
from hypothesis import given
from hypothesis import strategies as st

from muster import targets
from muster.drill.abort import restore_all
from muster.drill.current import install
from muster.drill.guard import DrillGuard
from muster.drill.plan.form import check_form
from muster.drill.plan.order import begun_fault, order_fault
from muster.drill.plan.outline import Activity, rows_of, steps_of
from muster.drill.plan.plan import make_plan
from muster.drill.plan.steps import steps
from muster.drill.session import Session
from muster.drill.sight import observe
from muster.drill.sight.facts import Facts
from muster.drill.stop import StopFlag, StopReason
from muster.errors import BadInput
from muster.faults import Proof, kinds, registered
from muster.faults.around import BEGIN, COMPOUND, END, fault_begun
from muster.faults.catalogue import held_by
from muster.faults.provider_latency import ProviderLatency
from muster.guard.trips import cause_of
from muster.judge import around as judged_around
from muster.judge.verdict import judge
from muster.ledger import Ledger, read_ledger
from muster.platform import platform_of
from muster.undo import UndoHeader, UndoLog, read_undo

NAME = "compound_provider_dark"
DRILL = json.loads((ROOT / "experiments" / f"{NAME}.json").read_text())
DRILL["method"] = [one for one in DRILL["method"] if one["type"] == "action"]
KIND = "provider_latency"
FRAME = ("preflight", "ramp", "baseline")
EVACUATION = ("evacuate", "drain", "dark", "restore")
SINGLES = sorted(step.func for step in registered().steps if step.make)
SLOW = {"latency_ms": 3000, "jitter_ms": 500}


def activity(func, **arguments):
    return Activity(func, "action", COMPOUND, func, arguments)


def single(func, **arguments):
    return Activity(func, "action", "muster.actions.fault", func, arguments)


def planned(*method):
    return steps_of(platform_of(targets.load("testbed")), method, 6.0)


def order(*names, kind="experiment"):
    own = list(enumerate(names))
    others = [one for one in own if not fault_begun(one[1])]
    return order_fault(kind, others, len(names), steps().blocks) or begun_fault(own, len(names))


def test_every_single_fault_can_be_begun_and_ended():
    """By its own name in one module, and the judge knows the phases by the same names."""
    found = [func for module, func in steps().by_key if module == COMPOUND]
    assert sorted(found) == sorted(f"{mark}{func}" for func in SINGLES for mark in (BEGIN, END))
    assert (judged_around.BEGIN, judged_around.END) == (BEGIN, END)
    for func in SINGLES:
        assert validate_python_activity({
            "type": "action", "name": func,
            "provider": {"type": "python", "module": COMPOUND, "func": END + func},
        }) is None  # fmt: skip


def test_a_fault_is_known_by_the_name_of_its_step():
    """The phase says which fault it begins: the judge compares it with the fault's own word."""
    kinds = set(registered().kinds)
    assert set(SINGLES) <= kinds
    assert not [kind for kind in kinds if fault_begun(kind)]


@pytest.mark.parametrize(("chosen", "region"), [("survivor", OTHER), ("evacuated", REGION)])
def test_it_acts_on_the_region_that_is_named(chosen, region):
    """And its end reverts the same."""
    begin, end = planned(activity(BEGIN + KIND, region=chosen, **SLOW), activity(END + KIND))
    (fault,) = begin.faults
    assert (fault.region, begin.begins, end.ends, end.back) == (region, True, True, True)
    assert end.faults == begin.faults
    rows = [row for _, rows in rows_of([begin, end], ask=False) for row in rows]
    assert [(row.subject, row.after) for row in rows] == [
        (fault.subject, "latency of 3000 ms, jitter 500 ms"),
        (fault.subject, "as it starts"),
    ]


@pytest.mark.parametrize(
    ("func", "arguments", "line"),
    [
        (BEGIN + KIND, {**SLOW}, "expected the arguments region, latency_ms, jitter_ms"),
        (BEGIN + KIND, {"region": OTHER, **SLOW}, "region: got 'eu-central-1', expected one of e"),
        (BEGIN + KIND, {"region": 1, **SLOW}, "region: got 1, expected a text"),
        (BEGIN + KIND, {"region": "survivor", **SLOW, "latency_ms": 0}, "number from 1 to 60000"),
        (BEGIN + KIND, {"region": "survivor", "latency_ms": 100, "jitter_ms": 90}, "a quarter of"),
        (BEGIN + "provider_reset", {"region": "survivor"}, "expected no arguments"),
        (END + KIND, {"region": "survivor"}, "expected no arguments"),
    ],
)
def test_a_wrong_argument_is_one_line(func, arguments, line):
    """Before anything starts."""
    with pytest.raises(BadInput) as caught:
        planned(activity(func, **arguments))
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("held", "then", "wrong"),
    [
        # The same proxy, the same server, the same stub.
        (
            activity(BEGIN + "redis_outage", region="survivor"),
            activity(BEGIN + "redis_black_hole", region="survivor"),
            "got 'redis_black_hole', expected after the end of redis_outage, which acts on",
        ),
        (
            activity(BEGIN + "redis_full", region="evacuated"),
            single("redis_hung", seconds=5),
            "got 'redis_hung', expected after the end of redis_full, which acts on redis eu-west",
        ),
        (
            activity(BEGIN + "provider_errors", status=503),
            activity(BEGIN + "provider_reset"),
            "expected after the end of provider_errors, which acts on provider primary too",
        ),
        # Two regions, or two things in one region, are what compound means.
        (
            activity(BEGIN + "redis_outage", region="survivor"),
            activity(BEGIN + "redis_black_hole", region="evacuated"),
            "",
        ),
        (
            activity(BEGIN + "redis_outage", region="survivor"),
            activity(BEGIN + KIND, region="survivor", **SLOW),
            "",
        ),
        (
            activity(BEGIN + KIND, region="survivor", **SLOW),
            Activity("dark", "action", "muster.actions.failover", "dark", {"minutes": 5}),
            "",
        ),
    ],
)
def test_no_two_faults_act_on_the_same_thing_at_once(held, then, wrong):
    """The second would be proven by the first, and each would restore the other's values."""
    end = activity(END + held.func.removeprefix(BEGIN))
    planned(held, end, then)
    if not wrong:
        planned(held, then, end)
        return
    with pytest.raises(BadInput) as caught:
        planned(held, then, end)
    assert wrong in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        (*FRAME, "evacuate", "drain", "begin_a", "dark", "end_a", "restore", "verify"),
        (*FRAME, "begin_a", *EVACUATION, "end_a", "verify"),
        (*FRAME, "begin_a", "evacuate", "begin_b", "drain", "end_a", "dark", "end_b", "restore",
         "verify"),
        (*FRAME, "evacuate", "begin_a", "drain", "end_a", "dark", "restore", "verify"),
    ],
)  # fmt: skip
def test_a_fault_may_go_on_around_any_phase(names):
    """Within a block or around it."""
    assert order(*names) is None


@pytest.mark.parametrize(
    ("names", "index", "wrong"),
    [
        ((*FRAME, "begin_a", *EVACUATION, "verify"), 8, "verify before end_a"),
        ((*FRAME, *EVACUATION, "verify", "begin_a"), 8, "begin_a outside the load"),
        ((*FRAME, "begin_a", *EVACUATION, "verify", "end_a"), 8, "verify before end_a"),
        (("begin_a", *FRAME, *EVACUATION, "end_a", "verify"), 0, "begin_a outside the load"),
        (("preflight", "ramp", "begin_a", "baseline", "end_a", *EVACUATION, "verify"), 2, "outsi"),
        ((*FRAME, *EVACUATION, "end_a", "verify"), 7, "end_a with no begin_a before it"),
        ((*FRAME, "end_a", *EVACUATION, "begin_a", "verify"), 3, "end_a with no begin_a"),
        ((*FRAME, "begin_a", "end_b", *EVACUATION, "verify"), 4, "end_b with no begin_b"),
        ((*FRAME, "begin_a", "end_a", *EVACUATION, "verify"), 4, "end_a directly after begin_a"),
        ((*FRAME, "begin_a", "begin_b", "end_a", *EVACUATION, "end_b", "verify"), 5, "directly"),
        ((*FRAME, "begin_a", "begin_a", *EVACUATION, "end_a", "verify"), 4, "begin_a a second"),
        ((*FRAME, "begin_a", "evacuate", "end_a", "drain", "begin_a", "dark", "restore", "verify"),
         7, "begin_a a second"),
        ((*FRAME, "begin_a", "end_a", "verify"), 5, "no fault before verify"),
    ],
)  # fmt: skip
def test_a_fault_out_of_order_is_refused(names, index, wrong):
    """At the activity that is wrong."""
    fault = order(*names)
    assert fault is not None
    assert fault.index == index
    assert wrong in fault.wrong


@given(st.permutations([*FRAME, "begin_a", "end_a", "evacuate", "drain", "dark", "restore",
                        "verify"]))  # fmt: skip
def test_only_a_begin_before_its_end_with_a_phase_between_is_in_order(names):
    """In any order of a whole evacuation's activities, with the frame and one fault around."""
    others = [name for name in names if not fault_begun(name)]
    begin, end = names.index("begin_a"), names.index("end_a")
    fine = (
        others == [*FRAME, *EVACUATION, "verify"]
        and names.index("baseline") < begin < end < names.index("verify")
        and end - begin > 1
    )
    assert (order(*names) is None) == fine


@given(st.lists(st.sampled_from(["begin_a", "end_a", "begin_b", "end_b"]), max_size=4), st.data())
def test_nothing_that_was_begun_is_ever_left(marks, data):
    """Wherever the marks stand in an evacuation, what is accepted ends all that it begins."""
    names = [*FRAME, *EVACUATION, "verify"]
    for mark in marks:
        names.insert(data.draw(st.integers(0, len(names))), mark)
    if order(*names) is None:
        for fault in ("a", "b"):
            assert names.count(f"begin_{fault}") == names.count(f"end_{fault}") <= 1
            if f"begin_{fault}" in names:
                assert names.index(f"begin_{fault}") < names.index(f"end_{fault}")


def test_the_form_names_a_misspelt_argument_and_a_missing_end():
    """In one line each, by the drill's own words."""
    check_form("d.json", DRILL, {}, {})
    bad = json.loads(json.dumps(DRILL))
    bad["method"][3]["provider"]["arguments"]["latncy_ms"] = 1
    with pytest.raises(BadInput, match=r"arguments\.latncy_ms: .*did you mean latency_ms"):
        check_form("d.json", bad, {}, {})
    bad = json.loads(json.dumps(DRILL))
    del bad["method"][7]
    with pytest.raises(BadInput, match=r"verify before end_provider_latency"):
        check_form("d.json", bad, {}, {})
    bad["method"][3]["provider"]["func"] = "begin_moon"
    with pytest.raises(BadInput, match=r"begin_moon', expected an activity of muster"):
        check_form("d.json", bad, {}, {})


def test_a_safety_drill_begins_no_fault():
    """It moves nothing and has no load that would show a fault."""
    names = ("preflight", "lock", "begin_a", "freeze", "undo", "end_a", "guard", "verify")
    assert order(*names, kind="safety").wrong == "begin_a outside the load"


# What a session does.


class Clear:
    """A fault of the made-up platform: it applies, shows, and reverts as it is told."""

    def __init__(self, monkeypatch):
        self.on, self.shown, self.done = False, True, []
        for name, call in (
            ("undo_params", lambda fault: self.done.append("read") or {}),
            ("apply", lambda fault: self.set(fault, True)),
            ("revert", lambda fault: self.set(fault, False)),
            ("observe", lambda fault: Proof(self.on and self.shown, "it is slow", {})),
        ):
            monkeypatch.setattr(ProviderLatency, name, call)

    def set(self, fault, on):
        self.on = on
        self.done.append(("applied" if on else "reverted", fault.region))


@pytest.fixture
def slow(monkeypatch):
    return Clear(monkeypatch)


@pytest.fixture
def session(tmp_path, monkeypatch, slow):
    """A running drill of the experiment, without load, testbed or watchdog."""
    monkeypatch.setattr(observe, "ready", lambda session, region: True)
    target = targets.load("testbed")
    plan = make_plan({}, drill=NAME, title=NAME, kind="experiment", gate="M3",
                     method=DRILL["method"])  # fmt: skip
    ledger = Ledger(tmp_path / "ledger.jsonl")
    undo = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d1", "testbed", "testbed.yaml"))
    own = DrillGuard(target, plan.contract, plan.gate, plan.time_scale, ledger.append)
    made = Session(
        drill_id="d1", plan=plan, platform=platform_of(target), bundle=tmp_path, lock=NO_LEASE,
        ledger=ledger, undo=undo, facts=Facts(stale_s=3.0), watch=SimpleNamespace(alive=True),
        stop=StopFlag(), load=SimpleNamespace(started=False),
        watchdog=SimpleNamespace(act=lambda: None), guards=(own,),
    )  # fmt: skip
    install(made)
    yield made
    made.close_begun()
    install(None)
    undo.close()
    ledger.close()


def run(number):
    run_python_activity(DRILL["method"][number], {}, {})


def events_of(session):
    return [one for one in read_ledger(session.ledger.path).events if "phase" not in one]


def test_it_is_applied_looked_at_until_its_end_and_reverted(session, slow):
    """Its undo first; the looks' summary before the revert."""
    run(3)
    assert read_undo(session.undo.path).pending[0].region == OTHER
    assert slow.done == ["read", ("applied", OTHER)]
    run(7)
    assert slow.done[-1] == ("reverted", OTHER)
    kinds = [one["event"] for one in events_of(session) if one["event"].startswith("fault_")]
    assert kinds == ["fault_declared", "fault_applied", "fault_proof", "fault_proof",
                     "fault_reverted"]  # fmt: skip
    proof = [one for one in events_of(session) if one["event"] == "fault_proof"][-1]
    assert proof["proven"] is True
    assert proof["proof"]["looks_proven"] >= 1
    assert session.begun == {}


def test_the_guard_expects_its_signals_in_its_region_alone(session):
    """A region may be dark beside it: nothing else of the survivor is explained away."""
    run(3)
    (own,) = session.guards
    declared = [SimpleNamespace(**vars(one)) for one in own._faults]
    assert [(one.fault, one.region, one.reverted_s) for one in declared] == [(KIND, OTHER, None)]
    known = [_declared(one) for one in own._faults]
    now_s = session.clock.now_s() + 5
    assert cause_of(known, OTHER, "circuit_open:primary", now_s, 10.0)
    for region, signal in [
        (REGION, "circuit_open:primary"),
        (OTHER, "circuit_open:fallback"),
        (OTHER, "queue_age"),
        (OTHER, "admission_failures:token_validation"),
        (OTHER, "series"),
    ]:
        assert cause_of(known, region, signal, now_s, 10.0) is None


def _declared(one):
    from muster.guard.triggers import Declared

    return Declared(one.fault, one.region, one.expects, one.declared_s, one.reverted_s)


def test_an_effect_that_went_away_meanwhile_is_no_proof(session, slow):
    """The look that saw it gone is enough."""
    run(3)
    slow.shown = False
    begun = session.begun[BEGIN + KIND]
    session.wait_until(lambda: _gone(session), 20.0)
    run(7)
    assert begun.fault.region == OTHER
    proof = [one for one in events_of(session) if one["event"] == "fault_proof"][-1]
    assert proof["proven"] is False
    assert "not throughout" in proof["why"]


def _gone(session):
    proofs = [one for one in events_of(session) if one["event"] == "fault_proof"]
    return any(not one["proven"] for one in proofs)


def test_an_end_without_its_begin_fails(session, slow):
    """Nothing is reverted that this drill did not begin."""
    with pytest.raises(ActivityFailed, match=r"no begin_provider_latency came before it"):
        run(7)
    assert slow.done == []


def test_a_survivor_that_is_not_ready_gets_no_fault_on_top(session, slow, monkeypatch):
    """Looked at at the moment itself."""
    monkeypatch.setattr(observe, "ready", lambda session, region: region != OTHER)
    with pytest.raises(ActivityFailed, match=f"{OTHER} is not ready"):
        run(3)
    assert (slow.done, session.undo.pending) == ([], ())


def test_a_drill_that_stops_reverts_it_and_looks_no_more(session, slow, monkeypatch):
    """By the undo log, as everything else; a look at what is restored would say nothing."""
    run(3)
    begun = session.begun[BEGIN + KIND]
    monkeypatch.setattr(
        ProviderLatency, "read_back", lambda fault: SimpleNamespace(
            subject="s", expected="x", actual="x", ok=True, another=""),
    )  # fmt: skip
    monkeypatch.setattr("muster.drill.abort.record_verify", lambda *given: None)
    session.stop.set(StopReason("operator", "ABORTED", "stopped", 0.0))
    restore_all(session)
    assert slow.done[-1] == ("reverted", OTHER)
    assert session.begun == {}
    assert begun.finish().proven is False or begun.finish().facts["looks"] >= 0
    assert session.undo.pending == ()


# What is judged.

PHASES = (
    ("preflight", None, 5), ("ramp", None, 20), ("baseline", "X", 60), (BEGIN + KIND, "G", 6),
    ("evacuate", "G", 40), ("drain", "G", 30), ("dark", "G", 30), (END + KIND, "G", 4),
    ("restore", "G", 40), ("verify", None, 8),
)  # fmt: skip
PLAN = [name for name, _, _ in PHASES if name != "preflight"]
FAULT = {"fault": KIND, "region": EAST}
HELD_ALL = {**HELD, "held_s": 102.0}


def compound_events(story):
    begin_s, end_s = story.span(BEGIN + KIND)[0], story.span(END + KIND)[0]
    return [
        {"t": begin_s + 1, "event": "fault_declared", **FAULT, "expects": ["circuit_open:primary"],
         "stops_region": False, "met_by": ""},
        {"t": begin_s + 2, "event": "fault_applied", **FAULT},
        {"t": begin_s + 3, "event": "fault_proof", **FAULT, "proven": True, "proof": {},
         "why": "it is slow"},
        {"t": end_s + 1, "event": "fault_proof", **FAULT, "proven": True, "proof": HELD_ALL,
         "why": "it is slow"},
        {"t": end_s + 2, "event": "fault_reverted", **FAULT},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    story = Story(kind="experiment", drill=NAME, phases=PHASES, server_processes=1, shards=1)
    story.extra = tuple(compound_events(story))
    return make_bundle(tmp_path_factory.mktemp("compound") / "plain", story)


@pytest.fixture
def edited(made, tmp_path):
    """The bundle with other events; the start says the plan."""

    def write(change=lambda event: event, added=(), **started):
        events = [json.loads(line) for line in (made / "ledger.jsonl").read_text().splitlines()]
        events[0] |= {"phases": PLAN, "begins": {KIND: EAST}, **started}
        kept = [new for event in events if (new := change(event)) is not None]
        kept = sorted([*kept, *added], key=lambda event: event["t"])
        bundle = tmp_path / "bundle"
        bundle.mkdir()
        for path in made.iterdir():
            (bundle / path.name).write_bytes(path.read_bytes())
        lines = [json.dumps({**event, "seq": n}) for n, event in enumerate(kept, start=1)]
        (bundle / "ledger.jsonl").write_text("\n".join(lines) + "\n")
        verdict = judge(bundle)
        return verdict.verdict, " | ".join(verdict.document["unknowns"])

    return write


def test_a_whole_compound_drill_passes(edited):
    """Both faults proven, both reverted, every phase judged."""
    assert edited() == ("PASS", "")


def of(event, kind, **fields):
    return event["event"] == kind and all(event.get(key) == value for key, value in fields.items())


def without(kind, **fields):
    return lambda event: None if of(event, kind, **fields) else event


def moved(kind, region=WEST, **fields):
    return lambda event: {**event, "region": region} if of(event, kind, **fields) else event


def summary(**facts):
    def change(event):
        if of(event, "fault_proof", fault=KIND) and event["proof"]:
            return {**event, "proof": {**event["proof"], **facts}}
        return event

    return change


def declared(**fields):
    def change(event):
        return {**event, **fields} if of(event, "fault_declared", fault=KIND) else event

    return change


def no_end(event):
    """Cut out of the ledger: the phase that ends it, and what is in it."""
    mine = event.get("fault") == KIND and event["event"] in ("fault_reverted",)
    return None if event.get("phase") == END + KIND or mine else event


@pytest.mark.parametrize(
    ("change", "started", "unknown"),
    [
        (no_end, {}, "end_provider_latency was not completed after it was begun"),
        (no_end, {"phases": [name for name in PLAN if not name.startswith(END)]},
         "end_provider_latency was not completed after it was begun"),
        (without("phase_ended", phase=END + KIND), {}, "end_provider_latency was not completed"),
        (without("phase_started", phase=BEGIN + KIND), {}, "begin_provider_latency was not compl"),
        (without("fault_declared", fault=KIND), {}, "fault_declared in [], planned was eu-central"),
        (without("fault_applied", fault=KIND), {}, "fault_applied in [], planned was eu-central"),
        (without("fault_reverted", fault=KIND), {}, "fault_reverted in [], planned was eu-central"),
        (without("fault_proof", fault=KIND), {}, "no look is on record"),
        (summary(held_s=12.0), {}, "no look is on record for the 100 s between the two"),
        (summary(held_s="long"), {}, "no look is on record"),
        (summary(looks_proven=0), {}, "no look is on record for its hold"),
        (moved("fault_reverted", fault=KIND), {}, "fault_reverted in ['eu-west-1'], planned was"),
        (moved("fault_declared", fault=KIND), {}, "fault_declared in ['eu-west-1'], planned was"),
        (moved("fault_proof", fault=KIND), {}, "no look is on record"),
        (lambda event: event, {"begins": {KIND: WEST}}, "fault_declared in ['eu-central-1']"),
        (lambda event: event, {"begins": {}}, "it was not planned, or it is not recorded where"),
        (lambda event: event, {"begins": None}, "it was not planned, or it is not recorded where"),
        (lambda event: event, {"begins": [KIND]}, "it was not planned, or it is not recorded w"),
        (lambda event: event, {"begins": {KIND: EAST, "redis_outage": EAST}},
         "begin_redis_outage was not completed"),
        (lambda event: {**event, "tier": None} if of(event, "phase_started", phase=BEGIN + KIND)
         else event, {}, "no tier judged this phase"),
    ],
)  # fmt: skip
def test_a_ledger_that_lacks_a_part_of_it_passes_nothing(edited, change, started, unknown):
    """Cut out, moved to the other region, or planned otherwise."""
    verdict, unknowns = edited(change, **started)
    assert verdict == "INCONCLUSIVE", unknowns
    assert unknown in unknowns


@pytest.mark.parametrize(
    ("where", "event", "passes"),
    [
        ("evacuate", "steering_refused", True),
        ("dark", "steering_refused", True),
        ("baseline", "steering_refused", False),
        (BEGIN + KIND, "steering_refused", False),
        (END + KIND, "steering_refused", False),
        ("restore", "steering_refused", False),
        ("dark", "check", False),
    ],
)
def test_a_fault_that_no_step_met_is_not_proven(edited, where, event, passes):
    """A steering API that was back before the drill needed it looks the same to every look."""
    met_s = Story(kind="experiment", drill=NAME, phases=PHASES).span(where)[0] + 3
    told = declared(met_by="steering_refused")
    verdict, unknowns = edited(told, added=[{"t": met_s, "event": event, "detail": "503"}])
    assert verdict == ("PASS" if passes else "INCONCLUSIVE"), unknowns
    assert ("no steering_refused is on record between the two" in unknowns) is not passes


@pytest.mark.parametrize("met_by", [None, 1, ["steering_refused"]])
def test_a_declaration_that_does_not_say_what_meets_it_proves_nothing(edited, met_by):
    """A ledger that lacks it is not one in which nothing has to."""
    verdict, unknowns = edited(declared(met_by=met_by))
    assert verdict == "INCONCLUSIVE"
    assert "fault_declared does not say by what a step meets it" in unknowns


def test_what_meets_a_fault_is_an_event_that_something_records():
    """A misspelt one would never be on record, and no drill could pass."""
    source = "".join(path.read_text() for path in (ROOT / "src/muster/drill").rglob("*.py"))
    named = {one.met_by for one in kinds().values()} - {""}
    assert named == {"steering_refused"}
    assert all(f'record("{name}"' in source for name in named)


def test_a_proof_that_failed_is_no_pass(edited):
    """At any look."""

    def unproven(event):
        return {**event, "proven": False} if of(event, "fault_proof", fault=KIND) else event

    assert edited(unproven)[0] == "INCONCLUSIVE"


def test_a_revert_in_the_middle_is_not_hidden_by_a_second_one(made, edited):
    """It was to go on until its end."""
    story = Story(kind="experiment", drill=NAME, phases=PHASES)
    middle_s = story.span("dark")[0] + 3

    def change(event):
        return event

    def more(event):
        if of(event, "fault_reverted", fault=KIND):
            return event
        if of(event, "region_dark"):
            return {**event, "event": "fault_reverted", **FAULT, "t": middle_s}
        return event

    assert edited(change)[0] == "PASS"


def test_another_fault_in_its_phase_is_an_effect_out_of_place(edited):
    """The phase begins the fault of its name, and no other."""

    def other(event):
        mine = of(event, "fault_declared", fault=KIND) or of(event, "fault_applied", fault=KIND)
        return {**event, "fault": "redis_outage"} if mine else event

    verdict, unknowns = edited(other)
    assert verdict == "INCONCLUSIVE"
    assert f"phase_complete {BEGIN}{KIND} [ledger] no data: fault_declared outside" in unknowns


def test_the_compound_experiments_begin_a_fault_or_load_otherwise():
    """None of them is an experiment with a single fault under another name."""
    for path in (ROOT / "experiments").glob("compound_*.json"):
        method = [one["provider"] for one in json.loads(path.read_text())["method"]]
        known = steps().by_key
        keys = [(one["module"], one["func"]) for one in method]
        phases = [known[key].phase for key in keys if key in known]
        assert any(fault_begun(phase or "") for phase in phases) or "held" in path.stem
        assert (path.stem in held_by(ROOT / "experiments")) == ("held" not in path.stem)
