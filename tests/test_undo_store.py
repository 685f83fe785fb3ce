"""Undo entries off the machine: there before the effect, gone after the read-back."""

from __future__ import annotations

import json

import pytest
from shared_targets import MemoryStore, shared_target
from strict_aws import strict_aws

from muster.drill.undo.logs import LeftLog
from muster.drill.undo.store import StoreMirror, open_undo, stored_undo, with_stored
from muster.errors import BadInput
from muster.jsonl import LogLost
from muster.stores import store_of
from muster.undo import UndoHeader, UndoLog, read_undo

HEADER = UndoHeader("20260101T000000Z-Drill-ab", "staging", "t.yaml")


@pytest.fixture
def store():
    """A store in this process."""
    return MemoryStore()


@pytest.fixture
def log(tmp_path, store):
    """A log that is mirrored there."""
    return UndoLog(tmp_path / "undo.jsonl", HEADER, mirror=StoreMirror(store, HEADER))


def test_an_entry_is_in_the_store_before_add_returns_and_leaves_when_it_is_done(log, store):
    """Pending and failed stand there, done does not."""
    entry = log.add("kind", "weights", {"weights": {"a": 1}}, "a")
    (text,) = store.held.values()
    assert json.loads(text)["params"] == {"weights": {"a": 1}}
    log.mark(entry, "failed", "it said no")
    assert len(store.held) == 1
    log.mark(entry, "done")
    assert store.held == {}


def test_a_store_that_is_down_refuses_the_fault(log, store):
    """No effect without its inverse elsewhere; what may stand here is pending, and harmless."""
    store.down = True
    with pytest.raises(LogLost, match="not in the store"):
        log.add("kind", "weights", {})
    assert [entry.subject for entry in log.pending] == ["weights"]
    with pytest.raises(LogLost):
        log.add("kind", "weights", {})
    store.down = False
    log.add("kind", "weights", {})
    assert len(store.held) == 1


def test_what_can_not_leave_the_store_stays_pending_here_too(log, store):
    """Else another machine would put back old values over newer ones."""
    entry = log.add("kind", "weights", {})
    store.down = True
    with pytest.raises(LogLost, match="still in the store"):
        log.mark(entry, "done")
    assert read_undo(log.path).pending
    store.down = False
    log.mark(entry, "done")
    assert not read_undo(log.path).pending


@pytest.mark.parametrize("kind", ["route53_txt", "s3"])
def test_another_machine_has_the_same_entries_in_the_same_order(tmp_path, monkeypatch, kind):
    """The first one's files are gone: the log comes to be anew, as it was."""
    with strict_aws(page=4) as aws:
        target = shared_target(aws.url, kind)
        log = open_undo(target, tmp_path / "one" / "undo.jsonl", HEADER)
        for number in range(11):
            log.add("kind", f"s{number}", {"n": number}, "eu-west-1")
        log.mark(log.entries[3], "done")
        monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "two"))
        held = stored_undo(target)
        (left,) = with_stored([], target, "t.yaml", held)
        path = tmp_path / "two" / HEADER.drill_id / "undo.jsonl"
        assert read_undo(path).pending == log.pending
        assert read_undo(path).header == HEADER
        assert left.read.pending == log.pending
        assert with_stored([LeftLog(path, read_undo(path))], target, "t.yaml", held) == [
            LeftLog(path, read_undo(path))
        ]
        assert read_undo(path).pending == log.pending
        other = open_undo(target, path, HEADER)
        for entry in other.pending:
            other.mark(entry, "done")
        assert stored_undo(target) == {}


def test_a_target_without_a_store_has_none(tmp_path):
    """That is not the same as an empty one."""
    from floor_fixtures import a_target

    assert stored_undo(a_target()) is None
    assert open_undo(a_target(), tmp_path / "undo.jsonl", HEADER).mirror is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("?", "expected an undo entry"),
        ('{"schema_version": 2}', "schema_version: got 2, expected 1"),
        ("[]", "schema_version: got [], expected 1"),
        ('{"schema_version": 1, "drill_id": "d"}', "target: got None"),
        (
            '{"schema_version":1,"drill_id":"../x","target":"staging","id":"u1","kind":"k",'
            '"subject":"s","params":{}}',
            "drill_id: got '../x', expected a drill's id",
        ),
    ],
)
def test_what_is_no_entry_is_bad_input(text, line):
    """To guess what to restore, or where to write, is worse than to stop."""
    with strict_aws() as aws:
        target = shared_target(aws.url, "s3")
        store_of(target.shared).write("undo/staging/d/u1", text, None)
        with pytest.raises(BadInput) as caught:
            stored_undo(target)
        assert line in str(caught.value)
