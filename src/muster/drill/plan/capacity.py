"""How much of a drill's load this machine can hold; too much is refused before anything is locked.

On a testbed, load, platform and provider all run on this machine; elsewhere preflight asks for the
platform's own limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from muster import testbed
from muster.errors import BadInput

if TYPE_CHECKING:
    from muster.drill.plan.plan import DrillPlan


def capacity_of(plan: DrillPlan) -> testbed.Capacity | None:
    """What this machine can hold; None off a testbed, and if the testbed is already up.

    Raises BadInput, with the largest scale that fits, if the drill's load is more.
    """
    if plan.target.class_ != "testbed" or testbed.status(plan.target.name) is not None:
        return None
    return testbed.room(plan.target, plan.profile, scale=plan.settings.scale)


def too_much(plan: DrillPlan) -> str:
    """Why the load is more than this machine can hold; empty if it is not."""
    try:
        capacity_of(plan)
    except BadInput as error:
        return str(error)
    return ""


def told(plan: DrillPlan, holds: testbed.Capacity | None) -> dict[str, Any] | None:
    """For the ledger: the load, what this machine can hold, and the testbed's processes.

    None off a testbed. Without `holds` the testbed was up before, so only its processes are known.
    """
    state = testbed.status(plan.target.name) if plan.target.class_ == "testbed" else None
    if state is None:
        return None
    return {
        "asked_streams": plan.streams_target,
        "holds_streams": None if holds is None else holds.streams,
        "bound_by": None if holds is None else holds.bound_by,
        "streams_by": None if holds is None else holds.streams_by,
        "shape": state.shape,
    }
