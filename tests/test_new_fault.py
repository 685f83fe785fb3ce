"""A made-up fault: one file, one experiment, and everything of Muster knows it.

It is the example of docs/faults.md, and has no region: a beacon that all regions share is dimmed.
Its file stands in a folder of its own, which is put on the path of the package of faults; nothing
else of Muster is touched.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
from bundle_maker import START_S, Story, make_bundle
from chaoslib.exceptions import ActivityFailed, InvalidActivity
from chaoslib.provider.python import run_python_activity, validate_python_activity
from click.testing import CliRunner
from drill_runner import ROOT
from floor_fixtures import NO_LEASE, OTHER, REGION

import muster.faults
from muster import targets
from muster.cli.plan import plan as plan_command
from muster.drill.current import install
from muster.drill.guard import DrillGuard
from muster.drill.plan.form import check_form
from muster.drill.plan.frame import FRAME
from muster.drill.plan.outline import steps_of
from muster.drill.plan.plan import make_plan
from muster.drill.plan.reach import outside
from muster.drill.plan.steps import joined
from muster.drill.session import Session
from muster.drill.sight import observe
from muster.drill.sight.facts import Facts
from muster.drill.stop import StopFlag
from muster.drill.undo.restore import record_verify, restore
from muster.errors import BadInput
from muster.faults import Scene, fault_of, kinds, registered
from muster.faults.registry import collect
from muster.judge.phases import absences_of, dark_hold_s
from muster.judge.verdict import judge
from muster.ledger import Ledger, read_ledger
from muster.platform import platform_of
from muster.targets import Target
from muster.undo import UndoEntry, UndoHeader, UndoLog, read_undo

KIND = "beacon_outage"
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
(BEACON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXPERIMENT = json.loads((ROOT / "experiments" / "redis_outage.json").read_text())
EXPERIMENT["title"] = "Beacon outage experiment"
EXPERIMENT["controls"][0]["provider"]["arguments"]["drill"] = KIND
OUTAGE = {"module": "muster.actions.fault", "func": KIND, "arguments": {"seconds": 0, "pct": 20}}
METHOD = EXPERIMENT["method"]
AT = next(at for at, step in enumerate(METHOD) if step["name"] == "redis outage")
METHOD[AT] |= {"name": "beacon outage", "provider": {"type": "python", **OUTAGE}}


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Put a file among the faults; they are looked through anew, and again at the end."""
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setattr(muster.faults, "__path__", [*muster.faults.__path__, str(folder)])
    names = []

    def write(name, text):
        (folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        names.append(name)
        registered.cache_clear()

    yield write
    for name in names:
        sys.modules.pop(f"muster.faults.{name}", None)
        if hasattr(muster.faults, name):
            delattr(muster.faults, name)
    registered.cache_clear()


@pytest.fixture
def beacon(put):
    """The new fault's module."""
    put(KIND, BEACON)
    assert registered().flaws == ()
    return importlib.import_module(f"muster.faults.{KIND}")


def a_target(*, commands=("beacon",), regions=(REGION, OTHER)) -> Target:
    """The shipped testbed's target, which allows `commands` and `regions` to be changed."""
    plain = targets.load("testbed")
    allowed = {"commands": tuple(commands), "regions": tuple(regions)}
    radius = plain.blast_radius.model_copy(update=allowed)
    return plain.model_copy(update={"blast_radius": radius})


def test_the_plan_shows_it_and_the_radius_bounds_it(beacon, tmp_path):
    """`chaos drill plan`: its step and its change; refused while the target does not name it."""
    path = tmp_path / "beacon_outage.json"
    path.write_text(json.dumps(EXPERIMENT))
    shown = CliRunner().invoke(plan_command, [str(path)], env={"MUSTER_STATE_DIR": str(tmp_path)})
    assert shown.exit_code == 0, shown.output
    assert f" {AT + 1} beacon outage: dims the beacon for 0 s" in shown.output
    assert "the beacon: as it starts -> beacon outage" in shown.output
    assert "REFUSED at present: blast_radius.commands does not allow beacon" in shown.output


@pytest.mark.parametrize(
    ("allowed", "wrong"),
    [
        ({}, ""),
        ({"commands": ()}, "blast_radius.commands does not allow beacon (the beacon)"),
        # Every region feels it, so every region must be named.
        ({"regions": (REGION,)}, f"blast_radius.regions does not allow {OTHER} (the beacon)"),
    ],
)
def test_it_reaches_no_further_than_it_says(beacon, allowed, wrong):
    """In its own words, and in every region."""
    target = a_target(**allowed)
    assert outside(target, beacon.BeaconOutage(platform_of(target))) == wrong


def test_a_fault_that_names_nothing_is_bounded_by_nothing_and_refused(beacon, monkeypatch):
    """So is one that names a kind of thing that no target has."""
    target = a_target()
    fault = beacon.BeaconOutage(platform_of(target))
    monkeypatch.setattr(beacon.BeaconOutage, "touches", lambda self: ())
    assert "cannot limit a fault that names no change" in outside(target, fault)
    for kind in ("moons", "regions_dark_max"):
        touch = SimpleNamespace(kind=kind, name="io", below="")
        monkeypatch.setattr(beacon.BeaconOutage, "touches", lambda self, touch=touch: (touch,))
        assert f"blast_radius.{kind} does not allow io" in outside(target, fault)


def test_it_has_its_place_in_the_order(beacon):
    """In its frame, with recovery after it; without that it is refused."""
    check_form("d.json", EXPERIMENT, {}, {})
    cut = {**EXPERIMENT, "method": [*METHOD[: AT + 1], METHOD[-1]]}
    with pytest.raises(BadInput, match="verify instead of recovery', expected beacon_outage"):
        check_form("d.json", cut, {}, {})


def test_chaos_toolkit_finds_its_action_with_its_arguments(beacon):
    """By the module of all single faults, validated against the fault's own signature."""
    action = METHOD[AT]
    validate_python_activity(action)
    for wrong in ({"seconds": 0}, {"seconds": 0, "pct": 1, "colour": "red"}):
        with pytest.raises(InvalidActivity):
            validate_python_activity({**action, "provider": {**OUTAGE, "arguments": wrong}})
    actions = importlib.import_module("muster.actions.fault")
    assert KIND in actions.__all__
    assert actions.beacon_outage.__doc__ == (
        "The beacon shines at `pct` for `seconds` of real time."
    )


def test_without_its_file_nothing_knows_it():
    """The action, the form and the undo log name what is missing."""
    with pytest.raises(InvalidActivity, match="does not expose a function called 'beacon_outage'"):
        validate_python_activity(METHOD[AT])
    with pytest.raises(
        BadInput, match=rf"method\.{AT} \(beacon outage\)\.provider: got 'muster\.act"
    ):
        check_form("d.json", EXPERIMENT, {}, {})
    assert KIND not in kinds()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"seconds": 0}, "arguments: got {'seconds': 0}, expected the arguments seconds, pct"),
        (
            {"seconds": 0, "pct": 2.5},
            "arguments.pct: got 2.5, expected a whole number from 0 to 99 %",
        ),
        (
            {"seconds": 0, "pct": 100},
            "arguments.pct: got 100, expected a whole number from 0 to 99 %",
        ),
        (
            {"seconds": 0, "pct": -1},
            "arguments.pct: got -1, expected a whole number from 0 to 99 %",
        ),
        (
            {"seconds": True, "pct": 2},
            "arguments.seconds: got True, expected a number from 0 to 3600 s",
        ),
        (
            {"seconds": 3601, "pct": 2},
            "arguments.seconds: got 3601, expected a number from 0 to 3600 s",
        ),
        (
            {"seconds": float("nan"), "pct": 2},
            "arguments.seconds: got nan, expected a number from 0 to 3600 s",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_started(beacon, arguments, line):
    """One line, with the place, the value and what was expected."""
    method = [{**METHOD[AT], "provider": {**OUTAGE, "arguments": arguments}}]
    plan = make_plan({}, drill=KIND, title=KIND, kind="experiment", gate="M3", method=method)
    with pytest.raises(BadInput) as caught:
        steps_of(platform_of(a_target()), plan.method, 1.0)
    assert str(caught.value) == f"beacon outage: method.0.provider.{line}"


class Guard:
    """A second guard of the drill, as the watchdog is one: it keeps what it is told."""

    def __init__(self):
        self.told = []

    def arm(self):
        self.told.append("armed")

    def declare(self, fault, region, expects):
        self.told.append(("declared", fault, region, expects))

    def reverted(self, fault, region):
        self.told.append(("reverted", fault, region))


@pytest.fixture
def session(beacon, tmp_path, monkeypatch):
    """A running drill of the new experiment, without load, testbed or watchdog."""
    monkeypatch.setattr(observe, "ready", lambda session, region: True)
    target = a_target()
    plan = make_plan({}, drill=KIND, title=KIND, kind="experiment", gate="M3", method=METHOD)
    ledger = Ledger(tmp_path / "ledger.jsonl")
    undo = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d1", "testbed", "testbed.yaml"))
    own = DrillGuard(target, plan.contract, plan.gate, plan.time_scale, ledger.append)
    made = Session(
        drill_id="d1", plan=plan, platform=platform_of(target), bundle=tmp_path, lock=NO_LEASE,
        ledger=ledger, undo=undo, facts=Facts(stale_s=3.0), watch=SimpleNamespace(alive=True),
        stop=StopFlag(), load=SimpleNamespace(started=False), watchdog=None,
        guards=(own, Guard()),
    )  # fmt: skip
    install(made)
    yield made
    install(None)
    undo.close()
    ledger.close()


def events_of(session):
    return read_ledger(session.ledger.path).events


def test_it_is_applied_seen_reverted_and_judged(session, beacon, tmp_path):
    """From the drill's JSON to the verdict, with no region anywhere."""
    held = {**OUTAGE, "arguments": {**OUTAGE["arguments"], "seconds": 0.1}}
    run_python_activity({**METHOD[AT], "provider": {"type": "python", **held}}, {}, {})
    assert beacon.SHINES == {"pct": 100}
    restored = restore(session.platform, session.undo, session.ledger)
    record_verify(session.ledger, session.undo, restored)
    assert restored.verified
    assert read_undo(session.undo.path).pending == ()
    own, other = session.guards
    told = [("declared", KIND, region, ("queue_age",)) for region in (REGION, OTHER)]
    back = [("reverted", KIND, region) for region in (REGION, OTHER)]
    assert other.told == ["armed", *told, *back]
    assert [(one.region, one.reverted_s is None) for one in own._faults] == [
        (REGION, False), (OTHER, False),
    ]  # fmt: skip
    place = {"t", "seq", "prev"}
    seen = [
        {key: value for key, value in event.items() if key not in place}
        for event in events_of(session)
        if event["event"].startswith("fault_")
    ]
    names = [event["event"].removeprefix("fault_") for event in seen]
    assert names == ["declared", "applied", "proof", "proof", "reverted"]
    assert {(event["fault"], event["region"]) for event in seen} == {(KIND, None)}
    assert seen[0]["stops_region"] is False
    verdict = judged(tmp_path / "proven", seen)
    (proof,) = [one for one in verdict.findings if one.slo == "fault_proof"]
    assert (proof.source, proof.region, proof.status, proof.samples) == (KIND, None, "pass", 2), (
        proof.reason
    )
    assert verdict.verdict == "PASS", verdict.document["unknowns"]
    unseen = [event for event in seen if event["event"] != "fault_proof"]
    verdict = judged(tmp_path / "unproven", unseen)
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("its effect was never verified" in line for line in verdict.document["unknowns"])


def judged(folder, seen):
    """The verdict on a drill of the made-up kind whose ledger says `seen` in its fault's phase."""
    story = Story(
        kind="experiment",
        drill=KIND,
        phases=(
            ("preflight", None, 5), ("ramp", None, 20), ("baseline", "X", 60),
            ("fault", "G", 60), ("recovery", "G", 60), ("verify", None, 8),
        ),
        server_processes=1,
        shards=1,
    )  # fmt: skip
    start_s, end_s = story.span("fault")
    assert start_s > START_S
    moments = [start_s + 1 + n for n in range(len(seen) - 1)] + [end_s - 1]
    story.extra = tuple({**event, "t": t_s} for event, t_s in zip(seen, moments, strict=True))
    return judge(make_bundle(folder, story))


def test_a_region_that_is_away_keeps_it_from_being_applied(session, beacon, monkeypatch):
    """It spares no region, so none may be away already."""
    monkeypatch.setattr(observe, "ready", lambda session, region: region != OTHER)
    with pytest.raises(ActivityFailed, match=f"{OTHER} is not ready, and the fault spares no re"):
        run_python_activity(METHOD[AT], {}, {})
    assert session.undo.pending == ()
    assert session.stop.reason.by == "limit:last_healthy_region"
    assert beacon.SHINES == {"pct": 100}


def test_what_its_target_does_not_allow_is_not_written_and_not_done(session, beacon):
    """At the effect itself the radius holds again."""
    session.platform = platform_of(a_target(commands=()))
    with pytest.raises(ActivityFailed, match=r"limit:blast_radius: .* does not allow beacon"):
        run_python_activity(METHOD[AT], {}, {})
    assert session.undo.pending == ()
    assert beacon.SHINES == {"pct": 100}


def test_its_undo_entry_restores_it_in_another_process(beacon, tmp_path):
    """From the log alone, by its kind, read back."""
    platform = platform_of(a_target())
    log = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d1", "testbed", "testbed.yaml"))
    fault = beacon.BeaconOutage(platform, 20)
    log.add(fault.kind, fault.subject, fault.undo_params(), fault.region)
    fault.apply()
    assert fault.observe().proven
    log.close()
    read = read_undo(log.path)
    assert [entry.region for entry in read.pending] == [None]
    again = UndoLog(log.path, read.header)
    assert restore(platform, again).verified
    again.close()
    assert beacon.SHINES == {"pct": 100}


SECOND = BEACON.replace("def beacon_outage", "def beacon_dimmed")
LOSSLIKE = """from muster.faults.steps import Planned, Scene, drill_step

@drill_step("muster.actions.dusk", phase="fault"{then})
def dusk(scene: Scene) -> Planned:
    return Planned("dims")

@drill_step("muster.actions.dusk", phase="recovery"{back})
def dawn(scene: Scene) -> Planned:
    return Planned("lights")
"""


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (
            SECOND,
            "second: BeaconOutage.kind: got 'beacon_outage', expected another kind: "
            "muster.faults.beacon_outage.BeaconOutage has this one",
        ),
        (
            BEACON.replace('kind = "beacon_outage"', 'kind = "dimmed"'),
            "second: step beacon_outage: got 'muster.actions.fault.beacon_outage', expected only "
            "one: muster.faults.beacon_outage.beacon_outage already is",
        ),
        (
            BEACON.replace('kind = "beacon_outage"', 'kind = "Dimmed!"'),
            "second: BeaconOutage.kind: got 'Dimmed!', expected a name in lower case",
        ),
        (
            BEACON.replace('    kind = "beacon_outage"\n', ""),
            "second: BeaconOutage.kind: got None, expected a name in lower case",
        ),
        (
            BEACON.replace('"beacon_outage"', '"dimmed"').replace("def read_back", "def read"),
            "second: BeaconOutage: got 'dimmed', expected a complete fault, with read_back",
        ),
        (
            BEACON.replace('"beacon_outage"', '"dimmed"').replace('"queue_age"', '"series"'),
            "second: BeaconOutage: got 'dimmed', expected a RegionalFault, because it ends a "
            "region's processes",
        ),
        (
            BEACON.replace('"beacon_outage"', '"dimmed"')
            .replace("import PlatformFault", "import Fault as PlatformFault")
            .replace("return (*super().touches(), ", "return (")
            .replace("def restore", "def from_undo"),
            "second: BeaconOutage: got 'dimmed', expected a RegionalFault or a PlatformFault",
        ),
        ("import nowhere_at_all", "second: import: got \"ModuleNotFoundError: No module named"),
        ("def (", "second: import: got 'SyntaxError:"),
        (
            BEACON.replace('"%")]) -> B', '"%")] = 3) -> B'),
            "second: import: got 'TypeError: beacon_outage: pct: int: an argument is one of",
        ),
        (
            BEACON.replace('Annotated[int, Within(0, 99, "%")]) -> B', "dict) -> B"),
            "second: import: got 'TypeError: beacon_outage: pct: dict: an argument is one of",
        ),
        (
            BEACON.replace('Annotated[int, Within(0, 99, "%")]) -> B', "int) -> B"),
            "second: import: got 'TypeError: beacon_outage: pct: a number has limits (Within)'",
        ),
        (
            BEACON.replace("{seconds:g}", "{minutes}"),
            "second: import: got \"KeyError: 'minutes'\", expected a module that imports",
        ),
        (
            LOSSLIKE.format(then="", back=""),
            "second.dusk: step dusk: got 'muster.actions.dusk.dusk', expected a block with its end",
        ),
        (
            LOSSLIKE.format(then=', then=("dawn",)', back=""),
            "second.dusk: step dusk: got 'muster.actions.dusk.dusk', expected a block with its "
            "end: dawn does not take the change back",
        ),
        (
            LOSSLIKE.format(then=', then=("noon", "dawn")', back=", back=True"),
            "second.dusk: step dusk: got 'muster.actions.dusk.dusk', expected then=(…) of steps "
            "that are there: noon is none",
        ),
        (
            LOSSLIKE.format(then=', then=("restore",)', back=", back=True"),
            "expected one block: it stands in evacuate, drain, dark, restore and in dusk, restore",
        ),
        (
            LOSSLIKE.format(then=', then=("dawn",)', back=", back=1").replace("dusk(", "ramp("),
            "second.ramp: step ramp: got 'muster.actions.dusk.ramp', expected a name of its own: "
            "muster.drill.plan.frame.ramp has it",
        ),
    ],
)  # fmt: skip
def test_a_wrong_registration_refuses_every_drill_and_keeps_no_other_fault_from_being_restored(
    beacon, put, text, flaw
):
    """In one line that names the file; what is registered rightly still goes back."""
    put("second", text)
    shipped = json.loads((ROOT / "experiments" / "redis_outage.json").read_text())
    with pytest.raises(BadInput) as caught:
        check_form("d.json", shipped, {}, {})
    assert flaw in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    platform = platform_of(a_target())
    known = fault_of(platform, UndoEntry("u1", "drain", "x", REGION, {}))
    assert known.kind == "drain"


def test_an_entry_of_a_kind_that_two_faults_claim_is_refused_and_both_are_named(beacon, put):
    """Restored by the wrong one it would be worse than left."""
    put("second", SECOND)
    entry = UndoEntry("u1", KIND, "x", None, {"pct": 100})
    with pytest.raises(BadInput, match=r"u1\.kind: got 'beacon_outage'.*another kind: muster"):
        fault_of(platform_of(a_target()), entry)


def test_chaos_run_refuses_a_wrong_registration_with_exit_2(put, tmp_path):
    """One line, before anything is printed or run of the drill; nothing is started."""
    put("second", "import nowhere_at_all")
    code = (
        "import sys, muster.faults; muster.faults.__path__.append(sys.argv[1]); "
        "from chaostoolkit.cli import cli; "
        "cli(['--no-version-check', 'run', sys.argv[2]], standalone_mode=True)"
    )
    state = tmp_path / "state"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "faults", ROOT / "experiments/redis_outage.json"],
        cwd=tmp_path,
        env={"PATH": "", "MUSTER_STATE_DIR": str(state), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert 'muster.faults.second: import: got "ModuleNotFoundError' in said
    assert "Traceback" not in said
    assert not state.exists()


def test_a_fault_that_is_imported_by_another_module_is_registered_once():
    """Where it is written, not where it is used."""
    from muster.faults import drain

    user = ModuleType("muster.faults.user")
    user.Drain = drain.Drain
    assert collect([drain, user]).kinds == {"drain": drain.Drain}
    assert collect([drain, user]).flaws == ()


def test_the_shipped_faults_are_registered_soundly():
    """Each block ends with everything back."""
    found = joined(FRAME, registered().sound().steps)
    for first, *_, last in found.blocks:
        (step,) = [one for one in found.by_key.values() if one.func == first]
        (end,) = [one for one in found.by_key.values() if one.func == last]
        assert end.back or (step.make is not None and last == "recovery")


def test_a_new_fault_that_stops_its_region_is_judged_as_one():
    """By its own word in the ledger: the region's silence is the fault's; without it, unknown."""
    declared = {"t": 1.0, "event": "fault_declared", "fault": "flood", "region": REGION}
    reverted = {"t": 9.0, "event": "fault_reverted", "fault": "flood", "region": REGION}
    dark = {"t": 2.0, "event": "region_dark", "region": REGION}
    told = [{**declared, "stops_region": True}, dark, reverted]
    (absence,) = absences_of(told, margin_s=1.0)
    assert (absence.region, absence.start_s, absence.end_s) == (REGION, 1.0, 10.0)
    assert dark_hold_s(told) == 7.0
    for word in ({}, {"stops_region": False}, {"stops_region": "yes"}):
        assert absences_of([{**declared, **word}, reverted], margin_s=1.0) == ()


def test_a_scene_that_no_session_is_on_knows_its_region(beacon):
    """What a step is planned on: the target's own region, and minutes as long as they last."""
    scene = Scene(platform_of(a_target()), 10.0)
    assert (scene.region, scene.lasts(3)) == (scene.target.evacuate, "30 s")


def test_an_action_without_a_drill_touches_nothing(beacon):
    """Its control did not begin one."""
    with pytest.raises(ActivityFailed, match="no drill is running"):
        run_python_activity(METHOD[AT], {}, {})
    assert beacon.SHINES == {"pct": 100}
