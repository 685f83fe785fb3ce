"""Past drills: read once, stored beside the bundles, and read again as soon as a file changed."""

from __future__ import annotations

import json
import os
import sqlite3

import pytest
from click.testing import CliRunner
from held_clock import HeldClock
from past_drills import FIRST_S, finding, past_bundle

from muster.cli.history import history as history_command
from muster.errors import BadInput
from muster.reports.history import read as reading
from muster.reports.history import store as storing
from muster.reports.history.headroom import headroom, least_headroom
from muster.reports.history.read import history
from muster.reports.history.store import NAME, SETTLED_S

LATER_S = 10 * SETTLED_S


@pytest.fixture
def later():
    """A clock by which every file of now has settled."""
    import time

    return HeldClock(time.time() + LATER_S)


@pytest.fixture
def looked_at(monkeypatch):
    """The names of the bundles whose seals were checked."""
    found = []
    real = reading.check_seal

    def check(bundle, *arguments, **named):
        found.append(bundle.name)
        return real(bundle, *arguments, **named)

    monkeypatch.setattr(reading, "check_seal", check)
    return found


def test_a_drill_is_read_with_what_was_asked_and_what_came_out(tmp_path, later):
    """From the ledger's first line and the verdict; hurt are the attempts that did not succeed."""
    past_bundle(tmp_path, hurt=30, verdict="FAIL", defect="queue_stuck", timings={"dark_s": 110.0})
    (past,) = history(tmp_path, clock=later)
    assert (past.verdict, past.stopped_by, past.defect) == ("FAIL", "trigger:5xx", "queue_stuck")
    assert (past.streams, past.started_s, past.length_s) == (20_000, FIRST_S, 600.0)
    assert (past.shift_s, past.dark_s, past.trip_to_restored_s) == (14.0, 110.0, None)
    assert (past.hurt, past.attempts, past.hurt_share) == (30, 10_000, 0.003)
    assert past.headroom == pytest.approx((2.5 - 0.65) / 2.5)


def test_a_count_that_is_unknown_makes_nobody_hurt_unknown(tmp_path, later):
    """Not zero: a counter that was lost has no value."""
    bundle = past_bundle(tmp_path, sealed=False)
    told = json.loads((bundle / "verdict.json").read_text())
    told["load"]["outcomes"]["http_5xx"] = None
    (bundle / "verdict.json").write_text(json.dumps(told))
    (past,) = history(tmp_path, unsealed=True, clock=later)
    assert (past.hurt, past.attempts, past.hurt_share) == (None, None, None)


def test_an_unchanged_bundle_is_read_once(tmp_path, later, looked_at):
    """Its row in the store says the same as its files."""
    past_bundle(tmp_path)
    first = history(tmp_path, clock=later)
    assert history(tmp_path, clock=later) == first
    assert len(looked_at) == 1


@pytest.mark.parametrize("name", ["verdict.json", "load-0.jsonl"])
def test_a_changed_file_is_seen_though_its_size_and_time_are_kept(tmp_path, later, looked_at, name):
    """By the time at which the file system itself says that it changed."""
    bundle = past_bundle(tmp_path)
    assert history(tmp_path, clock=later)[0].verdict == "PASS"
    file, before = bundle / name, (bundle / name).stat()
    file.write_bytes(file.read_bytes().replace(b"0", b"1"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    (past,) = history(tmp_path, clock=later)
    assert (past.verdict, past.seal, past.shift_s, past.trusted) == ("", "altered", None, False)


def test_a_file_that_changed_just_now_is_read_again(tmp_path, looked_at):
    """It may change again within one tick of the file system's clock."""
    past_bundle(tmp_path)
    history(tmp_path)
    history(tmp_path)
    assert len(looked_at) == 2


def test_with_a_key_every_seal_is_checked(tmp_path, later, looked_at, monkeypatch):
    """Who could write a bundle could write the store, and a signature is against them."""
    past_bundle(tmp_path)
    history(tmp_path, clock=later)
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "k" * 32)
    assert not history(tmp_path, clock=later)[0].trusted
    monkeypatch.delenv("MUSTER_SIGNING_KEY")
    assert history(tmp_path, clock=later)[0].trusted
    assert len(looked_at) == 3


def test_the_store_is_rebuilt_at_will(tmp_path, later, looked_at):
    """From the bundles alone."""
    past_bundle(tmp_path)
    first = history(tmp_path, clock=later)
    assert history(tmp_path, clock=later, rebuild=True) == first
    assert len(looked_at) == 2


@pytest.mark.parametrize("spoil", ["garbage", "other columns"])
def test_a_store_that_cannot_be_used_is_replaced(tmp_path, later, spoil):
    """Whatever it holds: it is no evidence."""
    past_bundle(tmp_path)
    path = tmp_path / NAME
    if spoil == "garbage":
        path.write_bytes(b"no database at all" * 100)
    else:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE drills (bundle TEXT, verdict TEXT)")
            db.execute("INSERT INTO drills VALUES ('x', 'PASS')")
        db.close()
    assert [past.verdict for past in history(tmp_path, clock=later)] == ["PASS"]
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT verdict FROM drills").fetchall() == [("PASS",)]
    db.close()


def test_a_store_that_cannot_be_written_is_done_without(tmp_path, later):
    """A directory stands where it should."""
    past_bundle(tmp_path)
    (tmp_path / NAME).mkdir()
    assert [past.verdict for past in history(tmp_path, clock=later)] == ["PASS", ""]


def test_a_store_that_another_process_holds_is_done_without(tmp_path, later, monkeypatch):
    """And is there the next time."""
    monkeypatch.setattr(storing, "BUSY_S_MAX", 0.01)
    past_bundle(tmp_path)
    history(tmp_path, clock=later)
    other = sqlite3.connect(tmp_path / NAME)
    other.execute("BEGIN EXCLUSIVE")
    assert [past.verdict for past in history(tmp_path, clock=later)] == ["PASS"]
    other.rollback()
    assert other.execute("SELECT verdict FROM drills").fetchall() == [("PASS",)]
    other.close()


def test_a_bundle_that_is_gone_is_gone_from_the_store(tmp_path, later):
    """The store holds what is there."""
    import shutil

    bundle = past_bundle(tmp_path)
    past_bundle(tmp_path, 1)
    assert len(history(tmp_path, clock=later)) == 2
    shutil.rmtree(bundle)
    assert len(history(tmp_path, clock=later)) == 1


def test_a_running_drill_is_running_and_no_problem(tmp_path, monkeypatch):
    """It has no verdict yet, and that is no fault."""
    bundle = past_bundle(tmp_path, sealed=False)
    (bundle / "verdict.json").unlink()
    monkeypatch.setattr("muster.drill.lock.runs.is_running", lambda name: True)
    said = CliRunner().invoke(history_command, ["--out", str(tmp_path)]).output
    assert "RUNNING" in said
    assert "unreadable" not in said
    assert len(said.splitlines()) == 2


def told(*arguments):
    run = CliRunner().invoke(history_command, [*map(str, arguments)])
    if isinstance(run.exception, BadInput):
        return 2, str(run.exception)
    return run.exit_code, run.output


def test_the_table_has_streams_defect_reason_and_timings(tmp_path):
    """Columns that no drill fills are left out."""
    past_bundle(tmp_path, 0)
    past_bundle(tmp_path, 1, verdict="FAIL", timings={"trip_to_restored_s": 9.5})
    head, *rows = told("--out", tmp_path)[1].splitlines()
    assert "DEFECT" not in head
    for word in ("STREAMS", "STOPPED BY", "SHIFT", "DRAIN", "RESTORE", "TRIP TO RESTORED"):
        assert word in head
    assert "trigger:5xx" in rows[0]
    assert "9.50 s" in rows[0]
    assert "20,000" in rows[1]


def test_filters_choose_and_a_misspelt_one_is_refused(tmp_path):
    """With the nearest name of those that were drilled."""
    past_bundle(tmp_path, 0)
    past_bundle(tmp_path, 40, target="production", verdict="FAIL")
    for asked, days in (
        (("--target", "staging"), 1),
        (("--verdict", "fail"), 1),
        (("--since", "2026-04-01"), 1),
        (("--since", "2026-01-01"), 2),
        (("--last", "1"), 1),
    ):
        rows = json.loads(told("--out", tmp_path, "--json", *asked)[1])
        assert len(rows) == days, asked
    assert told("--out", tmp_path, "--verdict", "ABORTED")[1].startswith("no drill in")
    code, said = told("--out", tmp_path, "--target", "stagin")
    assert (code, "(did you mean staging?)" in said) == (2, True)
    assert told("--out", tmp_path, "--since", "March")[0] == 2


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    """No drill yet is another thing than a misspelt directory."""
    code, said = told("--out", tmp_path / "nosuch")
    assert (code, "nosuch" in said) == (2, True)


def test_headroom_is_the_share_of_the_limit_that_is_left():
    """A floor's limit is what may fail; a p95's is the 5 % of the streams that may be slower."""
    assert headroom(finding("availability", 99.95, 99.9, "%")) == pytest.approx(0.5)
    assert headroom(finding("success_2xx", 0.99, 0.95, "share")) == pytest.approx(0.8)
    assert headroom(finding("rate_5xx", 1.0, 0.5, "%")) == pytest.approx(-1.0)
    p95 = finding("completion_p95", None, 20.0, "s", bracket=[18.0, 20.0])
    assert headroom(p95) == pytest.approx(0.05)
    for within, left in (("96.00", 0.2), ("95.00", 0.0), ("90.00", -1.0)):
        told = p95 | {"reason": f"the client has no count; {within} % at or under 20 s"}
        assert headroom(told) == pytest.approx(left)
    assert headroom(finding("completion_p95", None, 20.0, "s", bracket=[14.0, None])) is None
    assert headroom(finding("streams_cut", 0.0, 0, "streams")) is None


def test_the_least_headroom_is_of_users_limits_alone():
    """Lag of the rig says whether the drill counts, not how close users came to a limit."""
    findings = [
        finding("load_loop_lag", 99.0, 100.0, "ms"),
        finding("rate_429", 1.0, 4.0, "%"),
        finding("queue_age", 6.0, 30.0, "s", region="west"),
    ]
    left, of = least_headroom(findings)
    assert (left, of) == (0.75, "429 rate, evacuate..restore")
    assert least_headroom(None) == (None, "")
