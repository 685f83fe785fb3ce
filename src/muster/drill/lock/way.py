"""Before another process acts on a target: the earlier drill there must be over or ended.

A drill whose process is awake is left alone: the target's lock reports it. If its watchdog is
awake, we wait, because it restores. If both are gone or stand still, both are killed and verified
gone, so that neither wakes up later and finishes an old call.
"""

from __future__ import annotations

from collections.abc import Callable

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.lock.runs import ROLES, RunFiles, runs_of
from muster.errors import DrillAborted

WAIT_S_MAX = 300.0
_LOOK_S = 0.2


def make_way(target: str, say: Callable[[str], None], clock: Clock = SYSTEM_CLOCK) -> None:
    """Return once no process of an earlier drill on `target` can act any more, or one still runs.

    Raises DrillAborted if a watchdog does not end, or if a process cannot be killed.
    """
    for run in runs_of(target):
        drill = run.beat("drill", clock)
        if drill is not None and drill.fresh:
            continue
        _await_watchdog(run, say, clock)
        if not run.over:
            _end(run)


def _await_watchdog(run: RunFiles, say: Callable[[str], None], clock: Clock) -> None:
    end = clock.monotonic_s() + WAIT_S_MAX
    said = False
    while not run.over:
        watchdog = run.beat("watchdog", clock)
        if watchdog is None or not watchdog.fresh:
            return
        if not said:
            say(f"{run.drill_id}: waiting for its watchdog (process {watchdog.pid}) to restore")
            said = True
        if clock.monotonic_s() > end:
            raise DrillAborted(
                "recover", f"the watchdog of {run.drill_id} has not ended in {WAIT_S_MAX:g} s"
            )
        clock.sleep(_LOOK_S)


def _end(run: RunFiles) -> None:
    for role in ROLES:
        beat = run.beat(role)
        peer = beat.peer() if beat is not None else None
        if peer is None:
            continue
        try:
            if not peer.kill():
                raise DrillAborted("recover", f"process {peer.pid} of {run.drill_id} does not end")
        finally:
            peer.close()
    run.remove()
