"""A process that slept while another machine restored: what it wakes to is no longer its own."""

from __future__ import annotations

from contextvars import Context
from types import SimpleNamespace

import pytest
from floor_fixtures import OTHER, REGION
from test_standby import BEFORE, DARK, DRILL, LEASE_S, clock, dark, world

from muster.drill.abort import restore_all
from muster.drill.lock.held import TargetLock
from muster.drill.lock.lease import SharedLease
from muster.drill.recover import again
from muster.drill.stop import StopFlag
from muster.drill.undo.restore import restore
from muster.drill.undo.still import SILENT_S, StillOurs
from muster.drill.undo.store import open_undo, stored_undo
from muster.platform import platform_of
from muster.platform.steering.route53 import Route53
from muster.undo import UndoHeader

__all__ = ["clock", "dark", "world"]
NEXT = {REGION: 7, OTHER: 3}
NEXT_DRILL = "20260102T000000Z-region_failover-cd34"


@pytest.fixture
def lock(world, clock):
    """The target's lock, as a process on this machine holds it."""
    return TargetLock(world.target, DRILL, clock)


@pytest.fixture
def ours(world, lock, dark, clock):
    """What the process may restore: all that the store shows."""
    lock.acquire()
    yield StillOurs(lock, clock=clock)
    lock.file.release()


def restored_by_another(world, clock, holder=NEXT_DRILL):
    """Two leases pass, somebody restores all, and the next drill moves the weights."""
    clock.advance(2 * LEASE_S)
    for entry in world.store.under("undo/staging"):
        world.store.remove(entry)
    platform_of(world.target).steering.set_weights(NEXT)
    if holder:
        taken_by(world, clock, holder)


def taken_by(world, clock, holder):
    """Another machine takes the lock, as its lease is over."""
    taken = SharedLease(
        world.store, "staging", holder, place="next", lease_s=LEASE_S,
        clock_skew_s_max=1, clock=clock,
    )  # fmt: skip
    taken.acquire(patient=True)


def test_a_lock_that_is_only_late_asks_nobody(world, ours, clock):
    """Nobody can have taken it: a dark region does not wait for a store that hangs."""
    clock.advance(1.2 * LEASE_S)
    world.down = True
    assert "u1" in ours


def test_a_lock_that_nobody_took_is_restored_under_however_late(world, ours, lock, clock):
    """It is renewed first, so that nobody takes it meanwhile."""
    clock.advance(2 * LEASE_S)
    assert lock.outlived
    assert "u1" in ours
    assert not lock.outlived


def test_what_another_restores_now_is_left_to_him(world, ours, clock):
    """The store has the entry still: whoever holds the target is about to restore it."""
    clock.advance(2 * LEASE_S)
    taken_by(world, clock, "recover-other")
    assert stored_undo(world.target)[DRILL]
    assert "u1" not in ours


def test_what_another_has_restored_is_left_while_somebody_holds_the_target(
    world, ours, clock, caplog
):
    """It may be that one's own change."""
    restored_by_another(world, clock)
    assert "u1" not in ours
    assert f"u1 is left to who holds the target now: {NEXT_DRILL} on" in caplog.text


def test_what_nobody_holds_is_restored(world, ours, clock):
    """A call that was under way as the process fell asleep may have come late."""
    restored_by_another(world, clock, holder="")
    lease = world.store.read("lock/staging")
    world.store.remove(lease)
    assert "u1" in ours


def test_a_store_that_is_away_keeps_nothing_dark_and_is_not_asked_each_time(
    world, ours, clock, monkeypatch
):
    """Whether another restores is unknown: said, and restored."""
    asked, another = [], TargetLock.another
    monkeypatch.setattr(TargetLock, "another", lambda self: asked.append(1) or another(self))
    clock.advance(2 * LEASE_S)
    world.down = True
    assert "u1" in ours
    assert "u2" in ours
    assert len(asked) == 1
    clock.advance(SILENT_S + 1)
    assert "u1" in ours
    assert len(asked) == 2


def test_only_the_named_ones_are(ours, lock, world, clock):
    """Those that the store had when the recovery began."""
    assert "u2" not in StillOurs(lock, {"u1"}, clock)


def test_a_recovery_that_wakes_under_the_next_drill_changes_nothing(
    world, dark, clock, monkeypatch
):
    """It had read the store before it slept."""

    def slept(target):
        held = stored_undo(target)
        restored_by_another(world, clock)
        return held

    clock.advance(2 * LEASE_S)
    monkeypatch.setattr(again, "stored_undo", slept)
    said: list[str] = []
    assert again.recover_target(world.file, said.append, clock) == again.EXIT_NOT_RESTORED
    assert world.weights() == NEXT
    assert any(line.startswith("NOT RESTORED") for line in said)


@pytest.mark.parametrize("another", [True, False])
def test_a_drill_that_wakes_under_the_next_one_changes_nothing(
    world, dark, lock, clock, tmp_path, another
):
    """Its own log still shows the change; without another drill it is restored from there."""
    lock.acquire()
    if another:
        restored_by_another(world, clock)
    undo = open_undo(
        world.target, tmp_path / "one" / "undo.jsonl", UndoHeader(DRILL, "staging", world.file)
    )
    events = []
    session = SimpleNamespace(
        close_begun=lambda: None, undo=undo, expected=SimpleNamespace(release=lambda: None),
        watchdog=SimpleNamespace(act=lambda: None), slow=lambda call: call(), lock=lock,
        platform=platform_of(world.target), target=world.target, drill_id=DRILL, clock=clock,
        ledger=SimpleNamespace(append=lambda event, **more: events.append(event)),
        allow_slow=lambda: None, stop=StopFlag(), restored=False,
    )  # fmt: skip
    said = restore_all(session)
    undo.close()
    lock.file.release()
    assert world.weights() == (NEXT if another else BEFORE) != DARK
    assert said.startswith("not restored" if another else "restored 1")


@pytest.mark.parametrize("another", [True, False])
def test_who_sleeps_in_the_middle_of_a_revert_changes_nothing_more(
    world, ours, clock, tmp_path, monkeypatch, another
):
    """Between the look at the records and their change, where the lock is asked for again."""
    undo = open_undo(
        world.target, tmp_path / "one" / "undo.jsonl", UndoHeader(DRILL, "staging", world.file)
    )
    shown, slept = Route53.shown, []

    def sleeps(self):
        found = shown(self)
        if not slept:
            slept.append(1)
            clock.advance(2 * LEASE_S)
            if another:
                # Of another machine, so nothing of this one's is asked.
                Context().run(taken_by, world, clock, "recover-other")
        return found

    monkeypatch.setattr(Route53, "_records", lambda self: sleeps(self) and self._listed())
    restored = restore(platform_of(world.target), undo, None, ours, clock=clock)
    undo.close()
    assert slept
    assert restored.verified is not another
    assert world.weights() == (DARK if another else BEFORE)
    assert bool(stored_undo(world.target)) is another


@pytest.mark.parametrize("way", ["asked", "in the middle"])
def test_what_was_left_to_a_holder_who_does_not_restore_is_restored(
    world, ours, clock, tmp_path, monkeypatch, way
):
    """The next drill holds the target for some seconds: its preflight refuses what is left."""
    undo = open_undo(
        world.target, tmp_path / "one" / "undo.jsonl", UndoHeader(DRILL, "staging", world.file)
    )
    shown, begun_s = Route53.shown, []
    taken = SharedLease(
        world.store, "staging", NEXT_DRILL, place="next", lease_s=LEASE_S,
        clock_skew_s_max=1, clock=clock,
    )  # fmt: skip

    def sleeps(self):
        found = shown(self)
        if not begun_s:
            begun_s.append(clock.passed_s)
            clock.advance(2 * LEASE_S)
            Context().run(taken.acquire, patient=True)
        elif clock.passed_s - begun_s[0] > 2.5 * LEASE_S:
            Context().run(taken.release)
        return found

    if way == "asked":
        clock.advance(2 * LEASE_S)
        taken.acquire(patient=True)
        begun_s.append(clock.passed_s)
    monkeypatch.setattr(Route53, "_records", lambda self: sleeps(self) and self._listed())
    restored = restore(platform_of(world.target), undo, None, ours, clock=clock)
    assert restored.verified
    assert world.weights() == BEFORE
    assert not undo.pending
    undo.close()
