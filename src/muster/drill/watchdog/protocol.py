"""The protocol between a drill and its watchdog: states, events, and one table for both ends.

Theory of operation
-------------------
1. Each end is a state machine. An event is a message or a fact. A message is an event twice: for
   its sender when it is sent, for its receiver when it is heard. A fact is what an end finds out by
   itself: a process ended, a lease ran out, the take-over right is free. Nothing else changes a
   state, and nothing here reads a clock, a socket or a process: whoever runs an end tells it.
2. `TABLE[state][event]` is the next state. A pair that is not in the table is refused
   (`ProtocolError`): a refused message is not sent, or is logged and has no effect.
3. Who may act on the target (restore it, or end the drill) follows from the states alone:
   - the drill in ACTING, after it told a watchdog that lives; or in ALONE, after it took the
     take-over right, killed the watchdog, and saw it gone;
   - the watchdog in STANDING_IN, after it took the take-over right and killed the drill.
   The right is exclusive and falls free with its holder. So the two never act at once: each of
   ALONE and STANDING_IN comes after the other process's end.
4. While the drill may have changed something, someone is left to act. The watchdog leaves its
   guarding states only to TAKING (the drill died, fell silent, or did not begin to act when it was
   told) or because the drill stood it down. Where both die, a person recovers from the undo log.
5. `Release` ends the guard's duty: everything is back or was tried. From then on nothing stops the
   drill, and a watchdog that takes over cleans up and restores nothing (`duty_of`).
6. Messages cross on the wire. Every message that one end may send is accepted by the other in each
   state that it can be in by then; tests explore all of them.

What the messages say is in `messages`: typed values, parsed strictly where they come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from muster.drill.watchdog.messages import (
    LATE_NEWS,
    NEWS,
    Acting,
    Beat,
    Configure,
    Failed,
    Hello,
    Message,
    Ready,
    Rehearsed,
    Release,
    Released,
    Report,
    StandDown,
    Stop,
)


class Fact(Enum):
    """What an end finds out by itself."""

    GONE = "the other process has ended"
    SILENT = "the other process was silent for longer than its lease"
    STOOD_STILL = "this process stood still for longer than a lease"
    ACT = "the drill is about to restore or to end by itself"
    NOT_BEGUN = "the drill was told to stop and has not begun within a lease"
    RIGHT_TAKEN = "this process has the take-over right"
    RIGHT_HELD = "another process has the take-over right"
    STAYS = "the other process was killed and has not been seen to end"
    DONE = "everything was put back, or was tried"


class DrillState(Enum):
    """The drill's end."""

    NEW = "has said nothing yet"
    STARTING = "has started its watchdog"
    LOADING = "waits until its watchdog guards"
    REFUSED = "cannot be guarded: it must not begin"
    GUARDED = "runs, guarded"
    TOLD = "was told to stop, and has not begun to"
    ACTING = "restores or ends by itself; its watchdog knows"
    RELEASING = "has ended the guard's duty and waits for the answer"
    RELEASED = "concludes; nothing is left to guard"
    STANDING_DOWN = "waits for its watchdog's report"
    STOOD_DOWN = "has the report: its watchdog ends"
    LOST = "has lost its watchdog and must stop"
    UNRELEASED = "has lost its watchdog while it ended the guard's duty: it was not guarded"
    TAKING = "waits for the take-over right"
    KILLING = "kills its watchdog and waits for its end"
    ALONE = "acts alone: its watchdog is gone"
    PARTED = "has lost its watchdog after the guard's duty: no matter"


class WatchdogState(Enum):
    """The watchdog's end."""

    UNMET = "has heard nothing yet"
    MET = "knows its drill, and does not guard it yet"
    LOADING = "loads what it needs to guard"
    GUARDING = "guards"
    ASKED = "has told the drill to stop, and counts its lease"
    DRILL_ACTS = "leaves it to the drill: it acts by itself"
    DRILL_OBEYS = "the same, after the drill was told to stop"
    RELEASED = "guards nothing; cleans up after a death"
    STOOD_DOWN = "was stood down and owes its report"
    TAKING = "tries to take the take-over right"
    AWAITING = "waits for the drill, which has the right, to end; then tries once more"
    KILLING = "kills the drill and waits for its end"
    STANDING_IN = "acts in the drill's place"
    OVER = "ends"


State = DrillState | WatchdogState
Event = type[Message] | Fact
Rows = Mapping[State, Mapping[Event, State]]
_D, _W, _F = DrillState, WatchdogState, Fact


def _stay(state: State, *events: Iterable[Event]) -> dict[Event, State]:
    return {event: state for some in events for event in some}


_NO_GUARD: dict[Event, State] = {_F.GONE: _D.REFUSED, _F.SILENT: _D.REFUSED}
_LOSES: dict[Event, State] = {_F.GONE: _D.LOST, _F.SILENT: _D.LOST}
_PARTS: dict[Event, State] = {_F.GONE: _D.PARTED, _F.SILENT: _D.PARTED}
_ENDS: dict[Event, State] = {Release: _D.RELEASING, StandDown: _D.STANDING_DOWN}
_ACTS: dict[Event, State] = {Acting: _D.ACTING}
_AWAKE = (Beat, _F.STOOD_STILL)

DRILL: Rows = {
    _D.NEW: {Hello: _D.STARTING},
    # The lease is renewed until the watchdog has answered: it may be loading what it needs.
    _D.STARTING: {**_stay(_D.STARTING, _AWAKE), **_NO_GUARD, Configure: _D.LOADING},
    _D.LOADING: {
        **_stay(_D.LOADING, _AWAKE),
        **_NO_GUARD,
        Ready: _D.GUARDED,
        Failed: _D.REFUSED,
    },
    _D.REFUSED: {**_stay(_D.REFUSED, _AWAKE), **_NO_GUARD},
    # Told to stop it may still say what it does, until it acts.
    _D.GUARDED: {
        **_stay(_D.GUARDED, _AWAKE, NEWS, [Rehearsed]),
        **(_ACTS | _ENDS | _LOSES),
        Stop: _D.TOLD,
    },
    _D.TOLD: {**_stay(_D.TOLD, _AWAKE, NEWS, [Rehearsed]), **(_ACTS | _ENDS | _LOSES)},
    _D.ACTING: {**_stay(_D.ACTING, _AWAKE, NEWS, [Rehearsed, Acting, Stop]), **(_ENDS | _LOSES)},
    # A `Stop` may have crossed the `Release`.
    _D.RELEASING: {
        **_stay(_D.RELEASING, _AWAKE, LATE_NEWS, [Rehearsed, Acting, Stop]),
        _F.GONE: _D.UNRELEASED,
        _F.SILENT: _D.UNRELEASED,
        Released: _D.RELEASED,
        StandDown: _D.STANDING_DOWN,
    },
    _D.RELEASED: {
        **_stay(_D.RELEASED, _AWAKE, LATE_NEWS, [Acting]),
        **_PARTS,
        StandDown: _D.STANDING_DOWN,
    },
    # Answers that were waited for in vain may come late.
    _D.STANDING_DOWN: {
        **_stay(_D.STANDING_DOWN, _AWAKE, [Rehearsed, Released, Stop]),
        **_PARTS,
        Report: _D.STOOD_DOWN,
    },
    _D.STOOD_DOWN: _stay(_D.STOOD_DOWN, _AWAKE, [_F.GONE, _F.SILENT]),
    # It beats on: a watchdog that was only stopped must not take it for dead when it wakes.
    _D.LOST: {**_stay(_D.LOST, _AWAKE, NEWS), _F.ACT: _D.TAKING},
    _D.UNRELEASED: {**_stay(_D.UNRELEASED, _AWAKE, LATE_NEWS), _F.ACT: _D.TAKING},
    _D.TAKING: {
        **_stay(_D.TAKING, _AWAKE, [_F.RIGHT_HELD]),
        _F.RIGHT_TAKEN: _D.KILLING,
    },
    _D.KILLING: {**_stay(_D.KILLING, _AWAKE), _F.GONE: _D.ALONE},
    _D.ALONE: _stay(_D.ALONE, _AWAKE, NEWS, [_F.ACT]),
    _D.PARTED: _stay(_D.PARTED, _AWAKE, LATE_NEWS, [_F.ACT]),
}

_TAKES_OVER: dict[Event, State] = {_F.GONE: _W.TAKING, _F.SILENT: _W.TAKING}
_LETS_GO: dict[Event, State] = {Release: _W.RELEASED, StandDown: _W.STOOD_DOWN}

WATCHDOG: Rows = {
    _W.UNMET: {**_stay(_W.UNMET, [Beat]), Hello: _W.MET, _F.GONE: _W.OVER},
    _W.MET: {**_stay(_W.MET, [Beat]), **_TAKES_OVER, Configure: _W.LOADING},
    _W.LOADING: {Ready: _W.GUARDING, Failed: _W.MET},
    _W.GUARDING: {
        **_stay(_W.GUARDING, NEWS, [Beat, Rehearsed]),
        **(_TAKES_OVER | _LETS_GO),
        Stop: _W.ASKED,
        Acting: _W.DRILL_ACTS,
    },
    _W.ASKED: {
        **_stay(_W.ASKED, NEWS, [Beat, Rehearsed]),
        **(_TAKES_OVER | _LETS_GO),
        Acting: _W.DRILL_OBEYS,
        _F.NOT_BEGUN: _W.TAKING,
    },
    _W.DRILL_ACTS: {
        **_stay(_W.DRILL_ACTS, NEWS, [Beat, Rehearsed, Acting]),
        **(_TAKES_OVER | _LETS_GO),
        Stop: _W.DRILL_OBEYS,
    },
    _W.DRILL_OBEYS: {
        **_stay(_W.DRILL_OBEYS, NEWS, [Beat, Rehearsed, Acting]),
        **(_TAKES_OVER | _LETS_GO),
    },
    _W.RELEASED: {
        **_stay(_W.RELEASED, LATE_NEWS, [Beat, Released, Acting]),
        **_TAKES_OVER,
        StandDown: _W.STOOD_DOWN,
    },
    _W.STOOD_DOWN: {Report: _W.OVER},
    _W.TAKING: {_F.RIGHT_TAKEN: _W.KILLING, _F.RIGHT_HELD: _W.AWAITING},
    _W.AWAITING: {_F.RIGHT_TAKEN: _W.KILLING, _F.RIGHT_HELD: _W.OVER},
    # A process that SIGKILL does not end (in the kernel) holds nobody up: it does nothing either.
    _W.KILLING: {_F.GONE: _W.STANDING_IN, _F.STAYS: _W.STANDING_IN},
    _W.STANDING_IN: {_F.DONE: _W.OVER},
    _W.OVER: {},
}

TABLE: Rows = {**DRILL, **WATCHDOG}

DUTY_OVER = frozenset({_D.RELEASED, _D.STANDING_DOWN, _D.STOOD_DOWN, _D.PARTED})
"""Nothing that the drill's end finds out stops the drill any more."""
MAY_ASK = frozenset({_W.GUARDING, _W.DRILL_ACTS})
"""The watchdog may tell the drill to stop: it has not yet, and something is left to guard."""


class Duty(Enum):
    """What a watchdog that takes over owes."""

    END_UNBEGUN = "the drill changed nothing; its testbed may be up"
    RESTORE = "put back what the undo log names, and judge"
    CLEAN_UP = "nothing is left to restore: judge what stands, and tidy"


def duty_of(before: State) -> Duty:
    """What a take-over that began in the state `before` owes."""
    if before in (_W.MET, _W.LOADING):
        return Duty.END_UNBEGUN
    return Duty.CLEAN_UP if before is _W.RELEASED else Duty.RESTORE


class ProtocolError(Exception):
    """An event that has no place in this state."""

    def __init__(self, state: State, event: Event) -> None:
        name = event.name if isinstance(event, Fact) else event.__name__
        super().__init__(f"{type(state).__name__}.{state.name}: {name} has no place here")


class End:
    """One end of the protocol: its state, and the state in which its take-over began."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.before_taking = state

    def step(self, event: Message | Fact) -> State:
        """The state after `event`. Raises ProtocolError, and stays, where the table has none."""
        key = event if isinstance(event, Fact) else type(event)
        after = TABLE[self.state].get(key)
        if after is None:
            raise ProtocolError(self.state, key)
        if after in (_D.TAKING, _W.TAKING) and self.state is not after:
            self.before_taking = self.state
        self.state = after
        return after
