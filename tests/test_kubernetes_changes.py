"""Waiting for a cluster's objects by watches, and without them."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator

import pytest
from floor_fixtures import await_true

from muster.clock import SYSTEM_CLOCK
from muster.platform.kubernetes import changes as module
from muster.platform.kubernetes.changes import Changes, changes
from muster.platform.kubernetes.cluster import Refused, Unanswered
from muster.platform.port import PortError

PATH = "/api/v1/namespaces/chat/pods"


class Watch:
    """What a watch tells, as a test says."""

    def __init__(self) -> None:
        self.lines: queue.Queue[bytes | PortError | None] = queue.Queue()

    def tell(self, kind: str, name: str) -> None:
        event = {"type": kind, "object": {"metadata": {"name": name}}}
        self.lines.put(json.dumps(event).encode())

    def end(self) -> None:
        self.lines.put(None)

    def __iter__(self) -> Iterator[bytes]:
        while (line := self.lines.get(timeout=60)) is not None:
            if isinstance(line, PortError):
                raise line
            yield line


class Cluster:
    """An API server of which each watch is the test's own."""

    def __init__(self, refused: PortError | None = None) -> None:
        self.watches: list[Watch] = []
        self.refused = refused

    def watch(self, path: str, seconds: int) -> Watch:
        assert (path, seconds) == (PATH, module.WATCH_S)
        if self.refused is not None:
            raise self.refused
        self.watches.append(Watch())
        return self.watches[-1]

    def now(self, number: int = 1) -> Watch:
        await_true(lambda: len(self.watches) >= number, "the watch")
        return self.watches[-1]


class Waits:
    """A clock on which a wait lasts until the event, and whose limits are noted."""

    def __init__(self) -> None:
        self.limits: list[float] = []
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.limits.append(seconds)
        return event.wait(60)


def gone(*names):
    paths = [f"{PATH}/{name}" for name in names]
    return lambda shown: all(shown.get(path, {}) is None for path in paths)


def waiting(told: Changes, come, until_s: float = 60.0) -> threading.Thread:
    one = threading.Thread(target=told.wait, args=(come, until_s), daemon=True)
    one.start()
    return one


def test_whoever_waits_is_woken_by_what_he_waits_for():
    """Not by the first of two deletions, nor by what is there or changed."""
    cluster, clock = Cluster(), Waits()
    with changes(cluster, [PATH], clock) as told:
        one = waiting(told, gone("a", "b"))
        watch = cluster.now()
        for kind, name in (("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("MODIFIED", "b")):
            watch.tell(kind, name)
        await_true(lambda: told.shown().get(f"{PATH}/a", {}) is None, "the first deletion")
        assert one.is_alive()
        watch.tell("DELETED", "b")
        one.join(60)
        assert not one.is_alive()
    assert clock.limits == [module.UNSEEN_S]


def test_what_came_between_two_looks_is_not_waited_for():
    """And what woke somebody once does not wake him again."""
    cluster, clock = Cluster(), Waits()
    with changes(cluster, [PATH], clock) as told:
        watch = cluster.now()
        watch.tell("DELETED", "a")
        await_true(lambda: told.shown(), "the deletion")
        told.wait(gone("a"), 60.0)
        again = waiting(told, gone("a"))
        await_true(lambda: len(clock.limits) == 2, "the second wait")
        assert again.is_alive()
        watch.tell("DELETED", "a")
        again.join(60)
        assert not again.is_alive()


@pytest.mark.parametrize(
    "refused", [Refused("no right to watch"), Unanswered("no answer")], ids=str
)
def test_without_a_watch_one_looks_again_soon(refused):
    """As often as if there were none at all."""
    clock = Waits()
    with changes(Cluster(refused), [PATH], clock) as told:
        told.wait(lambda shown: False, 60.0)
        await_true(lambda: told.untold, "the refusal")
        clock.wait = lambda event, seconds: clock.limits.append(seconds)
        told.wait(lambda shown: False, 60.0)
    assert clock.limits[-1] == module.LOOK_APART_S


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'{"items": []}', b'{"type": "ERROR", "object": {"code": 410}}',
     b'{"type": "DELETED", "object": {"metadata": {}}}', b"[" * 200_000, None,
     Unanswered("cut off")],
    ids=lambda line: str(line)[:40],
)  # fmt: skip
def test_a_watch_that_tells_nonsense_is_not_believed(line):
    """It wakes whoever waits, who looks by himself from then on; None: it ends at once."""
    cluster, clock = Cluster(), Waits()
    with changes(cluster, [PATH], clock) as told:
        one = waiting(told, gone("a"))
        cluster.now().lines.put(line)
        one.join(60)
        assert not one.is_alive()
        assert told.untold == {PATH}
        assert told.shown() == {}


def test_a_watch_that_ends_begins_anew():
    """As each does after a while."""
    cluster = Cluster()
    with changes(cluster, [PATH], SYSTEM_CLOCK) as told:
        first = cluster.now()
        first.tell("ADDED", "a")
        first.end()
        watch = cluster.now(2)
        watch.tell("DELETED", "a")
        await_true(lambda: told.shown() == {f"{PATH}/a": None}, "the deletion")
    assert len(cluster.watches) == 2


def test_nobody_waits_longer_than_until_the_time_is_over():
    """Nor at all where it is over already."""
    cluster, clock = Cluster(), Waits()
    clock.wait = lambda event, seconds: clock.limits.append(seconds)
    with changes(cluster, [PATH], clock) as told:
        told.wait(gone("a"), 0.7)
        clock.now_s = 0.8
        told.wait(gone("a"), 0.7)
    assert clock.limits == [0.7]
    assert not [one for one in threading.enumerate() if one.name == PATH]


def test_a_state_that_cannot_be_read_is_time_to_look():
    """Whoever waits looks by himself, which shows what is wrong."""
    cluster = Cluster()

    def come(shown):
        if shown:
            raise PortError("availableReplicas: got 'many', expected a whole number")
        return False

    with changes(cluster, [PATH], Waits()) as told:
        one = waiting(told, come)
        cluster.now().tell("MODIFIED", "a")
        one.join(60)
        assert not one.is_alive()
        assert told.untold == set()
