"""What the begin of a drill itself refuses, before preflight."""

from __future__ import annotations

from muster import testbed
from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen
from muster.drill.phases import preflight
from muster.drill.plan.outline import steps_of
from muster.drill.plan.permit import objections
from muster.drill.plan.room import check_room
from muster.drill.start import fits


def room(examined: Examined) -> Seen:
    """There is room for evidence and state, and a signing key that is named can be read."""
    check_room()
    return Seen()


def permit(examined: Examined) -> Seen:
    """Files and this machine allow the drill: settings, machine, budget.

    What preflight looks at too is told there alone.
    """
    plan = examined.plan
    steps = steps_of(examined.platform, plan.method, plan.time_scale)
    told = {one.name for one in preflight.CHECKS}
    against = objections(plan, steps)
    return Seen(refused=tuple(str(error) for name, error in against if name not in told))


def rig(examined: Examined) -> Seen:
    """A testbed that is up is the one that the drill asks for."""
    plan = examined.plan
    state = testbed.status(plan.target.name) if plan.target.class_ == "testbed" else None
    if state is not None:
        fits(plan, state)
    return Seen()


def names(examined: Examined) -> Seen:
    """What clients of the public name are answered, and how soon they notice a loss."""
    asked = examined.platform.names
    ttl_s, detection = asked.ttl_s(), asked.detection()
    rows: list[Row] = []
    for region in examined.target.regions:
        interval = detection.get(region)
        seen = "never, by itself" if interval is None else f"{interval[0] * interval[1]} s"
        rows.append(
            {
                "region": region,
                "TTL": f"{ttl_s} s",
                "a loss is noticed after": seen,
                "reached at": ", ".join(examined.addresses.get(region, ())) or "-",
            }
        )
    return Seen(tuple(rows))
