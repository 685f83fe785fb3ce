"""One drill a target: two processes, one lock."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from muster.drill.lock.held import FileLock, holder_of
from muster.errors import DrillAborted

HOLD = """
import subprocess, sys, time
from muster.drill.lock.held import FileLock
lock = FileLock("testbed", "drill-1")
lock.acquire()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) if "child" in sys.argv else None
print(child.pid if child else 0, flush=True)
time.sleep(60)
"""  # noqa: E501


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    """Locks of this test alone."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path))


@pytest.fixture
def holder():
    """Starts another process that holds the lock; kills it at the end."""
    started = []

    def start(*arguments):
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, *arguments], stdout=subprocess.PIPE, text=True
        )
        started.append(child)
        return child, int(child.stdout.readline())

    yield start
    for child in started:
        child.kill()
        child.wait(timeout=10)
        child.stdout.close()


def test_a_second_process_is_refused_and_told_by_whom(holder):
    """It names the holder and its process, never waits, and leaves the holder's name in place."""
    child, _ = holder()
    lock = FileLock("testbed", "drill-2")
    for _ in range(2):
        with pytest.raises(DrillAborted) as caught:
            lock.acquire()
        assert caught.value.by == "preflight:lock"
        assert f"held by drill-1 (process {child.pid}); nothing was touched" in str(caught.value)
    lock.release()
    assert holder_of(lock.path) == {"holder": "drill-1", "pid": child.pid}


def test_a_killed_holder_leaves_no_lock(holder):
    """After `kill -9` the next drill starts at once, over the name that the dead one left."""
    child, _ = holder()
    child.kill()
    child.wait(timeout=10)
    with FileLock("testbed", "drill-2") as lock:
        assert holder_of(lock.path) == {"holder": "drill-2", "pid": os.getpid()}


def test_a_child_of_the_holder_does_not_keep_it(holder):
    """Load and testbed processes that outlive their drill do not hold its lock."""
    child, grandchild = holder("child")
    try:
        child.kill()
        child.wait(timeout=10)
        FileLock("testbed", "drill-2").acquire()
        os.kill(grandchild, 0)
    finally:
        os.kill(grandchild, 9)


def test_targets_do_not_hold_each_other_up():
    """Two targets, two drills."""
    with FileLock("testbed", "a"), FileLock("staging", "b"):
        pass


def test_release_is_idempotent_and_lets_the_next_one_in():
    """After release nobody's name stands there and the lock can be had again."""
    lock = FileLock("testbed", "a")
    lock.acquire()
    lock.release()
    lock.release()
    assert holder_of(lock.path) == {}
    with FileLock("testbed", "b"), pytest.raises(DrillAborted, match="held by b"):
        lock.acquire()


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_an_unreadable_name_is_no_name(tmp_path, text):
    """Whatever stands in the file, the kernel's lock alone decides."""
    path = tmp_path / "locks" / "testbed.lock"
    path.parent.mkdir()
    path.write_text(text)
    assert holder_of(path) == {}
    assert holder_of(tmp_path / "none") == {}
    with FileLock("testbed", "a"):
        assert holder_of(path)["holder"] == "a"
