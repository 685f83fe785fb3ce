"""The ledger: numbered lines, in order; a missing one shows."""

from __future__ import annotations

import threading

import pytest

from muster.errors import BadInput
from muster.jsonl import LogLost
from muster.ledger import Ledger, read_ledger


class HeldClock:
    def now_s(self):
        return 1700000000.5

    def monotonic_s(self):
        return 0.0

    def sleep(self, seconds):
        raise AssertionError("a ledger never waits")


def test_events_are_numbered_timed_and_read_back(tmp_path):
    """Each line has its number, time and name beside its fields."""
    ledger = Ledger(tmp_path / "l.jsonl", HeldClock())
    line = ledger.append("timing", name="shift_s", value_s=1.5)
    assert line == {
        "seq": 1, "t": 1700000000.5, "event": "timing", "name": "shift_s", "value_s": 1.5,
    }  # fmt: skip
    ledger.append("drill_ended")
    read = read_ledger(ledger.path)
    assert [record["seq"] for record in read.events] == [1, 2]
    assert read.of("timing") == (line,)
    assert not read.torn


def test_a_ledger_is_continued_where_it_ended(tmp_path):
    """Another process, after a crash say, goes on with the next number."""
    path = tmp_path / "l.jsonl"
    first = Ledger(path)
    first.append("a")
    first.close()
    Ledger(path).append("b")
    read = read_ledger(path)
    assert [(record["seq"], record["event"]) for record in read.events] == [(1, "a"), (2, "b")]
    assert not read.torn


def test_a_line_without_its_end_is_counted_when_the_ledger_goes_on(tmp_path):
    """A crash between a line's last byte and its end of line gives no number twice."""
    path = tmp_path / "l.jsonl"
    ledger = Ledger(path)
    ledger.append("a")
    ledger.append("b")
    path.write_bytes(path.read_bytes()[:-1])
    assert read_ledger(path).torn
    Ledger(path).append("c")
    read = read_ledger(path)
    assert [record["seq"] for record in read.events] == [1, 2, 3]
    assert not read.torn


def test_a_torn_missing_or_foreign_line_makes_the_ledger_torn(tmp_path):
    """Whoever judges learns that something is missing, and gets the rest."""
    path = tmp_path / "l.jsonl"
    ledger = Ledger(path)
    for event in "abc":
        ledger.append(event)
    lines = path.read_text().splitlines(keepends=True)
    for text in (
        lines[0] + lines[2],
        lines[0] + lines[1][:9],
        lines[1] + lines[0],
        lines[0] + '{"x": 1}\n',
    ):
        path.write_text(text)
        assert read_ledger(path).torn, text
    path.write_text("".join(lines))
    assert not read_ledger(path).torn


def test_a_lost_line_leaves_a_gap_that_shows(tmp_path, monkeypatch):
    """After a line that could not be kept, the ledger never looks whole again."""
    ledger = Ledger(tmp_path / "l.jsonl")
    ledger.append("a")
    with monkeypatch.context() as patch:
        patch.setattr("muster.jsonl.os.write", lambda fd, data: 0)
        with pytest.raises(LogLost):
            ledger.append("b")
    ledger.append("c")
    assert read_ledger(ledger.path).torn


def test_what_cannot_be_written_leaves_no_gap(tmp_path):
    """A value without a JSON form is the caller's error, not a missing line."""
    ledger = Ledger(tmp_path / "l.jsonl")
    with pytest.raises(ValueError, match="JSON"):
        ledger.append("finding", measured=float("nan"))
    ledger.append("a")
    read = read_ledger(ledger.path)
    assert not read.torn
    assert len(read.events) == 1


def test_threads_share_a_ledger(tmp_path):
    """Numbers stay without gaps and in the order of the lines."""
    ledger = Ledger(tmp_path / "l.jsonl")

    def many():
        for _ in range(20):
            ledger.append("x")

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = read_ledger(ledger.path)
    assert len(read.events) == 80
    assert not read.torn


def test_no_ledger_is_bad_input(tmp_path):
    """A bundle without a ledger cannot be judged."""
    with pytest.raises(BadInput, match=r"none\.jsonl"):
        read_ledger(tmp_path / "none.jsonl")
