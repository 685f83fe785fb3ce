"""Synced JSON lines: what was appended is there, what was torn is told."""

from __future__ import annotations

import json
import resource
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster import jsonl
from muster.errors import BadInput
from muster.jsonl import LogLost, SyncedLog, read_lines

RECORDS = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=4)


@contextmanager
def disk_full_after(size):
    """No file may grow past `size` bytes: the write that crosses it is cut, the next refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def written(path, records):
    log = SyncedLog(path)
    for record in records:
        log.append(record)
    log.close()


@given(st.lists(RECORDS, max_size=6))
def test_records_come_back_as_they_were(tmp_path_factory, records):
    """Whatever was appended is read again, in order, and nothing is torn."""
    path = tmp_path_factory.mktemp("log") / "a.jsonl"
    written(path, records)
    lines = read_lines(path)
    assert list(lines.records) == records
    assert not lines.torn


def test_a_line_torn_at_any_byte_is_left_out_and_told(tmp_path):
    """Cut anywhere, all lines before it are there, and a later writer loses nothing."""
    path = tmp_path / "a.jsonl"
    records = [{"n": 1, "text": "é\n"}, {"n": 2, "deep": {"a": [1, 2]}}]
    written(path, records)
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut])
        lines = read_lines(path)
        assert lines.records == (records[0],), cut
        assert lines.torn is (cut > start), cut
        written(path, [{"n": 3}])
        again = read_lines(path)
        complete = cut == len(whole) - 1
        assert list(again.records) == [records[0], *([records[1]] if complete else []), {"n": 3}]
        assert again.torn is (cut > start and not complete), cut


def test_a_line_cut_by_a_full_disk_is_lost_and_the_next_one_is_not(tmp_path):
    """The half-written line raises; once there is room again the next line is whole."""
    path = tmp_path / "a.jsonl"
    log = SyncedLog(path)
    log.append({"n": 1})
    with disk_full_after(path.stat().st_size + 4):
        for _ in range(2):
            with pytest.raises(LogLost, match=r"a\.jsonl"):
                log.append({"n": 2, "long": "x" * 50})
    log.append({"n": 3})
    lines = read_lines(path)
    assert lines.records == ({"n": 1}, {"n": 3})
    assert lines.torn


def test_a_refused_write_leaves_nothing_torn(tmp_path):
    """Where not one byte could be written, the file stays whole."""
    path = tmp_path / "a.jsonl"
    log = SyncedLog(path)
    log.append({"n": 1})
    with disk_full_after(path.stat().st_size), pytest.raises(LogLost):
        log.append({"n": 2})
    log.append({"n": 3})
    lines = read_lines(path)
    assert lines.records == ({"n": 1}, {"n": 3})
    assert not lines.torn


def test_a_sync_that_fails_is_a_lost_line(tmp_path, monkeypatch):
    """A line that is not on disk does not count, even though it was written."""
    log = SyncedLog(tmp_path / "a.jsonl")

    def refuse(fd):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(jsonl.os, "fsync", refuse)
    with pytest.raises(LogLost, match="Input/output error"):
        log.append({"n": 1})


def test_appending_after_the_end_is_a_lost_line(tmp_path):
    """A closed log takes nothing, and closing again changes nothing."""
    log = SyncedLog(tmp_path / "a.jsonl")
    log.close()
    log.close()
    with pytest.raises(LogLost):
        log.append({"n": 1})


def test_what_json_cannot_say_is_refused_before_it_is_written(tmp_path):
    """A value without a JSON form leaves the file as it was."""
    path = tmp_path / "a.jsonl"
    log = SyncedLog(path)
    for value in (float("nan"), object()):
        with pytest.raises((TypeError, ValueError)):
            log.append({"v": value})
    assert path.read_bytes() == b""


def test_threads_never_mix_their_lines(tmp_path):
    """Lines of several threads are whole and none is missing."""
    path = tmp_path / "a.jsonl"
    log = SyncedLog(path)

    def append(thread):
        for n in range(20):
            log.append({"thread": thread, "n": n})

    threads = [threading.Thread(target=append, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = read_lines(path)
    assert not lines.torn
    seen = [(record["thread"], record["n"]) for record in lines.records]
    assert sorted(seen) == [(thread, n) for thread in range(4) for n in range(20)]


def test_a_log_is_readable_for_its_owner_alone(tmp_path):
    """Parameters of a drill are nobody else's business."""
    written(tmp_path / "deep" / "a.jsonl", [{}])
    assert (tmp_path / "deep" / "a.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_line_that_is_no_object_is_left_out_and_told(tmp_path):
    """Foreign lines are no records."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n[1]\nnonsense\n\n{"b": 2}\n')
    lines = read_lines(path)
    assert lines.records == ({"a": 1}, {"b": 2})
    assert lines.torn


def test_a_file_that_cannot_be_read_is_bad_input(tmp_path):
    """A missing log is one line of bad input, and a log that cannot be opened is lost."""
    with pytest.raises(BadInput, match="a readable file of JSON lines"):
        read_lines(tmp_path / "none.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(LogLost):
        SyncedLog(tmp_path / "file" / "a.jsonl")


@given(RECORDS)
def test_no_beginning_of_a_line_is_a_record(record):
    """A torn line can never be read as another record."""
    line = json.dumps(record)
    for cut in range(1, len(line)):
        assert jsonl._record(line[:cut].encode()) is None
