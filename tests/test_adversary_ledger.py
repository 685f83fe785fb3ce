"""Ledgers as an editor leaves them: never a PASS, never a traceback, one line that says why."""

from __future__ import annotations

import json
import shutil

import pytest
from bundle_maker import FAILOVER, Story, make_bundle

from muster.bundle import seal
from muster.cli.gate import Asked, answer
from muster.judge.ledger_lines import wrong_of
from muster.judge.verdict import judge, write_verdict
from muster.reports import write_reports

PHASES = tuple((n, t, 30.0 if n == "dark" else s) for n, t, s in FAILOVER)
NAN = float("nan")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    story = Story(phases=PHASES, server_processes=1, shards=1)
    return make_bundle(tmp_path_factory.mktemp("edited") / "plain", story)


@pytest.fixture
def edited(made, tmp_path):
    """Writes the bundle again with a changed ledger."""

    def write(change):
        bundle = shutil.copytree(made, tmp_path / "bundle")
        lines = (made / "ledger.jsonl").read_text().splitlines()
        events = change([json.loads(line) for line in lines])
        numbered = [{**event, "seq": number} for number, event in enumerate(events, start=1)]
        (bundle / "ledger.jsonl").write_text("".join(json.dumps(e) + "\n" for e in numbered))
        return bundle

    return write


def setting(kind, phase=None, /, **fields):
    def change(events):
        hit = next(e for e in events if e["event"] == kind and phase in (None, e.get("phase")))
        hit.update(fields)
        return events

    return change


def adding(event):
    def change(events):
        return [*events[:-2], {"t": events[-2]["t"], **event}, *events[-2:]]

    return change


@pytest.mark.parametrize("phase", ["baseline", "dark"])
def test_a_phase_under_load_that_no_tier_judges_is_unknown(edited, phase):
    """Or a drill could pass though nobody looked at its dark phase."""
    verdict = judge(edited(setting("phase_started", phase, tier=None)))
    assert verdict.verdict == "INCONCLUSIVE"
    assert any(
        f"{phase} [ledger]" in line and "no tier" in line for line in verdict.document["unknowns"]
    )


STARTED = [
    ("regions", []),
    ("regions", None),
    ("streams_target", 0),
    ("streams_target", -5),
    ("streams_target", NAN),
    ("time_scale", 0),
    ("time_scale", -1),
    ("time_scale", NAN),
    ("time_scale", 121.0),
    ("scrape_interval_s", NAN),
    ("scrape_interval_s", 0),
    ("kind", None),
    ("drill", ["a"]),
    ("gate", ["M3"]),
    ("profile", [1]),
    ("platform_build", 5),
    ("platform_build", [None]),
    ("t", "x"),
    ("t", 1e22),
    ("t", NAN),
]
SETTING = [("drill_started", key, value) for key, value in STARTED] + [
    ("verify", "readback", ["x"]),
    ("verify", "readback", 5),
    ("verify", "commands", 5),
    ("phase_started", "t", None),
    ("phase_started", "phase", [1]),
    ("fault_proof", "region", ["a"]),
]
ADDING = [
    {"event": "finding", "finding": None},
    {"event": "finding", "finding": {"slo": "x", "status": "pass", "threshold": "a"}},
    {"event": "finding", "finding": {"slo": "x", "status": "pass", "window": [5]}},
    {"event": "finding", "finding": {"slo": "x", "status": "pass", "region": 5}},
    {"event": "finding", "finding": {"slo": "x", "status": "pass", "bracket": ["a", "b"]}},
    {"event": "timing", "name": None},
    {"event": None},
    {"event": "x", "t": None},
]


@pytest.mark.parametrize(("kind", "key", "value"), SETTING)
def test_what_a_line_must_say_is_told(made, kind, key, value):
    """By its event and key."""
    events = [json.loads(line) for line in (made / "ledger.jsonl").read_text().splitlines()]
    event = next(event for event in events if event["event"] == kind)
    assert wrong_of(event) == ""
    assert wrong_of({**event, key: value}) == f"{kind}: {key}"


@pytest.mark.parametrize("event", ADDING, ids=str)
def test_what_a_line_must_have_is_told(event):
    """An event that is empty, or holds a value of another kind."""
    assert wrong_of({"t": 1.0, **event})


WHOLE = [
    setting("drill_started", regions=[]),
    setting("drill_started", platform_build=5),
    setting("verify", readback=["x"]),
    setting("phase_started", t=None),
    adding(ADDING[1]),
]


@pytest.mark.parametrize("change", WHOLE)
def test_such_a_line_keeps_every_reader_from_a_pass(edited, change):
    """The judge, the report and the gate: none with a traceback."""
    bundle = edited(change)
    verdict = judge(bundle)
    assert verdict.verdict not in ("PASS", "FAIL")
    assert any("lacks a valid field" in line for line in verdict.document["unknowns"])
    write_verdict(bundle, verdict)
    assert write_reports(bundle)
    seal(bundle)
    result, code = answer(Asked("M3", (bundle,), allow_testbed=True, allow_unsigned=True))
    assert not result.opens
    assert code in (3, 5)


def test_a_drill_that_is_said_to_begin_twice_does_not_pass(edited):
    """Which of them was judged nobody could say."""
    verdict = judge(edited(lambda events: [events[0], *events]))
    assert verdict.verdict == "INCONCLUSIVE"
    assert "ledger.jsonl: 2 events drill_started; a drill has one" in (verdict.document["unknowns"])


def test_the_lines_of_a_plain_drill_say_what_they_must(made):
    """Nothing is left out of a ledger that a drill wrote."""
    lines = (made / "ledger.jsonl").read_text().splitlines()
    assert [wrong for line in lines if (wrong := wrong_of(json.loads(line)))] == []


def test_a_scrape_interval_that_the_target_does_not_have_is_unknown(edited):
    """What may be missing between two samples follows it."""
    bundle = edited(setting("drill_started", scrape_interval_s=1e9))
    found = judge(bundle)
    assert found.verdict == "INCONCLUSIVE"
    assert any("the target says 1" in line for line in found.document["unknowns"])
