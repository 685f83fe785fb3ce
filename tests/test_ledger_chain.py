"""The ledger's hash chain: what was changed afterwards shows, what a crash cut off does not."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil

import pytest
from bundle_maker import make_bundle
from hypothesis import given
from hypothesis import strategies as st

from muster.jsonl import LogLost
from muster.judge.verdict import judge
from muster.ledger import CHAIN_START, Ledger, read_ledger

EVENTS = ("a", "b", "c", "d", "e")


class _At:
    """A clock that stands."""

    def __init__(self, t_s):
        self._t_s = t_s

    def now_s(self):
        return self._t_s


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "l.jsonl"
    ledger = Ledger(found)
    for event in EVENTS:
        ledger.append(event, detail="as it was", value_s=1.5)
    ledger.close()
    return found


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


def test_the_chain_can_be_followed_from_the_files_bytes_alone(path):
    """By the rule that the module states, with no help of its own."""
    head = hashlib.sha256(b"").hexdigest()
    assert head == CHAIN_START
    for line in lines_of(path):
        body = re.sub(rb',"chain":"[0-9a-f]{64}"}\n\Z', b"}", line)
        head = hashlib.sha256(head.encode() + body).hexdigest()
        assert json.loads(line)["chain"] == head
    read = read_ledger(path)
    assert (read.broken_at, read.head, read.torn) == (None, head, False)
    assert all("chain" not in event for event in read.events)


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (lambda x: [x[0], x[1].replace(b"as it was", b"as it is!"), *x[2:]], 2),
        (lambda x: [*x[:4], x[4].replace(b"1.5", b"2.5")], 5),
        (lambda x: [x[0], *x[2:]], 2),
        (lambda x: x[1:], 1),
        (lambda x: [x[0], x[2], x[1], *x[3:]], 2),
        (lambda x: [*x[:3], x[1], *x[3:]], 4),
        (lambda x: [b'{"seq":1,"event":"z"}\n', *x], 2),
        (lambda x: [*x, b'{"seq":6,"event":"z"}\n'], 6),
        (lambda x: [*x[:2], x[2][:30] + b"\n", *x[3:]], 3),
    ],
    ids=[
        "edited", "last edited", "removed", "first removed", "moved", "doubled", "put before",
        "put after", "cut in the middle",
    ],
)  # fmt: skip
def test_a_line_that_is_not_as_it_was_written_breaks_the_chain(path, change, at):
    """Changed, removed, moved, added or cut short; the first such line is named."""
    path.write_bytes(b"".join(change(lines_of(path))))
    read = read_ledger(path)
    assert (read.broken, read.broken_at) == (True, at)


@given(st.data())
def test_any_changed_byte_of_a_line_that_others_follow_is_noticed(tmp_path_factory, data):
    """Whatever byte it is, and whatever it becomes."""
    path = tmp_path_factory.mktemp("chain") / "l.jsonl"
    ledger = Ledger(path, _At(1_700_000_000.5))
    for event in EVENTS:
        ledger.append(event)
    ledger.close()
    before = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(before) - 1))
    before[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(before))
    read = read_ledger(path)
    assert read.broken or read.torn
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_lines_cut_off_at_the_end_are_for_the_manifest_to_find(path, kept):
    """The rest still follows; the head is another one."""
    head = read_ledger(path).head
    path.write_bytes(b"".join(lines_of(path)[:kept]))
    read = read_ledger(path)
    assert (read.broken, read.torn) == (False, False)
    assert read.head != head


def test_another_writer_continues_the_chain(path):
    """A watchdog or `recover` goes on where the drill's process was killed."""
    again = Ledger(path)
    again.append("stopped")
    again.append("drill_ended")
    read = read_ledger(path)
    assert (len(read.events), read.broken, read.torn) == (7, False, False)


@pytest.mark.parametrize("cut", [1, 2, 40, 80, 120])
def test_a_line_that_a_crash_cut_off_is_no_alteration(path, cut):
    """It is torn, and the chain goes on with what came before; only its end of line may lack."""
    raw = path.read_bytes()
    path.write_bytes(raw[:-cut])
    read = read_ledger(path)
    assert (read.torn, read.broken) == (True, False)
    Ledger(path).append("stopped")
    read = read_ledger(path)
    assert (read.torn, read.broken) == (cut > 1, False)


@pytest.mark.parametrize("written", [0, 5, 90, None])
def test_a_write_that_failed_leaves_the_chain_whole(tmp_path, monkeypatch, written):
    """However much of the line came to disk (None: all but its end), the next one follows it."""
    ledger = Ledger(tmp_path / "l.jsonl")
    ledger.append("a")
    write = os.write

    def partial(fd, data):
        return write(fd, data[: len(data) - 1 if written is None else written])

    with monkeypatch.context() as patch:
        patch.setattr("muster.jsonl.os.write", partial)
        with pytest.raises(LogLost):
            ledger.append("b")
    ledger.append("c")
    ledger.append("d")
    read = read_ledger(ledger.path)
    assert read.broken is False
    assert read.torn is (written is not None)


def test_a_line_that_was_written_and_not_synced_is_followed(tmp_path, monkeypatch):
    """The disk refused to sync: the line stands in the file all the same."""
    ledger = Ledger(tmp_path / "l.jsonl")
    ledger.append("a")

    def refuse(fd):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("muster.jsonl.os.fsync", refuse)
        with pytest.raises(LogLost):
            ledger.append("b")
    ledger.append("c")
    read = read_ledger(ledger.path)
    assert ([e["event"] for e in read.events], read.broken) == (["a", "b", "c"], False)


def test_an_older_ledger_has_no_chain_and_is_read(tmp_path):
    """Nothing is broken; once it is continued, its lines are under the chain as well."""
    path = tmp_path / "l.jsonl"
    path.write_text('{"seq":1,"t":1,"event":"a"}\n{"seq":2,"t":2,"event":"b"}\n')
    read = read_ledger(path)
    assert (len(read.events), read.broken, read.torn) == (2, False, False)
    Ledger(path).append("c")
    assert not read_ledger(path).broken
    path.write_bytes(path.read_bytes().replace(b'"t":1', b'"t":9'))
    assert read_ledger(path).broken_at == 3


def test_a_value_without_a_json_form_moves_the_chain_not_at_all(tmp_path):
    """The caller's error; the next line follows the last one that was written."""
    ledger = Ledger(tmp_path / "l.jsonl")
    ledger.append("a")
    with pytest.raises(ValueError, match="JSON"):
        ledger.append("b", measured=float("nan"))
    ledger.append("c")
    assert not read_ledger(ledger.path).broken


PLANNED = ["ramp", "baseline", "evacuate", "drain", "dark", "restore", "verify"]


def chained(bundle, planned=PLANNED):
    """The bundle's ledger written again, with a chain, and with the plan that goes with one."""
    events = [json.loads(line) for line in lines_of(bundle / "ledger.jsonl")]
    (bundle / "ledger.jsonl").unlink()
    ledger = Ledger(bundle / "ledger.jsonl")
    for event in events:
        fields = {k: v for k, v in event.items() if k not in ("seq", "t", "event")}
        if event["event"] == "drill_started" and planned is not None:
            fields["phases"] = planned
        ledger._clock = _At(event["t"])
        ledger.append(event["event"], **fields)
    ledger.close()


def test_a_broken_chain_can_not_pass(tmp_path):
    """The same lines with their chain pass; one figure changed by hand is INCONCLUSIVE."""
    bundle = make_bundle(tmp_path / "b")
    chained(bundle)
    assert judge(bundle).verdict == "PASS"
    path = bundle / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"alive_at_end"', b'"alive_at_end" ', 1))
    found = judge(bundle)
    assert found.verdict == "INCONCLUSIVE"
    assert [text for text in found.document["unknowns"] if "added or moved" in text]


def test_a_chained_ledger_without_a_plan_can_not_pass(tmp_path):
    """No older version wrote it, so that the plan is missing and not merely unknown to it."""
    bundle = make_bundle(tmp_path / "b")
    chained(bundle, planned=None)
    found = judge(bundle)
    assert found.verdict == "INCONCLUSIVE"
    assert [text for text in found.document["unknowns"] if "which phases were planned" in text]
