"""One drill of a game day as a Chaos Toolkit action (imports as in `failover`)."""

from __future__ import annotations

from chaoslib.exceptions import ActivityFailed

from muster.drill.game_day.current import current
from muster.errors import MusterError

__all__ = ["drill"]


def drill(drill: str, recovery_s_max: float = 300.0) -> str:
    """Run the drill in the file `drill`, then wait until everything is as before it.

    The wait takes at most `recovery_s_max` seconds. A drill that the day has run already, before
    its process was started again, is not run twice.
    """
    try:
        run = current()
        return run.drill(run.number_of(drill))
    except MusterError as error:
        raise ActivityFailed(str(error)) from error
