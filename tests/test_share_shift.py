"""A small shift of traffic, step by step: the weights, what is seen, and what is refused."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from drill_runner import ROOT
from floor_fixtures import NO_LEASE, OTHER, REGION, a_target
from held_clock import HeldClock

from muster.drill.phases import share_shift
from muster.drill.plan import enough
from muster.drill.plan.form import check_form, method_of
from muster.drill.plan.plan import make_plan
from muster.drill.session import Session
from muster.drill.sight import observe, proofs
from muster.drill.sight.facts import Facts
from muster.drill.sight.split import Split, needed_draws, telling_pct, tolerance_of
from muster.drill.stop import StopFlag
from muster.errors import BadInput, DrillAborted
from muster.faults import Scene, WrongArgument, fault_of
from muster.faults.share_shift import shift_back, shift_share, shifted
from muster.faults.traffic_shift import TrafficShift
from muster.ledger import Ledger, read_ledger
from muster.platform import platform_of
from muster.platform.metrics import RawSeries
from muster.platform.steering import Expected, Steering
from muster.platform.steering.parts import Shown
from muster.undo import UndoHeader, UndoLog, read_undo

HELLO = json.loads((ROOT / "drills" / "hello.json").read_text())
PER_S = 140
TTL_S = 5


class Records(Steering):
    """Weights in memory; `units` as Route 53's steps have them."""

    def __init__(self, **weights: int) -> None:
        self.stand = {name.replace("_", "-"): weight for name, weight in weights.items()}
        self.sets: list[dict[str, int]] = []

    subject = name = "the records"
    timeout_s = 1.0

    def touches(self):
        return ()

    def shown(self):
        return {name: Shown(weight, "") for name, weight in self.stand.items()}

    def by_region(self, shown):
        return {name: one.weight for name, one in shown.items()}

    def plan(self, weights):
        return dict(weights)

    def set_weights(self, weights, *, check=lambda shown: None, accepted=lambda: None):
        check(self.shown())
        self.stand = dict(weights)
        self.sets.append(dict(weights))
        accepted()

    def set_parts(self, weights):
        self.stand |= weights

    def saved(self):
        return {"stood": dict(self.stand)}

    def stood(self, saved):
        return {name: Shown(weight, "") for name, weight in saved["stood"].items()}

    def command(self, saved, before):
        return None

    def trial(self):
        raise NotImplementedError


class World:
    """A drill on records in memory, with a platform whose new streams follow them, or do not."""

    def __init__(self, folder: Any, *, follows: bool = True, per_s: float = PER_S, **weights: int):
        self.records = Records(**(weights or {"eu_west_1": 50, "eu_central_1": 50}))
        self.clock = HeldClock(on_wait=self.tick)
        self.follows, self.per_s = follows, per_s
        self.counts: dict[tuple[str, str], float] = {}
        self.answers = [(0.0, dict(self.records.stand))]
        self.facts = Facts(stale_s=10)
        self.seconds = 0
        platform = replace(platform_of(a_target(), self.clock), steering=self.records)
        plan = make_plan(
            {"target": "testbed", "profile": "m1_1k", "scale": "1"},
            drill="hello", title="t", kind="experiment", gate="M1",
            method=method_of("hello.json", HELLO),
        )  # fmt: skip
        self.folder = folder
        self.told: list[tuple[str, str]] = []
        guard = SimpleNamespace(
            arm=lambda: None,
            declare=lambda fault, region, expects: self.told.append((fault, region)),
            reverted=lambda fault, region: self.told.append((f"no {fault}", region)),
        )
        self.session = Session(
            drill_id="d", plan=plan, platform=platform, bundle=folder, lock=NO_LEASE,
            ledger=Ledger(folder / "ledger.jsonl", self.clock),
            undo=UndoLog(folder / "undo.jsonl", UndoHeader("d", "testbed", "t.yaml")),
            facts=self.facts,
            watch=SimpleNamespace(alive=True, blamed=lambda reason: reason),
            stop=StopFlag(self.clock),
            load=SimpleNamespace(started=True, alive=lambda: True, pids=[]),
            watchdog=SimpleNamespace(steers=lambda planned: None, steered=lambda: None),
            clock=self.clock, ttl_s=TTL_S, guards=(guard,), expected=Expected(),
        )  # type: ignore[arg-type]  # fmt: skip
        self.session.expected.begin(self.records.shown())
        for _ in range(20):
            self.clock.sleep(1)

    def tick(self, passed_s: float) -> None:
        """Scrape every whole second; a resolver's answer is as old as the TTL."""
        if self.follows and self.answers[-1][1] != self.records.stand:
            self.answers.append((passed_s, dict(self.records.stand)))
        while self.seconds + 1 <= passed_s:
            self.seconds += 1
            old = [w for at, w in self.answers if at <= self.seconds - TTL_S or at == 0][-1]
            t_s = self.clock.began_s + self.seconds
            fresh = []
            for region, weight in old.items():
                known = self.counts.setdefault((region, self.code(self.seconds)), 0.0)
                more = self.per_s * weight / sum(old.values())
                self.counts[region, self.code(self.seconds)] = known + more
                fresh.append(RawSeries("streams_limit", "l", {"region": region}, (t_s,), (5000.0,)))
            for (region, code), count in self.counts.items():
                labels = {"region": region, "code": code}
                fresh.append(RawSeries("client_answers", "n", labels, (t_s,), (count,)))
            self.facts.add(fresh)

    def code(self, second: int) -> str:
        """What the clients of that second are answered."""
        return "200"

    def events(self, name: str) -> list[dict[str, Any]]:
        return [dict(e) for e in read_ledger(self.folder / "ledger.jsonl").of(name)]

    def findings(self) -> list[tuple[str, str, str]]:
        told = [event["finding"] for event in self.events("finding")]
        return [(one["slo"], one["phase"], one["status"]) for one in told]

    def whole(self, minutes: float = 1.0) -> None:
        """The three steps, one after the other."""
        share_shift.move_away(self.session, 25, "L")
        share_shift.hold_away(self.session, minutes, "L")
        share_shift.move_back(self.session, minutes, "L")


@pytest.fixture(autouse=True)
def looks(monkeypatch):
    """Every region is ready; the looks of a hold are taken here, and not in a thread."""
    monkeypatch.setattr(observe, "ready", lambda session, region: True)

    @contextmanager
    def throughout(session, fault):
        yield
        session.record_proof(fault.kind, fault.region, fault.observe())

    monkeypatch.setattr(proofs, "throughout", throughout)


def test_a_share_goes_away_and_comes_back(tmp_path):
    """Weights, phases, proofs and findings of a platform that follows its records."""
    world = World(tmp_path)
    world.whole()
    assert world.records.sets == [{REGION: 38, OTHER: 62}, {REGION: 50, OTHER: 50}]
    started = [(e["phase"], e["tier"]) for e in world.events("phase_started")]
    assert started == [("shift", "L"), ("shifted", "L"), ("shift_back", "L")]
    assert {e["outcome"] for e in world.events("phase_ended")} == {"ok"}
    assert world.findings() == [
        ("traffic_split", "shift", "pass"),
        ("traffic_split", "shifted", "pass"),
        ("traffic_split", "shift_back", "pass"),
    ]
    assert [e["proven"] for e in world.events("fault_proof")] == [True, True]
    assert world.told == [("traffic_shift", REGION), ("no traffic_shift", REGION)]
    assert {e["name"] for e in world.events("timing")} == {"decide_s", "away_s", "back_s"}


def test_its_holds_follow_the_targets_time_scale(tmp_path):
    """A minute is 10 s at the testbed's time scale of 6."""
    world = World(tmp_path)
    share_shift.move_away(world.session, 25, "L")
    before_s = world.clock.passed_s
    share_shift.hold_away(world.session, 1.0, "L")
    assert world.clock.passed_s - before_s == pytest.approx(10, abs=1)


def test_the_undo_is_durable_before_the_first_weight_and_knows_the_drills_own(tmp_path):
    """Each intent stands in the log before it is set; another process puts all of it back."""
    world = World(tmp_path)
    seen = []
    set_weights = world.records.set_weights

    def watched(weights, **more):
        (entry,) = read_undo(tmp_path / "undo.jsonl").pending
        seen.append((entry.kind, entry.params["weights"], entry.params["sets"]))
        set_weights(weights, **more)

    world.records.set_weights = watched
    share_shift.move_away(world.session, 25, "L")
    before, away = {REGION: 50, OTHER: 50}, {REGION: 38, OTHER: 62}
    assert seen == [("traffic_shift", before, [away])]
    (entry,) = read_undo(tmp_path / "undo.jsonl").pending
    fault = fault_of(world.session.platform, entry)
    fault.revert()
    assert world.records.stand == before
    assert fault.read_back().ok


def test_weights_that_another_changed_are_not_overwritten(tmp_path):
    """Between the two moves somebody else sets a weight: the drill stops, and leaves it."""
    world = World(tmp_path)
    share_shift.move_away(world.session, 25, "L")
    world.records.stand[OTHER] = 7
    with pytest.raises(DrillAborted) as stopped:
        share_shift.move_back(world.session, 1, "L")
    assert stopped.value.by == "steering:changed_by_another"
    assert world.records.stand == {REGION: 38, OTHER: 7}


def test_traffic_that_does_not_move_is_the_platforms_fault(tmp_path):
    """The records say 38 %, the streams stay: FAIL, and the undo is there to be played."""
    world = World(tmp_path, follows=False)
    with pytest.raises(DrillAborted) as stopped:
        share_shift.move_away(world.session, 25, "L")
    assert stopped.value.by == "platform:traffic_would_not_leave"
    assert world.session.stop.reason.verdict == "FAIL"
    assert "50.0 % of the new streams, but its records say 38 %" in stopped.value.detail
    assert len(read_undo(tmp_path / "undo.jsonl").pending) == 1


def test_traffic_that_does_not_come_back_is_the_platforms_fault(tmp_path):
    """It followed once, and then no more."""
    world = World(tmp_path)
    share_shift.move_away(world.session, 25, "L")
    world.follows = False
    with pytest.raises(DrillAborted) as stopped:
        share_shift.move_back(world.session, 1, "L")
    assert stopped.value.by == "platform:traffic_would_not_return"


def test_traffic_that_creeps_back_in_the_hold_is_a_failed_finding(tmp_path):
    """The weights stand, and the streams do not."""
    world = World(tmp_path)
    share_shift.move_away(world.session, 25, "L")
    world.follows = False
    world.answers.append((world.clock.passed_s, {REGION: 50, OTHER: 50}))
    share_shift.hold_away(world.session, 2.0, "L")
    assert ("traffic_split", "shifted", "fail") in world.findings()


def test_weights_that_do_not_stand_are_no_proof(tmp_path):
    """Something else puts them back at once: the fault is not proven, and nothing passes."""
    world = World(tmp_path)
    share_shift.move_away(world.session, 25, "L")
    world.records.stand = {REGION: 50, OTHER: 50}
    share_shift.hold_away(world.session, 0.1, "L")
    assert [e["proven"] for e in world.events("fault_proof")] == [True, False]


def test_a_load_that_cannot_tell_is_not_the_platforms_fault(tmp_path):
    """Two arrivals a second: too few, and no FAIL."""
    world = World(tmp_path, per_s=2, follows=False)
    with pytest.raises(DrillAborted) as stopped:
        share_shift.move_away(world.session, 25, "L")
    assert stopped.value.by == "load:too_few_arrivals"
    assert world.session.stop.reason.verdict == "INCONCLUSIVE"


def test_a_shift_that_is_too_small_to_be_told_is_refused_before_any_effect(tmp_path):
    """A quarter of a fifth is five points, which the tolerance would hide."""
    world = World(tmp_path, eu_west_1=20, eu_central_1=80)
    wrong = share_shift.not_told(world.session)
    assert "25 % of the traffic of eu-west-1 are 5.0 points of all" in wrong
    assert wrong.endswith("a shift needs 10: shift 50 % or more of it")
    with pytest.raises(DrillAborted) as stopped:
        share_shift.move_away(world.session, 25, "L")
    assert (stopped.value.by, stopped.value.detail) == ("shift_too_small", wrong)
    assert world.session.stop.reason.verdict == "INCONCLUSIVE"
    assert world.records.sets == []
    assert not read_undo(tmp_path / "undo.jsonl").pending


def test_a_region_with_too_little_traffic_is_named(tmp_path):
    """No share of it would do."""
    world = World(tmp_path, eu_west_1=8, eu_central_1=92)
    assert share_shift.not_told(world.session).endswith("shift a region with more traffic")


def test_preflight_asks_only_where_a_shift_is_planned(tmp_path):
    """The share that the drill gives, at the weights that stand; another drill has no shift."""
    world = World(tmp_path)
    assert share_shift.not_told(world.session) == ""
    plan = replace(world.session.plan, method=())
    world.records.stand = {REGION: 1, OTHER: 99}
    assert share_shift.not_told(world.session) != ""
    assert share_shift.not_told(replace(world.session, plan=plan)) == ""


@pytest.mark.parametrize(
    ("moved", "most"), [(9.9, None), (10, 5), (12.5, 6.25), (-12, 6), (40, 10)]
)
def test_a_tolerance_is_at_most_half_of_the_move(moved, most):
    """A platform that ignores its weights is then as far off as the tolerance is wide, or more."""
    assert telling_pct(moved, 5.0) == most


def test_a_look_that_could_not_tell_the_move_from_none_says_nothing():
    """At 225 arrivals ten points are tolerated: enough for a step of 25 points, not for 12.5."""
    assert tolerance_of(50, 225, 5.0) == pytest.approx(10)
    assert tolerance_of(50, 225, 5.0, 6.25) is None
    assert tolerance_of(50, needed_draws(50, 5.0, 6.25), 5.0, 6.25) <= 6.25
    assert tolerance_of(50, needed_draws(50, 5.0, 6.25) - 1, 5.0, 6.25) is None


def test_a_move_is_told_by_the_longest_look_back():
    """Of many short ones each has its chance to show a move that was none."""
    facts, counts = Facts(stale_s=10), {"west": 0.0, "east": 0.0}
    for second in range(90):
        # By chance 38 % for the last five seconds, of a region that kept its half.
        for region, share in (("west", 0.38), ("east", 0.62)) if second > 84 else (
            ("west", 0.5), ("east", 0.5)
        ):  # fmt: skip
            counts[region] += 300 * share
            row = RawSeries("client_answers", "n", {"region": region}, (second,), (counts[region],))
            facts.add([row])
    short = Split(facts, 1.0, 5.0).look("west", 38)
    assert short is not None
    assert short.holds
    told = Split(facts, 1.0, 5.0, most_pct=6.0).look("west", 38)
    assert told is not None
    assert not told.holds


def scene():
    return Scene(platform_of(a_target()), 10.0)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"share_pct": 0}, "share_pct"),
        ({"share_pct": 100}, "share_pct"),
        ({"share_pct": -5}, "share_pct"),
        ({"share_pct": 250}, "share_pct"),
        ({"share_pct": "25"}, "share_pct"),
        ({"share_pct": True}, "share_pct"),
        ({"share_pct": float("nan")}, "share_pct"),
        ({"share": 25}, ""),
        ({}, ""),
    ],
)
def test_a_share_that_is_none_is_refused(given, key):
    """By the step itself, whoever plans it."""
    with pytest.raises(WrongArgument) as refused:
        shift_share.planned(scene(), given)
    assert refused.value.key == key


def test_the_steps_say_what_they_do():
    """With the region, the share and the real length of a hold."""
    planned = shift_share.planned(scene(), {"share_pct": 25})
    assert planned.what == "shifts 25 % of the traffic of eu-west-1 to the other regions"
    assert [one.aim for one in planned.faults] == ["25 % of the region's traffic elsewhere"]
    assert shifted.planned(scene(), {"minutes": 1}).what.endswith("weights for 10 s")
    back = shift_back.planned(scene(), {"minutes": 2})
    assert back.what.endswith("back, and holds for 20 s")
    assert [one.kind for one in back.faults] == ["traffic_shift"]


def with_share(argument: str, value: Any) -> dict[str, Any]:
    document = json.loads(json.dumps(HELLO))
    document["method"][3]["provider"]["arguments"] = {argument: value}
    return document


@pytest.mark.parametrize("value", [0, 100, -1, "a quarter", None, True, [25]])
def test_a_bad_share_in_the_drills_file_is_one_line(value):
    """File, key, value and what was expected, before anything is locked."""
    with pytest.raises(BadInput) as refused:
        check_form("hello.json", with_share("share_pct", value), {}, {})
    line = str(refused.value)
    assert line.startswith("hello.json: method.3 (shift a share).provider.arguments.share_pct: got")
    assert "per cent of the region's traffic, a number over 0 and under 100" in line
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("argument", ["shares_pct", "share_ptc", "Share_pct"])
def test_a_misspelt_argument_is_named_with_the_one_that_was_meant(argument):
    """Nothing is guessed."""
    with pytest.raises(BadInput, match=rf"{argument}: got 25, .*did you mean share_pct\?"):
        check_form("hello.json", with_share(argument, 25), {}, {})


def test_an_argument_that_is_near_to_none_is_refused_with_those_that_are_there():
    """The step's own names."""
    with pytest.raises(BadInput, match="an argument of it: one of share_pct"):
        check_form("hello.json", with_share("amount", 25), {}, {})


def test_the_share_is_of_the_regions_own_traffic():
    """A quarter of 60 is 15: 45 are left, as whole weights."""
    fault = TrafficShift(
        replace(platform_of(a_target()), steering=Records()), REGION,
        before={REGION: 60, OTHER: 40}, less_pct=25,
    )  # fmt: skip
    assert fault.weights() == {REGION: 45, OTHER: 55}
    assert fault.share_had_pct == 45


def plan_at(profile: str, scale: float, target: str = "testbed"):
    asked = {"target": target, "profile": profile, "scale": scale}
    method = method_of("hello.json", HELLO)
    return make_plan(asked, drill="hello", title="t", kind="experiment", gate="M1", method=method)


def need_of(plan):
    (need,) = [one for one in enough.needs_of(plan) if one.split]
    return need


def test_the_plan_says_which_holds_a_tier_judges_and_what_the_split_needs():
    """Baseline, the share away, and after it."""
    told = "\n".join(enough.lines(plan_at("m1_1k", 1)))
    for hold in ("baseline", "shifted", "shift_back"):
        assert f"arrivals of {hold}, Tier L: 1,407 expected in 10 s, 100 needed" in told
    assert "split after the shift: " in told
    assert "TOO FEW" not in told


def test_a_load_that_can_never_tell_the_shift_is_refused_with_the_scale_that_would():
    """A hundredth of m1_1k: refused; at the scale that is named: enough."""
    wrong = enough.too_few(plan_at("m1_1k", 0.01))
    assert wrong.startswith("split after the shift: about 111 independent arrivals in 80 s ")
    better = enough.smallest_scale(plan_at("m1_1k", 0.01))
    assert enough.too_few(plan_at("m1_1k", better)) == ""


def test_too_few_resolver_caches_are_told_apart_from_too_few_arrivals():
    """No scale helps there: the profile's own setting does."""
    plan = plan_at("m1_1k", 1)
    few = replace(plan, profile=plan.profile.model_copy(update={"resolver_caches": 10}))
    assert (need_of(few).enough, need_of(few).caches > 10) == (False, True)
    assert enough.smallest_scale(few) is None
    wrong = enough.too_few(few)
    assert f"resolver_caches: {need_of(few).caches} in the profile m1_1k" in wrong
    assert f"resolver_caches: {need_of(few).caches} in the profile" in "\n".join(enough.lines(few))
    more = {"resolver_caches": need_of(few).caches}
    mended = replace(plan, profile=plan.profile.model_copy(update=more))
    assert enough.too_few(mended) == ""
    assert need_of(mended).enough
