"""A region's drain while it stands: another's change of it stops the drill, and nobody fails."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from floor_fixtures import await_true

from muster.clock import SYSTEM_CLOCK
from muster.drill.phases.failover import _look_at_drain, ask_drain
from muster.drill.sight.drained import CHANGED, DrainLook
from muster.drill.stop import StopFlag
from muster.errors import DrillAborted
from muster.platform.port import PortError
from muster.reports.sentences import stopper

REGION = "west"


class Hook:
    """A drain port that shows what the test says; `asks` False: there is nobody to ask."""

    def __init__(self, shown="serving", asks=True):
        self.region = REGION
        self.asks = asks
        self.says = shown
        self.looks = 0
        self.timeout_s = 1.0

    def ask(self, state):
        self.says = state

    def shown(self):
        self.looks += 1
        says = self.says() if callable(self.says) else self.says
        if isinstance(says, Exception):
            raise says
        return says

    def touches(self):
        return ()


class Stepped(DrainLook):
    """Looks only when the test does: its thread is a matter of the last test."""

    def _run(self, end):
        pass


def standing(state="closing", **options):
    hook, stop = Hook(state, **options), StopFlag()
    look = Stepped(hook, stop, poll_s=1.0)
    look.stands(state)
    return hook, look, stop


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("closing", "serving"),
        ("draining", "serving"),
        ("draining", "closing"),
        ("serving", "draining"),
    ],
)
def test_a_drain_that_another_changed_stops_the_drill(asked, shown):
    """At the next look, by its own name, from what to what; it is nobody's failure."""
    hook, look, stop = standing(asked)
    look.once()
    assert not stop.is_set
    hook.says = shown
    look.once()
    assert (stop.reason.by, stop.reason.verdict) == (CHANGED, "ABORTED")
    assert stop.reason.detail == (
        f"west reports {shown}, but the drill had asked for and seen {asked}: somebody else "
        "changed it, or the region restarted by itself"
    )
    assert stopper(CHANGED) != CHANGED


@pytest.mark.parametrize("says", ["unknown", "", "drained", PortError("GET http://h: HTTP 500")])
def test_a_look_that_tells_nothing_stops_nothing(says):
    """The next one does."""
    hook, look, stop = standing()
    look.once()
    hook.says = says
    look.once()
    assert not stop.is_set
    hook.says = "serving"
    look.once()
    assert stop.is_set


def test_a_state_is_judged_once_it_was_seen():
    """A hook may take a moment to follow; one that never does shows in the streams."""
    hook, look, stop = standing()
    hook.says = "serving"
    look.once()
    assert not stop.is_set
    hook.says = "closing"
    look.once()
    hook.says = "serving"
    look.once()
    assert stop.is_set


def test_what_the_drill_asks_for_itself_is_no_change():
    """The next state, and none while the region is stopped; a look under way does not count."""
    hook, look, stop = standing()
    look.once()
    look.rest()
    hook.says = "serving"
    look.once()
    assert hook.looks == 1
    look.stands("draining")
    look.once()
    hook.says = "draining"
    look.once()

    def meanwhile():
        look.rest()
        look.stands("closing")
        return "serving"

    hook.says = meanwhile
    look.once()
    assert not stop.is_set


def test_where_nobody_is_asked_nobody_is_looked_at():
    """Clients leave such a region by themselves."""
    hook, look, stop = standing(asks=False)
    look.once()
    assert hook.looks == 0
    assert not stop.is_set


class FakeSession:
    """What the phases use of a session when they ask for a drain."""

    def __init__(self, hook):
        self.stop = StopFlag()
        self.poll_s = 0.01
        self.clock = SimpleNamespace(now_s=lambda: 7.0, wait=SYSTEM_CLOCK.wait)
        self.target = SimpleNamespace(evacuate=REGION, name="t")
        self.platform = SimpleNamespace(drain={REGION: hook}, target=self.target)
        self.drain_look = DrainLook(hook, self.stop, poll_s=0.01, clock=self.clock)
        self.written = []

    def slow(self, call):
        return call()

    def write_undo(self, fault):
        self.written.append((fault.kind, fault.state))


def test_a_drain_that_stands_is_looked_at_at_every_poll():
    """From the phase that asks for it on, in a thread that ends with the drill."""
    hook = Hook()
    session = FakeSession(hook)
    ask_drain(session, "closing")
    assert session.written == [("drain", "closing")]
    await_true(lambda: hook.looks > 2, "some looks")
    ask_drain(session, "draining")
    before = hook.looks
    await_true(lambda: hook.looks > before + 2, "further looks")
    assert not session.stop.is_set
    hook.says = "serving"
    await_true(lambda: session.stop.is_set, "a stop")
    assert (session.stop.reason.by, session.stop.reason.t_trip_s) == (CHANGED, 7.0)
    with pytest.raises(DrillAborted, match="west reports serving"):
        _look_at_drain(session)
    await_true(
        lambda: "muster-drain" not in {thread.name for thread in threading.enumerate()},
        "the looks' end",
    )


def test_the_looks_end_with_the_drain():
    """Nothing looks at a region that is stopped, and the drill goes on."""
    hook = Hook()
    session = FakeSession(hook)
    ask_drain(session, "draining")
    session.drain_look.rest()
    await_true(
        lambda: "muster-drain" not in {thread.name for thread in threading.enumerate()},
        "the looks' end",
    )
    hook.says = "serving"
    _look_at_drain(session)
    assert not session.stop.is_set
