"""The stop flag: the first reason counts, and no wait outlives it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from chaoslib.exceptions import InterruptExecution

from muster.clock import SYSTEM_CLOCK
from muster.controls import drill as control
from muster.controls import run_end
from muster.drill import current as drills
from muster.drill.stop import StopFlag, StopReason
from muster.errors import DrillAborted

OPERATOR = StopReason("operator", "ABORTED", "asked to", 1.0)
LIMIT = StopReason("limit:queue_age", "FAIL", "31 s", 2.0)


def test_the_first_reason_counts():
    """A later reason changes nothing and is told so."""
    flag = StopFlag()
    assert not flag.is_set
    flag.check()
    assert flag.set(OPERATOR)
    assert not flag.set(LIMIT)
    assert flag.reason is OPERATOR
    assert flag.is_set
    with pytest.raises(DrillAborted, match="operator: asked to"):
        flag.check()


def test_of_many_threads_exactly_one_is_first():
    """Two reasons at once never both count."""
    flag = StopFlag()
    gate = threading.Barrier(8)
    firsts = []

    def set_it():
        gate.wait()
        firsts.append(flag.set(LIMIT))

    threads = [threading.Thread(target=set_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert firsts.count(True) == 1


def test_a_wait_ends_as_soon_as_the_drill_must_stop():
    """An hour's wait is over when another thread sets the flag."""
    flag = StopFlag()
    timer = threading.Timer(0.05, flag.set, (LIMIT,))
    timer.start()
    with pytest.raises(DrillAborted, match="limit:queue_age"):
        flag.wait(3600)
    timer.join()
    with pytest.raises(DrillAborted):
        flag.wait(0)


def test_a_wait_lasts_its_time_otherwise():
    """Without a reason the wait is as long as asked, and a negative one is none."""
    flag = StopFlag()
    start = time.monotonic()
    flag.wait(0.15)
    assert time.monotonic() - start >= 0.15
    flag.wait(-1)


def test_waiting_for_a_fact_tells_how_long_or_none():
    """The seconds it took; None when the bound passed; an abort when the drill must stop."""
    flag = StopFlag()
    looks = iter([False, False, True])
    assert 0 < flag.wait_until(lambda: next(looks), 10, look_s=0.01) < 10
    assert flag.wait_until(lambda: False, 0.03, look_s=0.01) is None

    def stop_while_looking():
        flag.set(OPERATOR)
        return False

    with pytest.raises(DrillAborted):
        flag.wait_until(stop_while_looking, 3600)


def wait_for_ever(flag):
    while True:
        flag.wait_until(lambda: True, 1)
        flag.wait(0.00001)


def test_a_signal_handler_may_set_it_whatever_it_interrupts():
    """Handlers that fire anywhere in a wait always come back, and the wait ends."""
    flag = StopFlag()
    before = signal.signal(signal.SIGALRM, lambda *_: flag.set(OPERATOR))
    try:
        for attempt in range(100):
            flag = StopFlag()
            signal.setitimer(signal.ITIMER_REAL, 0.0002 + attempt * 1e-6)
            with pytest.raises(DrillAborted):
                wait_for_ever(flag)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def controlled():
    """A session of a control that takes the signals; they are given back."""
    before = {number: signal.getsignal(number) for number in run_end.SIGNALS}
    session = SimpleNamespace(
        stop=StopFlag(), clock=SYSTEM_CLOCK, undo=SimpleNamespace(pending=()), bundle=Path("b")
    )
    yield session
    drills.install(None)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_terminal_that_nohup_ignores_stops_no_drill(controlled):
    """The other signals do."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    control._take_signals(controlled)
    os.kill(os.getpid(), signal.SIGHUP)
    assert not controlled.stop.is_set
    os.kill(os.getpid(), signal.SIGTERM)
    assert controlled.stop.reason.by == "signal:SIGTERM"
    run_end.give_signals_back()


def test_a_signal_at_the_very_end_takes_no_exit_code_away(controlled, monkeypatch):
    """Chaos Toolkit's handler raises, and it ignores what a control raises after an experiment."""

    def raises(number, frame):
        raise InterruptExecution("SIGTERM signal received")

    def fails(session, journal):
        # Comes as soon as the handlers are given back.
        monkeypatch.setattr(run_end, "give_signals_back", given_back)
        raise OSError("full")

    def given_back():
        back()
        os.kill(os.getpid(), signal.SIGTERM)

    back = run_end.give_signals_back
    codes, journal = [], {}
    monkeypatch.setattr(run_end, "exit_with", codes.append)
    monkeypatch.setattr("muster.drill.finish.finish", fails)
    signal.signal(signal.SIGTERM, raises)
    drills.install(controlled)
    control._take_signals(controlled)
    with pytest.raises(InterruptExecution):
        control.after_experiment_control({}, journal)
    assert (codes, journal) == ([3], {"deviated": True})
