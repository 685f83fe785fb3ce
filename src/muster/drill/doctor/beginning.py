"""What the begin of a drill itself refuses, before preflight: room, machine, names, settings."""

from __future__ import annotations

from muster import testbed
from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Row, Seen
from muster.drill.plan.capacity import capacity_of
from muster.drill.plan.cost import over_budget
from muster.drill.plan.outline import steps_of
from muster.drill.plan.permit import unusable_of
from muster.drill.plan.room import check_room
from muster.drill.start import fits
from muster.errors import BadInput


def room(examined: Examined) -> Seen:
    """There is room for evidence and state, and a signing key that is named can be read."""
    check_room()
    return Seen()


def machine(examined: Examined) -> Seen:
    """This machine holds the load, and a testbed that is up is the one that is asked for."""
    plan = examined.plan
    capacity_of(plan)
    state = testbed.status(plan.target.name) if plan.target.class_ == "testbed" else None
    if state is not None:
        fits(plan, state)
    return Seen()


def settings(examined: Examined) -> Seen:
    """Every setting that the drill's steps need can work here, and its budget is enough."""
    plan = examined.plan
    bad = unusable_of(steps_of(examined.platform, plan.method, plan.time_scale))
    if bad is not None:
        return Seen(refused=(str(BadInput(plan.target_file, bad.key, bad.value, bad.wanted)),))
    over = over_budget(plan)
    return Seen() if over is None else Seen(refused=(str(over),))


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
