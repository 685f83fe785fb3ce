"""The weights of a running drill: the intent is recorded before they are set, and they are observed
afterwards.

What the drill is about to set is in the undo log before it is set, so that any process that
restores can tell the drill's own weights from somebody else's. Both the drill and its watchdog
compare the records in every poll with the expected state. A difference was made by another party
and stops the drill.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.stop import StopFlag, StopReason
from muster.faults.steering_away import AWAY_S_MAX
from muster.faults.traffic_shift import SETS_KEPT, TrafficShift
from muster.platform.steering import Expected, Steering, SteeringAway, SteeringError
from muster.platform.steering.parts import Snapshot

if TYPE_CHECKING:
    from muster.drill.session import Session

logger = logging.getLogger("chaostoolkit")
CHANGED = "steering:changed_by_another"
"""The stop reason of a drill whose records somebody else changed."""


REST = 2.0
"""After a look that failed the next one waits so many times as long as that one took."""
AGAIN_S = 1.0
T = TypeVar("T")


class SteeringLook:
    """Reads the records for the watch, and stops the drill if another party has changed them.

    `looks_min`: the number of consecutive observations that must show the same difference. One is
    enough if the drill's own changes are announced in the same process. The watchdog learns of them
    by messages, which may arrive later than their effect, and needs more. `blamed` says of lost
    data whether the rig lost it. `excused`: whether a declared fault keeps the records from being
    read. After a look that failed it rests, so that an API which is slow to fail does not keep the
    watch from the samples.
    """

    def __init__(
        self,
        steering: Steering,
        expected: Expected,
        stop: StopFlag,
        *,
        missing_s_max: float,
        looks_min: int = 1,
        blamed: Callable[[StopReason], StopReason] = lambda reason: reason,
        excused: Callable[[], bool] = lambda: False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._steering = steering
        self._expected = expected
        self._stop = stop
        self._missing_s_max = missing_s_max
        self._looks_min = looks_min
        self._blamed = blamed
        self._excused = excused
        self._rest_until_s = 0.0
        self._failed = SteeringError("the records were not read")
        self._clock = clock
        self._read_s = clock.monotonic_s()
        self._wrong = ""
        self._seen = 0

    def weights(self) -> dict[str, int]:
        """Observed weight by region. Raises SteeringError if the records cannot be read."""
        began_s = self._clock.monotonic_s()
        if began_s < self._rest_until_s:
            raise self._failed
        try:
            shown = self._steering.shown()
        except SteeringError as error:
            failed_s = self._clock.monotonic_s()
            self._failed, self._rest_until_s = error, failed_s + REST * (failed_s - began_s)
            silent_s = failed_s - self._read_s
            if self._excused():
                self._read_s = failed_s
            elif silent_s > self._missing_s_max and self._expected.judges:
                detail = f"the records could not be read for {silent_s:.0f} s: {error}"
                reason = StopReason("data_lost", "ABORTED", detail, self._clock.now_s())
                self._stop.set(self._blamed(reason))
            raise
        self._read_s = self._clock.monotonic_s()
        self._judge(self._expected.differs(shown, began_s))
        return self._steering.by_region(shown)

    def _judge(self, wrong: str) -> None:
        self._seen = self._seen + 1 if wrong and wrong == self._wrong else bool(wrong)
        self._wrong = wrong
        if wrong and self._seen >= self._looks_min:
            self._stop.set(changed(self._steering.name, wrong, self._clock.now_s()))


def changed(record: str, wrong: str, now_s: float) -> StopReason:
    """The reason to stop: what another party changed in `record`, from what to what."""
    return StopReason(CHANGED, "ABORTED", f"{record}: {wrong}", now_s)


def steer(session: Session, weights: Mapping[str, int]) -> None:
    """Set the regions' weights, with the intent recorded first, and without undoing another party's
    change.

    Raises DrillAborted if the records are not as the drill left them, LogLost if the intent cannot
    be recorded, SteeringError if the API refuses, or is away for longer than `AWAY_S_MAX`.
    """
    planned = _persist(session, lambda: session.steering.plan(weights))
    for entry in session.undo.pending:
        if entry.kind == TrafficShift.kind and "sets" in entry.params:
            sets = [*entry.params["sets"], planned][-SETS_KEPT:]
            session.undo.amend(entry, {**entry.params, "sets": sets})

    began_s = session.clock.monotonic_s()

    def check(shown: Snapshot) -> None:
        session.check_lock()
        wrong = session.expected.differs(shown, began_s)
        if wrong:
            session.stop_now(changed(session.steering.name, wrong, session.clock.now_s()))

    session.expected.intends(planned)
    session.watchdog.steers(planned)
    _persist(
        session,
        lambda: session.steering.set_weights(
            weights, check=check, accepted=lambda: _accepted(session)
        ),
    )
    session.step_at_s = session.clock.now_s()


def _persist(session: Session, call: Callable[[], T]) -> T:
    """The result of `call`, repeated while the API is away; each such answer is in the ledger.

    Raises DrillAborted, LogLost.
    """
    until_s = session.clock.monotonic_s() + AWAY_S_MAX
    while True:
        try:
            return call()
        except SteeringAway as error:
            session.record("steering_refused", detail=str(error))
            if session.clock.monotonic_s() >= until_s:
                raise
            logger.warning("steering: %s; it is tried again", error)
            session.let_pass(AGAIN_S)


def _accepted(session: Session) -> None:
    session.accepted_at_s = session.clock.now_s()
    session.expected.accepted(session.clock.monotonic_s())
    session.watchdog.steered()


def look(session: Session) -> None:
    """One observation besides the watch's own polls. Raises DrillAborted if another party has
    changed them.
    """
    began_s = session.clock.monotonic_s()
    try:
        wrong = session.expected.differs(session.steering.shown(), began_s)
    except SteeringError as error:
        logger.warning("steering: %s", error)
        return
    if wrong:
        session.stop_now(changed(session.steering.name, wrong, session.clock.now_s()))
