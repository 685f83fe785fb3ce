"""Everything back: last first, one failure stops no other, a full disk keeps nothing dark."""

from __future__ import annotations

import logging
import os
from typing import Any, ClassVar

import pytest
from floor_fixtures import REGION, a_target, stand_in

from muster.drill.undo.restore import record_verify, restore, settle
from muster.faults import FaultError, Proof, ReadBack, RegionalFault, kinds
from muster.ledger import Ledger, read_ledger
from muster.platform import platform_of
from muster.undo import UndoHeader, UndoLog, read_undo


class Lamp(RegionalFault):
    """A small fault of the tests: a named lamp that is switched off and on again."""

    kind = "lamp"
    on: ClassVar[dict[str, bool]] = {}
    broken: ClassVar[dict[str, Exception]] = {}
    reverted: ClassVar[list[str]] = []

    def __init__(self, platform, region, name):
        super().__init__(platform, region)
        self.name = name

    @property
    def subject(self):
        return f"lamp {self.name}"

    def undo_params(self):
        return {"name": self.name}

    @classmethod
    def restore(cls, platform, region, params):
        return cls(platform, region, params["name"])

    def apply(self):
        self.on[self.name] = False

    def observe(self):
        return Proof(not self.on[self.name], "seen")

    def revert(self):
        self.reverted.append(self.name)
        if self.name in self.broken:
            raise self.broken[self.name]
        self.on[self.name] = True

    def read_back(self):
        lit = self.on[self.name]
        return ReadBack(self.subject, "on", "on" if lit else "off", lit)

    def command(self):
        return f"switch on {self.name}"


@pytest.fixture(autouse=True)
def lamps(monkeypatch):
    """Three lamps, none broken, as a kind of fault."""
    monkeypatch.setitem(kinds(), "lamp", Lamp)
    monkeypatch.setattr(Lamp, "on", dict.fromkeys("abc", True))
    monkeypatch.setattr(Lamp, "broken", {})
    monkeypatch.setattr(Lamp, "reverted", [])
    return Lamp


@pytest.fixture
def drill(tmp_path):
    """A target, an undo log with all lamps switched off in the order a, b, c, and a ledger."""
    target = a_target()
    undo = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d1", "testbed", "t.yaml"))
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for name in "abc":
        fault = Lamp(platform_of(target), REGION, name)
        undo.add(fault.kind, fault.subject, fault.undo_params(), REGION)
        fault.apply()
    return target, undo, ledger


def verify_of(ledger) -> dict[str, Any]:
    return read_ledger(ledger.path).of("verify")[-1]


def test_it_goes_back_last_first_and_reads_each_back(drill, lamps):
    """Order reversed, every entry done, and the ledger shows it."""
    target, undo, ledger = drill
    restored = restore(platform_of(target), undo, ledger)
    record_verify(ledger, undo, restored)
    assert lamps.reverted == ["c", "b", "a"]
    assert all(lamps.on.values())
    assert restored.verified
    assert [item.subject for item in restored.readback] == ["lamp c", "lamp b", "lamp a"]
    assert read_undo(undo.path).pending == ()
    events = read_ledger(ledger.path).of("undo")
    assert [(one["subject"], one["state"]) for one in events] == [
        ("lamp c", "done"), ("lamp b", "done"), ("lamp a", "done"),
    ]  # fmt: skip
    assert verify_of(ledger)["verified"] is True
    assert verify_of(ledger)["pending"] == []


@pytest.mark.parametrize(
    "error", [FaultError("it said no"), RuntimeError("surprise"), KeyError("x")]
)
def test_one_that_fails_does_not_stop_the_others(drill, lamps, error, caplog):
    """The rest is back; the failed one stays pending, with what to type by hand."""
    target, undo, ledger = drill
    lamps.broken["b"] = error
    with caplog.at_level(logging.ERROR):
        restored = restore(platform_of(target), undo, ledger)
    record_verify(ledger, undo, restored)
    assert lamps.on == {"a": True, "b": False, "c": True}
    assert not restored.verified
    assert restored.failed == ("lamp b",)
    assert restored.commands == ("switch on b",)
    (pending,) = read_undo(undo.path).pending
    assert (pending.subject, pending.state) == ("lamp b", "failed")
    assert verify_of(ledger)["verified"] is False
    assert verify_of(ledger)["commands"] == ["switch on b"]
    assert "lamp b" in caplog.text
    lamps.broken.clear()
    assert restore(platform_of(target), undo, ledger).verified, "a later try finishes it"
    assert lamps.reverted == ["c", "b", "a", "b"]


@pytest.mark.parametrize("error", [FaultError("timed out"), RuntimeError("surprise")])
def test_a_revert_that_raised_and_worked_all_the_same_is_back(drill, lamps, monkeypatch, error):
    """Its answer was lost: the real system says so, and the ledger says which."""
    target, undo, ledger = drill

    def lost(self):
        self.on[self.name] = True
        if self.name == "b":
            raise error

    monkeypatch.setattr(lamps, "revert", lost)
    restored = restore(platform_of(target), undo, ledger)
    assert restored.verified
    assert len(restored.readback) == 3
    assert read_undo(undo.path).pending == ()
    (event,) = [one for one in read_ledger(ledger.path).of("undo") if one["subject"] == "lamp b"]
    assert event["state"] == "done"
    assert "the revert raised: " in event["detail"]
    assert "read back, it is restored anyway: lamp b: on (expected on)" in event["detail"]


def test_a_revert_that_raised_is_read_back_and_said_not_to_be_back(drill, lamps):
    """What it raised, and what the system shows."""
    target, undo, ledger = drill
    lamps.broken["b"] = FaultError("it said no")
    restored = restore(platform_of(target), undo, ledger)
    (off,) = [item for item in restored.readback if not item.ok]
    assert (off.subject, off.actual) == ("lamp b", "off")
    (event,) = [one for one in read_ledger(ledger.path).of("undo") if one["state"] == "failed"]
    assert event["detail"] == (
        "the revert raised: it said no; read back, it is not restored: lamp b: off (expected on)"
    )


def test_what_raised_and_cannot_be_read_back_is_not_known_to_be_back(drill, lamps, monkeypatch):
    """Unknown is not restored: pending, with the command."""
    target, undo, ledger = drill

    def deaf(self):
        raise FaultError("no answer")

    monkeypatch.setattr(lamps, "read_back", deaf)
    lamps.broken["b"] = FaultError("it said no")
    restored = restore(platform_of(target), undo, ledger)
    assert not restored.verified
    assert len(undo.pending) == 3
    said = [one["detail"] for one in read_ledger(ledger.path).of("undo")]
    assert said[0] == "no answer"
    assert said[1] == "the revert raised: it said no; and it could not be read back: no answer"


def test_a_revert_that_does_not_show_is_not_back(drill, lamps, monkeypatch):
    """What the system says decides, not that nothing was raised."""
    target, undo, ledger = drill
    monkeypatch.setattr(lamps, "revert", lambda self: None)
    restored = restore(platform_of(target), undo, ledger)
    assert not restored.verified
    assert [item.ok for item in restored.readback] == [False, False, False]
    assert len(undo.pending) == 3


def test_restoring_again_is_harmless(drill, lamps):
    """Nothing is pending, so nothing is touched and the verdict stays."""
    target, undo, ledger = drill
    restore(platform_of(target), undo, ledger)
    again = restore(platform_of(target), undo, ledger)
    assert again.verified
    assert (again.readback, len(lamps.reverted)) == ((), 3)


def test_settling_reads_back_without_acting(drill, lamps):
    """What the drill put back itself is done; what it did not stays pending, and is not touched."""
    target, undo, ledger = drill
    lamps.on["a"] = lamps.on["c"] = True
    settled = settle(platform_of(target), undo, ledger)
    assert lamps.reverted == []
    assert settled.failed == ("lamp b",)
    assert [entry.subject for entry in undo.pending] == ["lamp b"]
    assert undo.pending[0].state == "pending"


def test_an_unknown_kind_does_not_stop_the_others(drill, lamps):
    """An entry of another version of Muster is told, and the rest is restored."""
    target, undo, ledger = drill
    undo.add("volcano", "mount x", {})
    restored = restore(platform_of(target), undo, ledger)
    assert restored.failed == ("mount x",)
    assert restored.commands == ("chaos drill recover --target t.yaml",)
    assert all(lamps.on.values())


def test_a_region_that_the_target_names_no_more_is_told(drill, lamps, caplog):
    """Somebody has edited the target while a region was changed."""
    target, undo, ledger = drill
    undo.add("region_power", "region old", {}, "old")
    restored = restore(platform_of(target), undo, ledger)
    assert restored.failed == ("region old",)
    assert "old too, where region old was changed: set it, and recover" in caplog.text
    assert all(lamps.on.values())


@pytest.mark.parametrize("error", [None, FaultError("no hook"), KeyError("x")])
def test_a_fault_without_a_line_by_hand_still_goes_back(drill, lamps, monkeypatch, error):
    """No line, or none that can be made: the entry is tried all the same, and recover is named."""
    target, undo, ledger = drill

    def none(self):
        if error:
            raise error

    monkeypatch.setattr(lamps, "command", none)
    lamps.broken["b"] = FaultError("it said no")
    restored = restore(platform_of(target), undo, ledger)
    assert lamps.reverted == ["c", "b", "a"]
    assert restored.commands == ("chaos drill recover --target t.yaml",)


def test_a_full_disk_keeps_nothing_dark(drill, lamps, monkeypatch):
    """No line can be written: all is restored all the same, and nothing counts as verified."""
    target, undo, ledger = drill

    def full(fd, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("muster.jsonl.os.write", full)
        restored = restore(platform_of(target), undo, ledger)
    assert all(lamps.on.values())
    assert lamps.reverted == ["c", "b", "a"]
    assert len(undo.pending) == len(read_undo(undo.path).pending) == 3
    record_verify(ledger, undo, restored)
    assert verify_of(ledger)["verified"] is False
    assert verify_of(ledger)["pending"] == ["u3", "u2", "u1"]
    assert restore(platform_of(target), undo, ledger).verified, "with room again it is written down"
    assert read_undo(undo.path).pending == ()


def test_a_disk_that_fills_up_half_way_keeps_nothing_dark(drill, lamps, monkeypatch):
    """A line cut in its middle is told apart, and the log still reads."""
    target, undo, ledger = drill
    write, room = os.write, [40]

    def filling(fd, data):
        part = data[: room[0]]
        room[0] -= len(part)
        if not part:
            raise OSError(28, "No space left on device")
        return write(fd, part)

    with monkeypatch.context() as patch:
        patch.setattr("muster.jsonl.os.write", filling)
        restore(platform_of(target), undo, ledger)
    assert all(lamps.on.values())
    assert len(read_undo(undo.path).pending) == 3
    restore(platform_of(target), undo, ledger)
    assert read_undo(undo.path).pending == ()


def test_another_process_restores_from_the_log_alone(tmp_path, lamps):
    """A real kind, from the file: the region serves again, without whoever drained it."""
    state = {"state": "serving"}

    def answer(call):
        if call.method == "POST":
            state.update(call.json)
        return 200, state

    with stand_in(answer) as hook:
        target = a_target(region={"drain": {"url": hook.url}})
        log = UndoLog(tmp_path / "undo.jsonl", UndoHeader("d1", "testbed", "t.yaml"))
        log.add("drain", f"drain {REGION}", {}, REGION)
        state["state"] = "draining"
        log.close()
        header = read_undo(log.path).header
        restored = restore(platform_of(target), UndoLog(log.path, header))
    assert restored.verified
    assert state == {"state": "serving"}


def test_each_change_is_counted_while_it_is_restored(drill, caplog):
    """`1 of 3`, the last one first, so that a person who waits sees how far it is."""
    target, undo, ledger = drill
    with caplog.at_level(logging.INFO, logger="chaostoolkit"):
        restore(platform_of(target), undo, ledger)
    told = [line for line in caplog.messages if line.startswith("restoring ")]
    assert told == [
        f"restoring {n} of 3: lamp {name}" for n, name in ((1, "c"), (2, "b"), (3, "a"))
    ]


def test_what_is_only_read_back_is_not_counted(drill, lamps, caplog):
    """Two of three are restored: `1 of 2`, `2 of 2`, and the third stays as it is."""
    target, undo, ledger = drill
    with caplog.at_level(logging.INFO, logger="chaostoolkit"):
        restore(platform_of(target), undo, ledger, only={"u1", "u3"})
        settle(platform_of(target), undo, ledger)
    told = [line for line in caplog.messages if line.startswith("restoring ")]
    assert told == ["restoring 1 of 2: lamp c", "restoring 2 of 2: lamp a"]
    assert lamps.on == {"a": True, "b": False, "c": True}
