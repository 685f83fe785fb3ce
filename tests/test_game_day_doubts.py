"""What a day does not believe: a line without evidence, an old bundle, a file that was changed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from drill_runner import ROOT, TARGET
from game_days import NAMES, SETTINGS, drills, written
from test_game_day_run import day_run, document, place, ran, templates, verdicts, whole

from muster.controls import days
from muster.controls.days import day_in
from muster.controls.source import read_drill
from muster.drill.game_day import settle
from muster.drill.game_day.ending import finish
from muster.drill.game_day.model import Day
from muster.drill.game_day.run import DayRun
from muster.jsonl import LogLost
from muster.judge.verdict import EXIT_CODES, Verdict

__all__ = ["place", "templates"]  # the fixtures of these tests
INCONCLUSIVE = EXIT_CODES["INCONCLUSIVE"]


def left_as_if_killed(run: DayRun) -> None:
    """Let go of the day without its end."""
    run.journal.close()
    run.lock.release()


def claim(run: DayRun, number: int, drill_id: str, outcome: dict[str, Any], *, begun: bool) -> None:
    """Lines that say that the drill ended so, as nobody ran it."""
    if begun:
        run.journal.record("drill_begun", number=number, drill_id=drill_id, file="x")
    run.journal.record(
        "drill_ended", number=number, drill_id=drill_id, exit_code=0, interrupted=False,
        took_s=1.0, outcome=outcome,
    )  # fmt: skip
    run.journal.record("recovery", number=number, ok=True, took_s=1.0, wrong=[])


def test_a_drill_whose_file_was_changed_during_the_day_is_not_run(place: Path) -> None:
    """It would be a gentler one under the planned one's digest. The day stops before it."""
    run = day_run(place)
    run.drill(1)
    three = Path(run.entry(3).path)
    three.write_text(three.read_text().replace("drain", "restore"))
    assert whole(run) == EXIT_CODES["ABORTED"]
    assert ran(place) == ["one", "two"]
    found = document(place)
    assert found["stopped"]["by"] == "action:drill_changed"
    assert str(three) in found["why"]


def test_a_drill_whose_file_is_gone_is_not_run(place: Path) -> None:
    """What cannot be read is not what was planned."""
    run = day_run(place)
    Path(run.entry(1).path).unlink()
    assert whole(run) == EXIT_CODES["ABORTED"]
    assert ran(place) == []


def test_the_digest_of_a_drill_is_of_what_was_checked(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is changed right after it was read: the day still knows what it checked."""
    file = written(place, *drills(place, "one"))
    before = days.bytes_of

    def read_and_changed(source: str) -> bytes:
        raw = before(source)
        Path(source).write_text("{}")
        return raw

    experiment = read_drill(str(file))
    monkeypatch.setattr(days, "bytes_of", read_and_changed)
    entry = day_in(str(file), experiment, SETTINGS).entries[0]
    assert entry.plan.drill == "one"
    assert entry.sha256 != hashlib.sha256(b"{}").hexdigest()


def test_lines_without_evidence_are_no_drills(place: Path) -> None:
    """PASS for every drill in the day's own ledger, chain intact, and no drill was run."""
    run = day_run(place)
    for number, name in enumerate(NAMES, 1):
        claim(run, number, f"x-{name}", {"verdict": "PASS"}, begun=True)
    left_as_if_killed(run)
    again = day_run(place)
    assert again.journal.day_id == run.journal.day_id
    assert whole(again) == INCONCLUSIVE
    assert ran(place) == []
    assert "no digest" in document(place)["why"]
    assert verdicts(place) == ["INCONCLUSIVE"] * 3


@pytest.mark.parametrize(
    ("begun", "word"), [(True, "before the day began it"), (False, "no line of the day says")]
)
def test_a_bundle_of_an_earlier_day_is_not_used_again(place: Path, begun: bool, word: str) -> None:
    """Its seal and its verdict are good, and it proves nothing of this day."""
    assert whole(day_run(place)) == 0
    rows = document(place)["drills"]
    second = day_run(place)
    for row in rows:
        claim(second, row["number"], row["drill_id"], row["outcome"], begun=begun)
    left_as_if_killed(second)
    assert whole(day_run(place)) == INCONCLUSIVE
    assert len(ran(place)) == len(NAMES)
    assert word in document(place)["why"]
    assert verdicts(place) == ["INCONCLUSIVE"] * 3


def test_what_counts_as_passed_is_judged_again_at_the_end(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says PASS; the bundle, sealed as it was, does not."""
    run = day_run(place)
    for number in (1, 2, 3):
        run.drill(number)
    own = settle.judge

    def judged(bundle: Path) -> Verdict:
        if "-two-" in bundle.name:
            return Verdict("FAIL", None, (), {})
        return own(bundle)

    monkeypatch.setattr(settle, "judge", judged)
    assert finish(run) == INCONCLUSIVE
    assert "judged again: FAIL" in document(place)["why"]
    assert verdicts(place) == ["PASS", "INCONCLUSIVE", "PASS"]


def test_a_bundle_that_cannot_be_judged_again_does_not_keep_the_day_from_its_end(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it, the day ends, and has not passed."""
    run = day_run(place)
    for number in (1, 2, 3):
        run.drill(number)

    def broken(bundle: Path) -> Verdict:
        raise ValueError("unexpected")

    monkeypatch.setattr(settle, "judge", broken)
    assert finish(run) == INCONCLUSIVE
    assert "cannot be judged again" in document(place)["why"]


@pytest.mark.parametrize("broken", [False, True])
def test_a_day_whose_end_is_not_on_record_says_so_in_every_form(place: Path, broken: bool) -> None:
    """The last line is refused by the disk: the report says what the exit code says."""
    run = day_run(place)
    for number in (1, 2, 3):
        run.drill(number)
    if broken:
        (place / "out" / run.progress.ended[2].drill_id / "config.json").write_text("{}")
    record = run.journal.record

    def refuse(event: str, **fields: Any) -> None:
        if event == "day_ended":
            raise LogLost("no room")
        record(event, **fields)

    run.journal.record = refuse  # type: ignore[method-assign]
    assert finish(run) == INCONCLUSIVE
    found = document(place)
    assert found["verdict"] == "INCONCLUSIVE"
    assert ("altered: config.json" if broken else "not on record") in found["why"]
    assert bool(found["drills"][1]["outcome"]["seal"]) is broken
    directory = place / "out" / "latest_day"
    assert found["why"] in (directory / "day.html").read_text()
    suite = ET.parse(directory / "junit.xml").getroot()[0]
    assert suite.findall("testcase[@name='verdict']/error")


@pytest.fixture
def own_target(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target and a contract of the test's own, in `place`."""
    data = yaml.safe_load(TARGET.read_text())
    shutil.copy(ROOT / data["contract"], place / "contract.yaml")
    own = data | {"contract": str(place / "contract.yaml")}
    (place / "test.yaml").write_text(yaml.safe_dump(own))
    monkeypatch.setitem(SETTINGS, "target", str(place / "test.yaml"))


def planned(place: Path) -> Day:
    """A day of one drill."""
    file = written(place, *drills(place, "one"))
    return day_in(str(file), read_drill(str(file)), SETTINGS)


@pytest.mark.usefixtures("own_target")
@pytest.mark.parametrize("changed", ["test.yaml", "contract.yaml"])
def test_a_day_of_other_limits_is_another_day(place: Path, changed: str) -> None:
    """The file of target or contract was changed while no day ran: nothing is continued."""
    one = planned(place)
    assert planned(place).identity == one.identity
    file = place / changed
    file.write_text(file.read_text() + "# changed\n")
    assert planned(place).identity != one.identity


@pytest.mark.usefixtures("own_target")
@pytest.mark.parametrize("changed", ["test.yaml", "contract.yaml"])
def test_limits_that_were_changed_during_the_day_stop_it(place: Path, changed: str) -> None:
    """The next drill would run under others than the day was planned with."""
    run = day_run(place)
    file = place / changed
    file.write_text(file.read_text() + "# changed\n")
    assert whole(run) == EXIT_CODES["ABORTED"]
    assert ran(place) == []
    assert str(file) in document(place)["why"]
