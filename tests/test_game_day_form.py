"""The file of a game day: what is refused before anything starts, and the days that come along."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from drill_runner import ROOT, TARGET, drill_files
from game_days import NAMES, SETTINGS, SLOW, document, drills, written
from held_clock import HeldClock

from muster.controls.days import day_in
from muster.drill.game_day import full
from muster.drill.game_day.journal import Journal
from muster.drill.game_day.model import Day
from muster.drill.game_day.outline import Outline, check_begins, outline
from muster.errors import BadInput, DrillAborted
from muster.faults import registered
from muster.faults.around import BEGIN

DAYS = sorted((ROOT / "drills").glob("game_day*.json"))
REDIS = "experiments/redis_outage.json"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    monkeypatch.chdir(ROOT)


def planned(data: dict[str, Any], **given: str) -> Day:
    return day_in("day.json", data, {**SETTINGS, **given})


def method(index: int, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data["method"][index][key] = value

    return change


def argument(index: int, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data["method"][index]["provider"]["arguments"][key] = value

    return change


def probe(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data["steady-state-hypothesis"]["probes"][0][key] = value

    return change


FIRST = "method.0.provider.arguments"
WRONG: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    # Its drills.
    (argument(0, "drill", "experiments/redis_outag.json"), "did you mean .*redis_outage.json"),
    (argument(0, "drill", "experiments"), "experiments: got 'Is a directory', expected a drill's"),
    (argument(0, "drill", SLOW), r"got 'experiments/redis_slow.json', expected each drill once"),
    (argument(0, "drill", f"./{SLOW}"), r"expected each drill once \(\./experiments/redis_slow"),
    (argument(0, "drill", ""), "got '', expected a drill's file"),
    (argument(0, "drill", "drills/game_day_full.json"), "expected a drill: that is a day"),
    (argument(0, "dril", REDIS), r"dril: got .*did you mean drill\?"),
    (argument(0, "recovery_s_max", 0), "recovery_s_max: got 0, expected seconds over 0"),
    (argument(0, "recovery_s_max", float("nan")), "recovery_s_max: got nan"),
    (argument(0, "recovery_s_max", True), "recovery_s_max: got True"),
    (argument(0, "recovery_s_max", 1e9), "at most 7200"),
    # Its activities.
    (lambda data: data.update(method=[]), "method: got .*, expected a drill, or more"),
    (method(0, "type", "probe"), "expected muster.actions.game_day.drill alone"),
    (method(0, "background", True), "background: got True, expected none"),
    (method(0, "pauses", {"after": 5}), "pauses: got .*expected none"),
    (
        lambda data: data["method"][0]["provider"].update(module="muster.actions.fault"),
        "expected muster.actions.game_day.drill alone",
    ),
    (lambda data: data.update(rollbacks=[{"name": "x"}]), "each drill restores what it changed"),
    # What decides.
    (lambda data: data.update(controls=[]), "expected the control muster.controls.game_day"),
    (lambda data: data["controls"].append({"name": "x"}), "and no other"),
    (
        lambda data: data["controls"][0]["provider"]["arguments"].update(day="../x"),
        "day: got '../x'",
    ),
    (
        lambda data: data["controls"][0]["provider"]["arguments"].update(dya="x"),
        r"dya: got 'x', expected one of day \(did you mean day\?\)",
    ),
    (lambda data: data["controls"][0].update(automatic=False), "automatic: got False"),
    (probe("tolerance", False), "tolerance: got False, expected true"),
    (lambda data: data.pop("steady-state-hypothesis"), "which decides"),
    (lambda data: data.pop("runtime"), "strategy: got None, expected after-method-only"),
    # Its settings.
    (
        lambda data: data["configuration"].update(on_fial="stop"),
        r"configuration.on_fial: got 'stop'.*did you mean on_fail\?",
    ),
    (lambda data: data.update(title="a\x1b[2J"), "expected text without control characters"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_a_wrong_day_is_refused_in_one_line(
    change: Callable[[dict[str, Any]], object], words: str
) -> None:
    """It names what was given and what was expected."""
    data = copy.deepcopy(document(REDIS, SLOW))
    change(data)
    with pytest.raises(BadInput, match=words) as caught:
        planned(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"on_fail": "stpo"}, r"on_fail: got 'stpo', expected one of .*did you mean stop\?"),
        ({"scale": "5"}, "scale: got '5', expected a number over 0"),
        ({"target": "testbd"}, "did you mean testbed"),
        ({"profile": "m3_20"}, "did you mean m3_20k"),
        ({"sclae": "1"}, "did you mean scale"),
        ({"defect": "queue_stck"}, "did you mean queue_stuck"),
    ],
)
def test_a_wrong_setting_is_refused_as_a_drill_refuses_it(
    given: dict[str, str], words: str
) -> None:
    """Every drill of the day gets the same settings."""
    with pytest.raises(BadInput, match=words):
        planned(document(REDIS), **given)


def test_a_drill_that_does_not_fit_the_target_is_refused_before_the_first_one(
    tmp_path: Path,
) -> None:
    """The last drill needs a proxy that the blast radius does not allow: nothing is begun."""
    data = yaml.safe_load(TARGET.read_text())
    kept = [one for one in data["blast_radius"]["proxies"] if "provider_primary" not in one]
    data["blast_radius"]["proxies"] = kept
    target = tmp_path / "target.yaml"
    target.write_text(yaml.safe_dump(data))
    day = planned(document(REDIS, "experiments/provider_latency.json"), target=str(target))
    with pytest.raises(DrillAborted, match=r"provider_latency.json: .*blast_radius"):
        check_begins(day)


def with_calendar(tmp_path: Path, **calendar: Any) -> Day:
    data = yaml.safe_load(TARGET.read_text())
    data["calendar"] = {"time_zone": "UTC", **calendar}
    target = tmp_path / "target.yaml"
    target.write_text(yaml.safe_dump(data))
    return planned(document(REDIS, SLOW), target=str(target))


MONDAY = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


def at(day: Day, moment: datetime) -> Outline:
    return outline(day, HeldClock(now_s=moment.timestamp()))


def test_a_day_that_fits_its_window_may_begin(tmp_path: Path) -> None:
    """From the first drill's begin to the check after the last one."""
    day = with_calendar(tmp_path, allowed=[{"from": "09:00", "to": "11:00"}])
    assert at(day, MONDAY).refused == ()


@pytest.mark.parametrize(
    ("calendar", "late_min", "words"),
    [
        ({"allowed": [{"from": "09:00", "to": "11:00"}]}, -30, "fits next: Mon 2026-11-30 09:00"),
        # The first drill would fit; the second one would begin, or end, too late.
        ({"allowed": [{"from": "09:00", "to": "11:00"}]}, 116, "fits next: Tue 2026-12-01 09:00"),
        ({"allowed": [{"from": "09:00", "to": "11:00"}]}, 119, "redis_slow.json at Mon"),
        ({"allowed": [{"from": "09:00", "to": "09:05"}]}, 0, "fits in no window"),
        (
            {"frozen": [{"from": "2026-11-30T09:04:00", "to": "2026-12-02", "why": "sale"}]},
            0,
            "sale.*fits next: Thu 2026-12-03 00:00",
        ),
    ],
)
def test_a_day_that_does_not_fit_its_window_is_refused(
    tmp_path: Path, calendar: dict[str, Any], late_min: float, words: str
) -> None:
    """The whole day must fit, and the line says when it would."""
    day = with_calendar(tmp_path, **calendar)
    (refused,) = at(day, MONDAY + timedelta(minutes=late_min)).refused
    assert isinstance(refused, DrillAborted)
    assert re.search(words, str(refused))


def test_the_plan_shows_the_whole_day_with_times() -> None:
    """Each drill begins after the end of the one before and the check after it."""
    found = at(planned(document(REDIS, SLOW)), MONDAY)
    first, second = found.slots
    assert first.begin_s < first.end_s < first.end_s + first.between_s == second.begin_s
    assert found.length_s == second.end_s + second.between_s
    lines = "\n".join(found.lines())
    assert f"1 {REDIS}" in lines
    assert f"2 {SLOW}" in lines
    assert f"until {found.at(found.length_s):%H:%M} UTC" in lines
    document_ = found.as_json()
    assert [one["file"] for one in document_["drills"]] == [REDIS, SLOW]
    assert document_["totals"]["seconds"] == round(found.length_s)


def test_a_day_to_be_continued_needs_time_for_what_is_left_alone(tmp_path: Path) -> None:
    """The first drill has ended: the second one fits where both would not."""
    day = with_calendar(tmp_path, allowed=[{"from": "09:00", "to": "11:00"}])
    whole = at(day, MONDAY)
    late = MONDAY + timedelta(hours=2, seconds=-whole.slots[1].end_s + whole.slots[0].end_s - 60)
    assert at(day, late).refused != ()
    clock = HeldClock(now_s=MONDAY.timestamp())
    journal = Journal("20261130T090000Z-game_day-0000", clock)
    listed = [{"number": one.number} for one in day.entries]
    journal.record("day_started", identity=day.identity, drills=listed)
    journal.record("drill_begun", number=1, drill_id="x")
    journal.record(
        "drill_ended", number=1, drill_id="x", outcome={"verdict": "PASS"}, interrupted=False
    )
    found = at(day, late)
    assert found.refused == ()
    assert found.ended == {1}
    assert [one.entry.number for one in found.slots] == [2]
    assert f"1 {REDIS}" in "\n".join(found.lines())
    assert "not run again" in "\n".join(found.lines())


@pytest.mark.parametrize("path", DAYS, ids=[path.stem for path in DAYS])
def test_the_days_that_come_along_are_whole(path: Path) -> None:
    """Each could begin on the testbed as it is, and is named by its file."""
    data = json.loads(path.read_text())
    day = day_in(str(path), data, {})
    assert day.name == path.stem
    assert day.title == data["title"]
    assert check_begins(day).refused == ()
    for one in data["method"]:
        assert one["name"] == Path(one["provider"]["arguments"]["drill"]).stem.replace("_", " ")


def test_the_full_day_has_every_fault_once() -> None:
    """Every experiment is an entry, and every fault of the registry is in one of its drills.

    A new experiment: `python -m muster.drill.game_day.full` writes the list.
    """
    path = ROOT / "drills" / "game_day_full.json"
    assert path.read_text(encoding="utf-8") == full.text()
    listed = [
        one["provider"]["arguments"]["drill"] for one in json.loads(path.read_text())["method"]
    ]
    experiments = {
        f"experiments/{one.name}"
        for one in (ROOT / "experiments").glob("*.json")
        # One that needs another target by its own file cannot be run in the same day.
        if full.target_of(json.loads(one.read_text())) == "testbed"
    }
    assert experiments - set(listed) == set()
    assert {"drills/safety_net.json", "drills/hello.json", "drills/region_failover.json"} <= set(
        listed
    )
    files = {str(one.relative_to(ROOT)) for one in drill_files()}
    assert set(listed) <= files
    used = {
        one["provider"]["func"].removeprefix(BEGIN)
        for name in listed
        for one in json.loads((ROOT / name).read_text())["method"]
    }
    singles = {step.func for step in registered().steps if step.make is not None}
    # What needs Sentinel, which excludes other faults, or regions that are pods.
    of_pods = {"pods_killed", "node_drained", "readiness_broken", "image_unpullable"}
    assert singles - used == {"redis_promoted", *of_pods}


def test_what_takes_a_whole_region_comes_last() -> None:
    """Small faults first, by name in each group."""
    found = full.in_order(["region_loss", "dns_slow", "provider_429", "redis_slow", "redis_full"])
    assert [Path(one).stem for one in found] == [
        "safety_net", "hello", "redis_full", "redis_slow", "provider_429", "dns_slow",
        "region_loss", "region_failover",
    ]  # fmt: skip


def test_an_identity_is_of_drills_and_settings(tmp_path: Path) -> None:
    """A day of other drills, another order or another scale is another one; on_fail may change."""
    files = drills(tmp_path, *NAMES)
    same = planned(document(*files)).identity
    assert planned(document(*files), on_fail="go_on").identity == same
    assert planned(document(*files[:2])).identity != same
    assert planned(document(*reversed(files))).identity != same
    assert planned(document(*files), scale="0.5").identity != same
    Path(files[0]).write_text(Path(files[0]).read_text() + " ")
    assert planned(document(*files)).identity != same


_RUN = """
import json, sys
from click.testing import CliRunner
from chaostoolkit.commands import cli
for asked in json.load(sys.stdin):
    done = CliRunner().invoke(cli, ["--no-version-check", "--no-log-file", *asked])
    print(json.dumps([done.exit_code, done.output]))
"""


def chaos(*commands: list[str]) -> list[tuple[int, str]]:
    """Exit code and output of each command of Chaos Toolkit, all in one process."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        input=json.dumps(commands),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines() if line.startswith("[")]


def test_chaos_run_refuses_a_day_before_anything_starts_and_shows_its_plan(tmp_path: Path) -> None:
    """One line and exit 2; `--plan` shows what `chaos drill plan` shows, for drills too."""
    good = str(written(tmp_path, REDIS, SLOW))
    (tmp_path / "bad").mkdir()
    bad = str(written(tmp_path / "bad", REDIS, "experiments/redis_slwo.json"))
    settings = [part for key, value in SETTINGS.items() for part in ("--var", f"{key}={value}")]
    found = chaos(
        ["run", *settings, bad],
        ["run", *settings, "--plan", bad],
        ["run", *settings, "--var", "on_fail=nver", good],
        ["run", *settings, "--hypothesis-strategy", "before-method-only", good],
        ["run", *settings, "--plan", good],
        ["drill", "plan", *settings, good],
        ["run", *settings, "--plan", REDIS],
        ["drill", "doctor", str(TARGET), "--drill", good],
        ["validate", good],
    )
    for code, output in found[:4]:
        assert code == 2, output
        assert len(output.splitlines()) == 1
    assert "did you mean" in found[0][1]
    assert "redis_slow.json" in found[0][1]
    assert "--hypothesis-strategy" in found[3][1]
    assert found[4][0] == found[5][0] == 0, found[4][1]
    assert [line.split()[:2] for line in found[4][1].splitlines()] == [
        line.split()[:2] for line in found[5][1].splitlines()
    ]
    assert "2 drills" in found[4][1]
    assert found[6][0] == 0
    assert "redis_outage" in found[6][1]
    assert found[7][0] == 2
    assert "expected a drill: that is a game day" in found[7][1]
    assert found[8][0] == 0, found[8][1]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "state").exists()
