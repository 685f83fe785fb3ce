"""A target's lock across machines: one holder, no trust in clocks, and it says when it is lost."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from floor_fixtures import await_true
from held_clock import HeldClock
from shared_targets import MemoryStore, shared_target
from strict_aws import strict_aws

from muster.drill.lock import lease as leases
from muster.drill.lock.held import TargetLock, place
from muster.drill.lock.lease import LeaseRecord, Seen, SharedLease, record_of
from muster.drill.session import Session
from muster.drill.stop import StopFlag
from muster.errors import DrillAborted
from muster.stores import StoreError


def a_lease(store, holder, machine="m1", lease_s=0.4, **more):
    """A lease as a machine would have it; every machine is a place of its own."""
    return SharedLease(
        store, "t", holder, place=machine, lease_s=lease_s, clock_skew_s_max=1, **more
    )


@pytest.fixture
def store():
    """A store in this process."""
    return MemoryStore()


@pytest.fixture
def clock():
    """A clock that stands still."""
    return HeldClock(time.time())


@pytest.fixture
def held(store, clock, monkeypatch):
    """A lease that d1 holds on machine m1; a test renews it by `keep`, where its thread would."""
    for work in ("_keep", "_expire"):
        monkeypatch.setattr(SharedLease, work, lambda self: None)
    one = a_lease(store, "d1", lease_s=60, clock=clock)
    one.acquire()
    yield one
    one.release()


def dead(store, holder="d1", machine="m1", age_s=0.0, lease_s=0.4):
    """The record of a holder that renews no more."""
    renewed = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat()
    record = LeaseRecord(holder, machine, "host", renewed, lease_s, "n")
    store.held["lock/t"] = leases._text(record)


def holder(store):
    return record_of(store.read("lock/t")).holder


def test_a_second_machine_is_refused_and_told_by_whom(store, held):
    """At once, by name and machine; also when it waits, for the holder renews."""
    with pytest.raises(DrillAborted, match=r"target t: held by d1 on \S+ .*nothing was touched"):
        a_lease(store, "d2", "m2").acquire()
    said = []
    waiting = HeldClock(time.time(), lambda passed_s: held.keep())
    with pytest.raises(DrillAborted, match="which is alive"):
        a_lease(store, "d2", "m2", clock=waiting).acquire(patient=True, say=said.append)
    assert "watching it for" in said[0]
    assert holder(store) == "d1"


def test_release_lets_the_next_one_in(store, held):
    """A free lock is had at once, from anywhere; to release again changes nothing."""
    held.release()
    held.release()
    assert holder(store) == ""
    other = a_lease(store, "d2", "m2")
    other.acquire()
    held.release()
    assert holder(store) == "d2"
    other.release()


def test_a_watchdog_of_the_same_drill_takes_over(store):
    """The same holder adopts; what the dead one still tries to change is refused."""
    first = a_lease(store, "d1", lease_s=60)
    first.acquire()
    second = a_lease(store, "d1", lease_s=60)
    second.acquire()
    assert second._mine != first._mine
    second.release()
    first.release()


def test_a_dead_holder_of_the_same_place_is_taken_over_at_once(store):
    """Who has that place's own lock knows that the other is gone."""
    dead(store, "d1", "m1", lease_s=600)
    one = a_lease(store, "recover-1", "m1")
    one.acquire()
    assert holder(store) == "recover-1"
    one.release()


@pytest.mark.parametrize("age_s", [-3600.0, 0.0, 3600.0])
def test_a_dead_holder_elsewhere_is_watched_for_its_lease_whatever_its_clock_said(store, age_s):
    """The waiting machine's own clock alone decides, so that a stepped clock opens nothing."""
    dead(store, age_s=age_s, lease_s=60)
    clock = HeldClock(time.time())
    one = a_lease(store, "recover-1", "m2", lease_s=60, clock=clock)
    one._keep = one._expire = lambda: None
    one.acquire(patient=True)
    assert clock.passed_s > leases.WATCHED * 60
    assert holder(store) == "recover-1"
    one.release()


@pytest.mark.parametrize("age_s", [-3600.0, 0.0, 1.0])
def test_an_impatient_drill_does_not_wait_for_what_may_be_alive(store, age_s):
    """Within lease and skew, or from a clock ahead, it is refused at once."""
    dead(store, age_s=age_s)
    clock = HeldClock(time.time())
    with pytest.raises(DrillAborted, match="held by d1"):
        a_lease(store, "d2", "m2", clock=clock).acquire()
    assert clock.waits_s == []


def test_one_that_renews_while_it_is_watched_is_alive(store):
    """Even if its wall clock says that it renewed long ago."""
    dead(store, age_s=3600)

    clock = HeldClock(time.time(), lambda passed_s: dead(store, age_s=3599))
    with pytest.raises(DrillAborted, match="which is alive"):
        a_lease(store, "d2", "m2", clock=clock).acquire()


def test_of_two_recoveries_at_once_one_acts(store):
    """Both see the dead holder's state for its whole lease; one changes it."""
    dead(store)
    outcomes = []

    def recover(name: str) -> None:
        one = a_lease(store, name, name)
        try:
            one.acquire(patient=True)
            outcomes.append((name, one))
        except DrillAborted as error:
            outcomes.append((str(error), None))

    threads = [threading.Thread(target=recover, args=(f"recover-{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [one for _, one in outcomes if one is not None]
    assert len(winners) == 1
    winners[0].release()


def test_a_lock_broken_by_hand_is_noticed(store, held):
    """The drill that held it is told, once, and does not take it back."""
    lost = []
    held.on_lost(lost.append)
    store.held["lock/t"] = leases._text(LeaseRecord())
    assert not held.keep(), "its thread ends"
    assert lost == ["the lock was taken away: it was broken by hand"]
    held.release()
    assert holder(store) == ""


def test_a_lock_taken_by_another_is_noticed_also_by_who_asks_later(store, held):
    """Whoever begins to listen after the loss hears of it too."""
    dead(store, "d9", "m9")
    held.keep()
    lost = []
    held.on_lost(lost.append)
    assert "held by d9 on host" in lost[0]


def test_a_lease_is_lost_before_another_could_take_it(store, held, clock):
    """The holder says so before its lease is over, and renews again when the store is back."""
    lost = []
    held.on_lost(lost.append)
    store.down = True
    while clock.passed_s <= leases.LOST_AT * 60:
        assert lost == []
        assert held.keep(), "it goes on trying"
        clock.advance(60 / leases.RENEWALS_A_LEASE)
    assert held.keep()
    assert lost[0].startswith("the lock was not renewed for 45 s")
    assert leases.LOST_AT < 1 < leases.WATCHED
    store.down = False
    before = store.held["lock/t"]
    assert held.keep()
    assert store.held["lock/t"] != before
    assert holder(store) == "d1"
    assert len(lost) == 1


def test_a_store_that_hangs_does_not_hide_the_end_of_the_lease(store):
    """A renewal that does not return is no renewal: the holder is told while it waits."""
    one = a_lease(store, "d1", lease_s=0.4)
    lost, hangs, go_on = [], threading.Event(), threading.Event()
    told = threading.Event()
    one.acquire()

    def hang(key):
        hangs.set()
        go_on.wait()
        raise StoreError("too late")

    one.on_lost(lambda why: (lost.append(why), told.set()))
    store.read = hang
    assert hangs.wait(60)
    assert told.wait(60)
    assert "was not renewed for" in lost[0]
    assert not one.sure
    go_on.set()
    del store.read
    one.release()


def test_who_stood_still_is_not_sure_of_its_lock(held, clock):
    """By the clock alone, before any thread has noticed."""
    assert held.sure
    clock.advance(leases.LOST_AT * 60)
    assert held.sure
    clock.advance(1)
    assert not held.sure
    held.renew()
    assert held.sure


def test_what_the_caller_has_watched_is_not_watched_again(store):
    """Only the very state that it saw, and only for the rest of the lease."""
    dead(store, lease_s=60)
    clock = HeldClock(time.time())
    seen = Seen(store.read("lock/t"), clock.boot_s() - 70)
    one = a_lease(store, "recover-1", "m2", lease_s=60, clock=clock)
    one._keep = one._expire = lambda: None
    one.acquire(seen=seen)
    assert 5 <= clock.passed_s < 15
    one.release()
    dead(store, lease_s=60, age_s=1)
    with pytest.raises(DrillAborted, match="held by d1 on host"):
        a_lease(store, "recover-2", "m3", lease_s=60, clock=clock).acquire(seen=seen)
    assert holder(store) == "d1"


def test_the_lease_is_renewed_by_a_thread_until_it_is_released(store):
    """The one test that waits for it."""
    one = a_lease(store, "d1", lease_s=0.2)
    one.acquire()
    before = store.held["lock/t"]
    await_true(lambda: store.held["lock/t"] != before, "a renewal")
    one.release()
    assert holder(store) == ""


def test_a_renewal_whose_answer_was_lost_is_not_taken_for_another(store):
    """The lock shows the own name with a state that was never confirmed: it goes on from there."""
    one = a_lease(store, "d1", lease_s=60)
    one.acquire()
    dead(store, "d1", "m1")
    one.renew()
    assert json.loads(store.held["lock/t"])["lease_s"] == 60
    one.release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"holder": "x"}', '{"holder": 1, "place": ""}'])
def test_a_record_that_makes_no_sense_is_unknown(store, text):
    """Neither free nor held: refused, and left as it is."""
    store.held["lock/t"] = text
    with pytest.raises(DrillAborted, match="who holds it is unknown"):
        a_lease(store, "d2").acquire()
    assert store.held["lock/t"] == text


def test_a_store_that_does_not_answer_is_no_free_lock(store):
    """Unknown is refused."""
    store.down = True
    with pytest.raises(DrillAborted, match="unknown: the store is down"):
        a_lease(store, "d1").acquire()


@pytest.mark.parametrize("kind", ["route53_txt", "s3"])
def test_two_clones_hold_each_other_off_through_the_store(tmp_path, monkeypatch, kind):
    """Two state directories are two machines: only the store knows of both."""
    with strict_aws() as aws:
        target = shared_target(aws.url, kind, lease_s=600)
        monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "one"))
        here = place()
        assert here == place()
        first = TargetLock(target, "d1")
        first.acquire()
        monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "two"))
        assert place() != here
        with pytest.raises(DrillAborted, match="held by d1 on"):
            TargetLock(target, "d2").acquire()
        first.release()
        with TargetLock(target, "d2"):
            pass


def test_a_refusal_of_the_store_frees_the_file(tmp_path, monkeypatch):
    """What was refused holds nothing on this machine either."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path))
    with strict_aws(down=True) as aws:
        for _ in range(2):
            with pytest.raises(DrillAborted, match="unknown"):
                TargetLock(shared_target(aws.url, "s3"), "d1").acquire()


def test_an_unreadable_record_names_its_place(store):
    """Whoever looks learns where it stands."""
    store.held["lock/t"] = "?"
    with pytest.raises(StoreError, match="lock/t: no lock record"):
        holder(store)


def test_a_drill_that_may_have_lost_its_lock_applies_nothing(held, clock, monkeypatch):
    """After the inverse is logged and before the change: there it stops, for that reason."""
    monkeypatch.setattr("muster.drill.session.outside", lambda target, fault: "")
    fault = SimpleNamespace(
        kind="region_power", subject="region a", undo_params=dict, region="a", expects=(),
        maker="", each_time=False,
    )  # fmt: skip
    entry = SimpleNamespace(entry_id="u1", subject="region a")
    lock = SimpleNamespace(doubt=lambda: TargetLock.doubt(SimpleNamespace(lease=held)))
    stop = StopFlag(clock)
    session = SimpleNamespace(
        released=False,
        target=None,
        clock=clock,
        undo=SimpleNamespace(add=lambda *what, **more: entry),
        record=lambda *what, **more: None,
        lock=lock,
        stop_now=lambda reason: Session.stop_now(SimpleNamespace(stop=stop), reason),
    )
    session.check_lock = lambda: Session.check_lock(session)
    Session.write_undo(session, fault)
    clock.advance(leases.LOST_AT * 60 + 1)
    with pytest.raises(DrillAborted, match=r"lost_lease: .*another machine may restore already"):
        Session.write_undo(session, fault)
    assert stop.reason.verdict == "ABORTED"
