"""The undo log: whatever happens to it, the oldest pending value is what comes back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.errors import BadInput
from muster.jsonl import LogLost
from muster.undo import UndoHeader, UndoLog, read_undo

HEADER = UndoHeader("d1", "testbed", "targets/testbed.yaml")
SUBJECTS = ("weights", "region", "proxy")

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(SUBJECTS), st.integers()),
        st.tuples(st.just("mark"), st.integers(0, 9), st.sampled_from(["done", "failed"])),
        st.tuples(st.just("tear"), st.sampled_from(SUBJECTS), st.floats(0, 0.999)),
        st.tuples(st.just("reopen")),
    ),
    max_size=14,
)


def shown(entries):
    return [(entry.subject, entry.params["value"]) for entry in entries]


@given(OPERATIONS)
@settings(deadline=None)
def test_any_interleaving_keeps_the_oldest_pending_value(tmp_path_factory, operations):
    """Adds, marks, torn tails and reopenings never lose, double or renew what is pending."""
    path = tmp_path_factory.mktemp("undo") / "u.jsonl"
    log = UndoLog(path, HEADER)
    pending: list[tuple[str, int]] = []  # oldest first
    for operation, *arguments in operations:
        if operation == "add":
            subject, value = arguments
            entry = log.add("kind", subject, {"value": value})
            known = dict(pending)
            assert entry.params["value"] == known.get(subject, value)
            if subject not in known:
                pending.append((subject, value))
        elif operation == "mark" and log.pending:
            index, state = arguments
            entry = log.pending[index % len(log.pending)]
            log.mark(entry, state)
            if state == "done":
                pending.remove((entry.subject, entry.params["value"]))
        elif operation == "tear":
            # The writer dies in the middle of its next line, and another one takes over.
            subject, share = arguments
            line = json.dumps({"id": "u99", "kind": "kind", "subject": subject, "params": {}})
            log.close()
            with path.open("ab") as file:
                file.write(line.encode()[: 1 + int(share * (len(line) - 1))])
            assert shown(read_undo(path).pending) == pending[::-1]
            log = UndoLog(path, HEADER)
        elif operation == "reopen":
            log.close()
            log = UndoLog(path, HEADER)
        assert shown(log.pending) == pending[::-1]
        assert shown(read_undo(path).pending) == pending[::-1]
    log.close()
    assert read_undo(path).header == HEADER


def test_entries_are_restored_last_first(tmp_path):
    """What was applied last goes back first."""
    log = UndoLog(tmp_path / "u.jsonl", HEADER)
    for subject in SUBJECTS:
        log.add("kind", subject, {}, "eu-west-1")
    assert [entry.subject for entry in log.pending] == list(reversed(SUBJECTS))
    assert log.pending[0].region == "eu-west-1"


def test_what_tells_of_one_time_has_an_entry_each_time(tmp_path):
    """The last one is restored first; the same one again is added once."""
    log = UndoLog(tmp_path / "u.jsonl", HEADER)
    for value in (1, 2, 2):
        log.add("kind", "release", {"value": value}, each_time=True)
    assert shown(log.pending) == [("release", 2), ("release", 1)]
    assert log.add("kind", "release", {"value": 3}) == log.pending[-1]


def test_an_entry_is_on_disk_before_add_returns(tmp_path):
    """Another process sees the inverse before the fault can be applied."""
    log = UndoLog(tmp_path / "u.jsonl", HEADER)
    entry = log.add("traffic_shift", "route53 x.", {"weights": {"a": 1}}, "a")
    assert read_undo(log.path).pending == (entry,)


def test_a_full_disk_refuses_the_fault(tmp_path, monkeypatch):
    """What could not be made durable is not pending, and the fault may not be applied."""
    log = UndoLog(tmp_path / "u.jsonl", HEADER)

    def full(fd, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("muster.jsonl.os.write", full)
        with pytest.raises(LogLost, match="No space left"):
            log.add("kind", "weights", {})
    assert log.pending == ()
    assert log.add("kind", "weights", {}).entry_id == "u1"


def test_a_failed_entry_stays_pending(tmp_path):
    """What could not be restored is tried again, by this process or by another."""
    log = UndoLog(tmp_path / "u.jsonl", HEADER)
    log.mark(log.add("kind", "weights", {}), "failed", "it said no")
    (entry,) = read_undo(log.path).pending
    assert (entry.state, entry.detail) == ("failed", "it said no")


def test_a_subject_that_is_back_may_be_changed_again(tmp_path):
    """Only pending values hold newer ones off."""
    log = UndoLog(tmp_path / "u.jsonl", HEADER)
    log.mark(log.add("kind", "weights", {"value": 1}), "done")
    log.add("kind", "weights", {"value": 2})
    assert shown(log.pending) == [("weights", 2)]


@pytest.mark.parametrize("text", ["", '{"schema_ver', "\n", '{"schema_ver\n'])
def test_a_log_without_its_header_holds_nothing_and_stands_in_no_ones_way(tmp_path, text):
    """A writer that died before its first line had changed nothing; the log can be begun again."""
    path = tmp_path / "u.jsonl"
    path.write_text(text)
    assert read_undo(path).pending == ()
    assert read_undo(path).torn
    log = UndoLog(path, HEADER)
    log.add("kind", "weights", {"value": 1})
    assert read_undo(path).header == HEADER
    assert shown(read_undo(path).pending) == [("weights", 1)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"schema_version": 2}\n', "schema_version: got 2, expected 1"),
        ('{"seq": 1, "event": "x"}\n', "schema_version: got None, expected 1"),
        ('{"schema_version": 1}\n{"id": "u1", "kind": "k"}\n', "u1: got "),
        (
            '{"schema_version": 1}\n{"id":"u1","kind":"k","subject":"s","params":{}}\n'
            '{"id":"u1"}\n',
            "expected a line with the key 'state'",
        ),
        (
            '{"schema_version": 1}\n{"id":"u1","kind":"k","subject":"s","params":[]}\n',
            "u1.params: got [], expected a dict",
        ),
        (
            '{"schema_version": 1}\n{"id":"u1","kind":7,"subject":"s","params":{}}\n',
            "u1.kind: got 7, expected a str",
        ),
        (
            '{"schema_version": 1}\n'
            '{"id":"u1","kind":"k","subject":"s","params":{},"region":["a"]}\n',
            "u1.region: got ['a'], expected a str or null",
        ),
    ],
)
def test_what_is_no_undo_log_is_bad_input(tmp_path, text, line):
    """Another version or other lines are refused: guessing what to restore is worse."""
    path = tmp_path / "u.jsonl"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        read_undo(path)
    assert line in str(caught.value)
    with pytest.raises(BadInput):
        UndoLog(path, HEADER)
