"""Keeps one testbed up through the day, where the target is one.

A drill that finds its testbed up uses it and leaves it up. The day starts it before the first drill
and ends it after the last. It is started anew only for a drill whose profile, scale or defect it
does not have, if it ended by itself, or if it would end itself before the drill had ended
(`testbed.lifetime_s_max`). It is never ended under a drill that still runs, as one whose day was
killed does.
"""

from __future__ import annotations

import logging

from muster import testbed
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.lock.held import FileLock
from muster.drill.lock.runs import is_running, runs_of
from muster.drill.plan.plan import DrillPlan
from muster.drill.start import fits
from muster.errors import BadInput, DrillAborted
from muster.targets import Target

logger = logging.getLogger("chaostoolkit")
OWNER = "day-"
"""How the owner of a day's testbed begins: no drill's id begins so, and `recover` leaves it up."""
LATER, LATER_S = 2.0, 60.0
"""A drill may take this much longer than it is expected to: a ratio, and seconds besides."""


def owner_of(day_id: str) -> str:
    """The owner of the testbed that the day started."""
    return OWNER + day_id


def check_rig(plan: DrillPlan) -> None:
    """Raises BadInput if a testbed that somebody else started is not the one of `plan`."""
    state = _up(plan.target)
    if state is not None and not state.owner.startswith(OWNER):
        fits(plan, state)


def ready(plan: DrillPlan, day_id: str, length_s: float = 0.0, clock: Clock = SYSTEM_CLOCK) -> bool:
    """Have the testbed of `plan` up; return whether it was started now. Raises MusterError.

    It stays up for at least `length_s` seconds, and some more for what may hold the drill up.
    """
    if plan.target.class_ != "testbed":
        return False
    state = _up(plan.target)
    if state is not None:
        try:
            fits(plan, state)
            _check_lasts(plan.target, state, length_s, clock)
            return False
        except BadInput:
            if not state.owner.startswith(OWNER):
                raise
            _down(plan.target, day_id)
    testbed.up(
        plan.target,
        plan.profile,
        scale=plan.settings.scale,
        seed=plan.settings.seed,
        defect=plan.settings.defect,
        owner=owner_of(day_id),
        progress=lambda line: logger.info("testbed: %s", line),
    )
    return True


def _check_lasts(target: Target, state: testbed.State, length_s: float, clock: Clock) -> None:
    """Raises BadInput if the testbed could end itself under a drill of that length."""
    if target.testbed is None:
        return
    ends_s = state.started_at + float(target.testbed.lifetime_s_max)
    left_s = ends_s - clock.now_s()
    wanted_s = LATER * length_s + LATER_S
    if left_s < wanted_s:
        raise BadInput(
            f"testbed {target.name}",
            "testbed.lifetime_s_max",
            f"{max(left_s, 0.0):.0f} s left until it ends itself",
            f"at least {wanted_s:.0f} s for the next drill (chaos drill down, and begin again)",
        )


def end(target: Target) -> bool:
    """End the testbed if a day started it; return whether it did.

    Raises MusterError, also while a drill of the target still runs.

    The caller holds the target's day, so that no other day uses it.
    """
    state = _up(target)
    if state is None or not state.owner.startswith(OWNER):
        return False
    return _down(target, state.owner.removeprefix(OWNER))


def _down(target: Target, day_id: str) -> bool:
    """End the testbed, while no drill can begin. Raises DrillAborted if one still runs."""
    # A frozen drill sends no beat and holds the lock; a dead one's watchdog holds no lock yet.
    with FileLock(target.name, day_id):
        for run in runs_of(target.name):
            if is_running(run.drill_id):
                said = f"target {target.name}: {run.drill_id} still runs; its testbed stays up"
                raise DrillAborted("preflight:lock", said)
        return testbed.down(target.name)


def _up(target: Target) -> testbed.State | None:
    return testbed.status(target.name) if target.class_ == "testbed" else None
