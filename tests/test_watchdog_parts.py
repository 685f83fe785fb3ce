"""The watchdog's parts: leases, messages, processes held by pidfd, and who may act."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest
from held_clock import HeldClock
from hypothesis import given
from hypothesis import strategies as st

from muster.clock import SYSTEM_CLOCK
from muster.drill.lock.runs import STALE_S, BeatFile, RunFiles, runs_of
from muster.drill.lock.way import make_way
from muster.drill.stop import HEADWAY_S_MAX, StopFlag
from muster.drill.watchdog.channel import Channel
from muster.drill.watchdog.messages import FROM_DRILL, Beat, Declare, Load, StandDown
from muster.drill.watchdog.orphan_load import HeldLoad
from muster.drill.watchdog.peer import Peer, start_ticks_of
from muster.drill.watchdog.silence import TICK_S, Lease, Rhythm


def turns(lease, clock, count, each_s):
    for _ in range(count):
        clock.advance(each_s)
        lease.tick()


def test_silence_past_the_lease_is_a_hang_and_not_before():
    """Just under the lease nothing is wrong; just past it, it is."""
    clock = HeldClock()
    lease = Lease(5.0, clock)
    turns(lease, clock, 20, 0.25)
    assert not lease.expired
    turns(lease, clock, 1, 0.25)
    assert lease.expired
    lease.renew()
    assert not lease.expired


def test_ones_own_absence_is_not_the_others_silence():
    """A process that stood still for a minute does not take the other for dead."""
    clock = HeldClock()
    lease = Lease(5.0, clock)
    clock.advance(60)
    assert lease.tick() == 60
    assert not lease.expired
    turns(lease, clock, 30, 0.2)
    assert lease.expired, "the other end stays silent while this one is awake"


@given(pause_s=st.floats(0.0, 4.0), sleep_s=st.floats(0.0, 1e6))
def test_two_that_wake_together_never_both_see_the_other_expired(pause_s, sleep_s):
    """However long the machine slept, no lease has run out at the first turn after."""
    clock = HeldClock()
    lease = Lease(5.0, clock)
    turns(lease, clock, 1, min(pause_s, 1.0))
    clock.advance(sleep_s)
    lease.tick()
    assert not lease.expired


def test_a_beat_is_due_once_a_tick():
    """However often the loop turns; after a pause one, not all that were missed."""
    clock = HeldClock()
    rhythm = Rhythm(clock)
    assert rhythm.due()
    due = []
    for _ in range(100):
        clock.advance(TICK_S / 10)
        due.append(rhythm.due())
    assert 9 <= sum(due) <= 10
    clock.advance(60)
    assert [rhythm.due(), rhythm.due()] == [True, False]


@pytest.fixture
def ends():
    """Both ends of a channel."""
    one, other = socket.socketpair()
    with one, other:
        yield Channel(one, FROM_DRILL), Channel(other, FROM_DRILL)


def numbers(heard):
    return [int(message.fault) for message in heard.messages if isinstance(message, Declare)]


def test_messages_come_whole_and_in_order(ends):
    """What is sent in many small writes is heard as it was said."""
    one, other = ends
    for number in range(200):
        assert one.send(Declare(fault=f"{number}", region="x" * 300, expects=()))
    got = []
    while len(got) < 200:
        heard = other.receive()
        assert not heard.closed
        got += numbers(heard)
        one.send(Beat())  # what did not fit goes out with the next message
    assert got[:200] == list(range(200))


def test_a_reader_that_stands_still_never_blocks_the_writer(ends):
    """Past its backlog the writer is told; what was accepted still arrives, whole."""
    one, other = ends
    accepted = 0
    while one.send(Declare(fault=f"{accepted}", region="x" * 4000, expects=())):
        accepted += 1
        assert accepted < 10_000, "the backlog has no bound"
    got = []
    while len(got) < accepted:
        got += numbers(other.receive())
        one.send(Beat())
    assert got[:accepted] == list(range(accepted))


def test_a_closed_end_is_heard(ends):
    """The death of a process closes its end."""
    one, other = ends
    one.send(StandDown())
    one.close()
    heard = other.receive()
    assert heard.messages == (StandDown(),)
    assert heard.closed
    assert not other.send(Beat())


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b"[]",
        b'{"arm": true}',
        b'{"kind": "rearm"}',
        b'{"kind": "arm", "at": 1}',
        b'{"kind": "hello", "drill_id": "d1"}',
        b'{"kind": "load", "pids": ["1"]}',
        b'{"kind": "ready"}',
    ],
)
def test_a_line_that_is_no_message_for_this_end_is_refused(line, caplog):
    """It is logged without its values, and what comes after it is heard."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        mine.sendall(line + b"\n" + b'{"kind": "beat"}\n')
        assert Channel(theirs, FROM_DRILL).receive().messages == (Beat(),)
    assert "refused a message" in caplog.text


def test_descriptors_ride_along(ends):
    """The other end can write where only this end could."""
    one, other = ends
    reading, writing = os.pipe()
    assert one.send(Load(pids=(1,)), [writing])
    os.close(writing)
    heard = other.receive()
    os.write(heard.fds[0], b"still here")
    os.close(heard.fds[0])
    assert os.read(reading, 100) == b"still here"
    assert os.read(reading, 1) == b"", "no copy is left open"
    os.close(reading)


@pytest.fixture
def sleeper():
    """A process that sleeps."""
    child = subprocess.Popen(["sleep", "600"])
    yield child
    child.kill()
    child.wait()


def test_a_stopped_process_is_killed_and_seen_gone(sleeper):
    """SIGKILL ends it, and only then is it gone."""
    sleeper.send_signal(signal.SIGSTOP)
    peer = Peer(sleeper.pid, start_ticks_of(sleeper.pid))
    assert peer.alive()
    assert not peer.await_end(0)
    assert peer.kill(10)
    assert not peer.alive(), "a zombie has ended"
    sleeper.wait()
    assert peer.kill(1), "killing it again is harmless"
    peer.close()
    peer.close()


def test_a_pid_that_means_another_process_is_not_held(sleeper):
    """A beat file from before the machine restarted kills nobody."""
    with pytest.raises(ProcessLookupError, match="another process"):
        Peer(sleeper.pid, 1)
    assert sleeper.poll() is None


def test_a_pid_that_is_gone_is_not_held(sleeper):
    """There is nobody to hold."""
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(ProcessLookupError):
        Peer(sleeper.pid)


def test_a_held_load_outlives_its_starter_and_is_ended_with_one_word():
    """Its standard input stays open while one copy is, and its last line ends it."""
    code = (
        "import sys\nfor line in sys.stdin:\n    sys.exit(0 if 'end' in line else 1)\nsys.exit(2)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert child.stdin is not None
    load = HeldLoad([child.pid], [os.dup(child.stdin.fileno())])
    child.stdin.close()
    assert load.alive()
    load.end()
    assert child.wait(10) == 0
    assert not load.alive()
    load.end()


def test_a_held_load_that_does_not_listen_is_killed():
    """No shard is left."""
    child = subprocess.Popen(["sleep", "600"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    load = HeldLoad([child.pid], [os.dup(child.stdin.fileno())])
    load.end()
    assert child.wait(10) == -signal.SIGKILL
    child.stdin.close()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A running drill's files."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path))
    files = RunFiles("d1")
    files.make("test")
    return files


def beat(run, role, pid, ago_s, ticks=None):
    """A beat of another process."""
    file = BeatFile(run, role)
    file._pid, file._ticks = pid, ticks if ticks is not None else start_ticks_of(pid)
    file.write()
    path = run.directory / f"{role}.json"
    said = path.read_text().replace(
        f'"boot_s": {path.read_text().split("boot_s")[1].split()[1].rstrip("}")}',
        f'"boot_s": {SYSTEM_CLOCK.boot_s() - ago_s}',
    )
    path.write_text(said)
    file.close()


def test_a_process_is_awake_while_it_beats_and_lives(run, sleeper):
    """Fresh, then stale; and never fresh once it is gone."""
    beat(run, "drill", sleeper.pid, 0.1)
    assert run.beat("drill").fresh
    beat(run, "drill", sleeper.pid, STALE_S + 1)
    assert not run.beat("drill").fresh
    beat(run, "drill", sleeper.pid, 0.1)
    sleeper.kill()
    sleeper.wait()
    assert not run.beat("drill").fresh
    assert run.beat("watchdog") is None


def test_only_one_may_kill_the_other(run):
    """The right is exclusive, and comes back when its holder lets go."""
    right = run.take_right()
    assert right is not None
    assert run.take_right() is None
    os.close(right)
    again = run.take_right()
    assert again is not None
    os.close(again)


def test_an_abort_is_asked_for_and_heard(run):
    """Nobody asked, then somebody did."""
    assert run.abort_asked() is None
    run.ask_abort("smoke in the hall")
    assert run.abort_asked() == "smoke in the hall"
    (run.directory / "abort.json").write_text("{")
    assert run.abort_asked() is None


def test_runs_are_found_by_target_until_they_are_over(run):
    """Another target's drill is not ours."""
    assert runs_of("test") == [run]
    assert runs_of("other") == []
    run.remove()
    assert run.over
    assert runs_of("test") == []


def test_a_drill_that_is_awake_is_left_alone(run, sleeper):
    """Its lock refuses whoever comes; nothing is killed."""
    beat(run, "drill", sleeper.pid, 0.1)
    make_way("test", pytest.fail)
    assert sleeper.poll() is None
    assert not run.over


def test_both_standing_still_are_killed(run, sleeper):
    """Neither can wake up later and finish an old call."""
    other = subprocess.Popen(["sleep", "600"])
    sleeper.send_signal(signal.SIGSTOP)
    beat(run, "drill", sleeper.pid, STALE_S + 1)
    beat(run, "watchdog", other.pid, STALE_S + 1)
    make_way("test", pytest.fail)
    assert sleeper.wait(10) == -signal.SIGKILL
    assert other.wait(10) == -signal.SIGKILL
    assert run.over


def test_a_pid_used_again_is_not_killed(run, sleeper):
    """A beat of before is about another process."""
    beat(run, "drill", sleeper.pid, STALE_S + 1, ticks=1)
    make_way("test", pytest.fail)
    assert sleeper.poll() is None
    assert run.over


def test_a_watchdog_that_restores_is_waited_for(run, sleeper):
    """It is told once, and when the watchdog is through there is nothing to end."""
    beat(run, "drill", os.getpid(), STALE_S + 1, ticks=1)
    beat(run, "watchdog", sleeper.pid, 0.1)
    said = []
    looks = iter(range(3))

    def sleep(seconds):
        if next(looks, None) is None:
            run.remove()

    make_way("test", said.append, HeldClock(on_wait=sleep, boot_s=SYSTEM_CLOCK.boot_s()))
    assert len(said) == 1
    assert "to restore" in said[0]
    assert sleeper.poll() is None


def test_a_drill_that_does_not_look_makes_no_headway():
    """Past the bound it hangs; what says that it takes longer has longer."""
    clock = HeldClock()
    flag = StopFlag(clock)
    clock.advance(HEADWAY_S_MAX - 1)
    assert flag.makes_headway
    flag.check()
    clock.advance(HEADWAY_S_MAX + 1)
    assert not flag.makes_headway
    flag.allow(100)
    clock.advance(HEADWAY_S_MAX + 99)
    assert flag.makes_headway
    clock.advance(2)
    assert not flag.makes_headway
