"""A day runs its drills as processes: every way in which one of them ends, and the day itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drill_runner import ROOT
from floor_fixtures import await_true
from game_days import NAMES, SETTINGS, drills, template, written

from muster.clock import SYSTEM_CLOCK
from muster.controls.days import day_in
from muster.controls.source import read_drill
from muster.drill.game_day import settle
from muster.drill.game_day.child import Child, Command, adopt, without_settings
from muster.drill.game_day.ending import finish
from muster.drill.game_day.model import Entry
from muster.drill.game_day.recovery import Recovered
from muster.drill.game_day.run import DayRun, begin, stop_for
from muster.drill.game_day.settle import outcome_of
from muster.errors import DrillAborted
from muster.judge.verdict import EXIT_CODES, Verdict, judge, write_verdict

VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE", "ABORTED", "ROLLBACK_FAILED")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of each verdict."""
    found = tmp_path_factory.mktemp("templates")
    for verdict in VERDICTS:
        bundle = template(found, verdict)
        write_verdict(bundle, judge(bundle))
    return found


def judged_before(bundle: Path) -> Verdict:
    """What judging the bundle gave when its template was made: to judge it takes seconds."""
    told = json.loads((bundle / "verdict.json").read_text())
    return Verdict(told["verdict"], told["stopped_by"], (), told)


@pytest.fixture
def place(tmp_path: Path, templates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place of its own for evidence, state and what the fake drills say."""
    own = tmp_path / "templates"
    own.mkdir()
    for verdict in VERDICTS:
        (own / verdict).symlink_to(templates / verdict)
    monkeypatch.setenv("MUSTER_HOME", str(ROOT))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FAKE_TEMPLATES", str(own))
    monkeypatch.setattr(settle, "judge", judged_before)
    yield tmp_path
    for waits in own.glob("*.waits"):
        with_pid = adopt(int(waits.read_text()), None)
        if with_pid is not None:
            os.kill(int(waits.read_text()), signal.SIGKILL)


def fake(how: dict[str, str]) -> Any:
    """The command of a fake drill: `how` it ends, by its name (default: PASS)."""

    def command(entry: Entry, drill_id: str, notes: Path) -> Command:
        name = entry.plan.drill
        environment = {
            **without_settings(os.environ),
            "MUSTER_DRILL_ID": drill_id,
            "PYTHONPATH": os.pathsep.join(str(ROOT / one) for one in ("src", "tests", ".")),
        }
        script = str(ROOT / "tests" / "game_days.py")
        return Command((sys.executable, script, name, how.get(name, "PASS")), environment)

    return command


def day_run(
    place: Path,
    how: dict[str, str] | None = None,
    on_fail: str = "stop",
    wrong: dict[str, str] | None = None,
) -> DayRun:
    """A day of three fake drills. `wrong`: what the check after a drill finds, by its name."""
    file = written(place, *drills(place, *NAMES))
    given = {**SETTINGS, "on_fail": on_fail}
    run = begin(day_in(str(file), read_drill(str(file)), given))
    run.command = fake(how or {})
    found = wrong or {}
    run.check = lambda entry, drill_id: Recovered(
        0.1, (found[entry.plan.drill],) if entry.plan.drill in found else ()
    )
    run.restore = lambda: 0
    run.ready = lambda entry: None
    return run


def whole(run: DayRun) -> int:
    """Every drill of the day as its method would call it, and the end; the exit code."""
    for entry in run.day.entries:
        if run.must_stop() is not None:
            break
        try:
            run.drill(entry.number)
        except DrillAborted:
            break
    return finish(run)


def ran(place: Path) -> list[str]:
    """Which drills had effects, in order."""
    path = place / "templates" / "ran.txt"
    return path.read_text().split() if path.exists() else []


def document(place: Path) -> dict[str, Any]:
    """The day's day.json."""
    found: dict[str, Any] = json.loads((place / "out" / "latest_day" / "day.json").read_text())
    return found


def verdicts(place: Path) -> list[str | None]:
    return [(row["outcome"] or {}).get("verdict") for row in document(place)["drills"]]


def test_a_day_whose_drills_all_pass_passes(place: Path) -> None:
    """One report, each bundle by its digest, and no gate may take it."""
    assert whole(day_run(place)) == 0
    assert ran(place) == list(NAMES)
    found = document(place)
    assert found["verdict"] == "PASS"
    assert found["gate_evidence"] is False
    assert verdicts(place) == ["PASS"] * 3
    for row in found["drills"]:
        assert set(row["outcome"]["digests"]) == {"manifest.json"}
        assert row["exit_code"] == 0
    directory = place / "out" / "latest_day"
    assert {"day.html", "day.md", "day.jsonl", "junit.xml"} <= {p.name for p in directory.iterdir()}
    assert not list((place / "state" / "drills").glob("*"))


@pytest.mark.parametrize(
    ("how", "on_fail", "expected", "verdict"),
    [
        ({"two": "FAIL"}, "stop", ["one", "two"], "FAIL"),
        ({"two": "FAIL"}, "go_on", list(NAMES), "FAIL"),
        ({"two": "INCONCLUSIVE"}, "stop", ["one", "two"], "INCONCLUSIVE"),
        ({"two": "INCONCLUSIVE", "three": "FAIL"}, "go_on", list(NAMES), "INCONCLUSIVE"),
        ({"one": "ABORTED"}, "go_on", list(NAMES), "ABORTED"),
        ({"two": "ROLLBACK_FAILED"}, "go_on", ["one", "two"], "ROLLBACK_FAILED"),
        # A drill that did not begin, was killed, or whose exit code contradicts its bundle.
        ({"two": "none"}, "stop", ["one", "two"], "INCONCLUSIVE"),
        ({"two": "none"}, "go_on", list(NAMES), "INCONCLUSIVE"),
        ({"two": "killed"}, "stop", ["one", "two"], "INCONCLUSIVE"),
        ({"two": "wrong"}, "go_on", list(NAMES), "INCONCLUSIVE"),
        ({"two": "unsealed"}, "go_on", list(NAMES), "INCONCLUSIVE"),
    ],
)
def test_what_a_drill_that_did_not_pass_makes_of_the_day(
    place: Path, how: dict[str, str], on_fail: str, expected: list[str], verdict: str
) -> None:
    """The day stops or goes on as told, and always if something is left changed."""
    assert whole(day_run(place, how, on_fail)) == EXIT_CODES[verdict]
    assert ran(place) == expected
    assert document(place)["verdict"] == verdict


def test_a_platform_that_does_not_come_back_stops_the_day_and_is_named(place: Path) -> None:
    """All drills so far passed, and yet the day has not: the signal says why."""
    wrong = {"two": "signals: circuit of route primary open in eu-west-1"}
    assert whole(day_run(place, on_fail="go_on", wrong=wrong)) == EXIT_CODES["INCONCLUSIVE"]
    assert ran(place) == ["one", "two"]
    assert "circuit of route primary open" in document(place)["why"]
    assert document(place)["stopped"]["by"] == "not_recovered"


def test_a_seal_that_breaks_during_the_day_is_seen_at_its_end(place: Path) -> None:
    """The first drill's bundle is changed while the last one runs."""
    run = day_run(place)
    for number in (1, 2, 3):
        run.drill(number)
    first = place / "out" / run.progress.ended[1].drill_id
    (first / "config.json").write_text("{}")
    assert finish(run) == EXIT_CODES["INCONCLUSIVE"]
    assert "altered: config.json" in document(place)["why"]
    assert "altered: config.json" in document(place)["drills"][0]["outcome"]["seal"]


def test_a_bundle_that_is_sealed_again_is_not_the_one_that_was_judged(place: Path) -> None:
    """Another evidence under the same name has another digest."""
    from muster.bundle import seal

    run = day_run(place)
    for number in (1, 2, 3):
        run.drill(number)
    first = place / "out" / run.progress.ended[1].drill_id
    (first / "config.json").write_text("{}")
    seal(first)
    assert finish(run) == EXIT_CODES["INCONCLUSIVE"]
    assert "sealed again" in document(place)["why"]


def test_a_bundle_is_judged_again_and_must_be_of_the_drill(
    place: Path, templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the drill and of the target stand in the evidence."""
    from game_days import leave

    monkeypatch.setattr(settle, "judge", judge)
    run = day_run(place)
    own = (templates / "PASS" / "target.yaml").read_bytes()
    one, two = (replace(run.entry(number).plan, target_bytes=own) for number in (1, 2))
    finish(run)
    bundle = place / "out" / "20260101T000000Z-one-0000"
    leave(bundle, templates / "PASS", "one", "test", now=False)
    assert outcome_of(bundle, one, 0.0).verdict == "PASS"
    monkeypatch.setattr(settle, "judge", judged_before)
    elsewhere = replace(one, target=one.target.model_copy(update={"name": "staging"}))
    later_s = SYSTEM_CLOCK.now_s() + 60
    for found, word in (
        (outcome_of(bundle, two, 0.0), "its drill is 'one'"),
        (outcome_of(bundle, elsewhere, 0.0), "its target is 'test'"),
        (outcome_of(bundle, one, later_s), "before the day began it"),
        (outcome_of(bundle, replace(one, target_bytes=b""), 0.0), "its target.yaml is not"),
        (outcome_of(bundle, replace(one, contract_bytes=b""), 0.0), "its contract.yaml is not"),
        (outcome_of(place / "out" / "none", one, 0.0), "none"),
    ):
        assert found.verdict == "INCONCLUSIVE"
        assert word in found.why


def test_a_signal_ends_the_running_drill_and_then_the_day(place: Path) -> None:
    """The drill is asked once, restores by itself, and nothing begins after it."""
    run = day_run(place, {"two": "hangs"}, "go_on")
    waits = place / "templates" / "two.waits"
    run.drill(1)

    def asked(number: int, frame: object) -> None:
        run.stop.set(stop_for("SIGTERM", run.clock))

    before = signal.signal(signal.SIGALRM, asked)
    command = run.command
    assert command is not None

    def told(entry: Entry, drill_id: str, notes: Path) -> Command:
        # As the signal of a person would, while the drill is waited for.
        subprocess.Popen(
            [sys.executable, "-c", _TELL, str(waits), str(os.getpid())], stdin=subprocess.DEVNULL
        )
        return command(entry, drill_id, notes)

    run.command = told
    try:
        with pytest.raises(DrillAborted):
            run.drill(2)
        assert finish(run) == EXIT_CODES["ABORTED"]
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ran(place) == ["one", "two"]
    assert verdicts(place) == ["PASS", "ABORTED", None]
    assert document(place)["stopped"]["by"] == "signal:SIGTERM"


_TELL = """
import os, signal, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
os.kill(int(sys.argv[2]), signal.SIGALRM)
"""


def test_two_days_on_one_target_are_refused(place: Path) -> None:
    """The second one is told which process holds the target's day."""
    run = day_run(place)
    with pytest.raises(DrillAborted, match=r"held by game_day \(process"):
        day_run(place)
    finish(run)


_DAY = """
import sys
from pathlib import Path
from muster.drill.game_day import settle
from test_game_day_run import day_run, judged_before, whole
settle.judge = judged_before
sys.exit(whole(day_run(Path(sys.argv[1]), {"two": sys.argv[2]}, "go_on")))
"""


def process(place: Path, how: str) -> subprocess.Popen[bytes]:
    """The day as a process of its own, whose second drill ends by `how`."""
    path = os.pathsep.join(str(ROOT / one) for one in ("src", "tests", "."))
    return subprocess.Popen(
        [sys.executable, "-c", _DAY, str(place), how],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
    )


def test_a_killed_day_is_continued_where_it_was(place: Path) -> None:
    """The drill that was under way goes on without its day, and the next day waits for it."""
    waits = place / "templates" / "two.waits"
    first = process(place, "slow")
    await_true(lambda: first.poll() is not None or waits.exists(), "the second drill")
    first.kill()
    first.wait()
    (place / "templates" / "go").touch()
    run = day_run(place, {"two": "FAIL"})
    assert run.progress.under_way is not None
    assert whole(run) == 0
    assert ran(place) == list(NAMES)
    assert document(place)["starts"] == 2
    assert len(list((place / "out").glob("*Z-*/day.jsonl"))) == 1


def test_a_drill_that_died_with_its_day_counts_as_its_bundle_says(place: Path) -> None:
    """It is recovered before anything else begins, and not run again."""
    waits = place / "templates" / "two.waits"
    first = process(place, "slow")
    await_true(lambda: first.poll() is not None or waits.exists(), "the second drill")
    first.kill()
    first.wait()
    os.kill(int(waits.read_text()), signal.SIGKILL)
    run = day_run(place, on_fail="stop")
    under_way = run.progress.under_way
    assert under_way is not None

    def restore() -> int:
        # As `chaos drill recover` does: it restores, and ends and judges the dead drill's bundle.
        from game_days import leave

        leave(place / "out" / under_way.drill_id, place / "templates" / "ABORTED", "two", "test")
        return 0

    run.restore = restore
    assert whole(run) == EXIT_CODES["ABORTED"]
    assert ran(place) == list(NAMES)
    assert verdicts(place) == ["PASS", "ABORTED", "PASS"]
    assert document(place)["drills"][1]["interrupted"] is True


def test_a_drill_that_never_began_is_run(place: Path) -> None:
    """Its process got no word before the day died: it has changed nothing and left no bundle."""
    run = day_run(place)
    run.drill(1)
    run.journal.record("drill_begun", number=2, drill_id="20260101T000000Z-two-0000")
    run.journal.close()
    run.lock.release()
    again = day_run(place)
    assert whole(again) == 0
    assert ran(place) == list(NAMES)


def test_no_word_no_drill(place: Path) -> None:
    """If its pid cannot be recorded, the drill's process ends without having begun."""
    pids = []

    def told(pid: int, ticks: int | None) -> None:
        pids.append(pid)
        raise OSError("no room")

    run = day_run(place)
    with pytest.raises(OSError, match="no room"):
        Child(fake({})(run.entry(1), "20260101T000000Z-one-0000", place), told)
    finish(run)
    os.waitpid(pids[0], 0)
    assert ran(place) == []
