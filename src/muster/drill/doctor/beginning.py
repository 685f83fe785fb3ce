"""Checks that a drill makes when it starts, before preflight."""

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
    """Check the disk space for evidence and state, and that the signing key can be read."""
    check_room()
    return Seen()


def permit(examined: Examined) -> Seen:
    """Check settings, machine and budget, except for what preflight checks."""
    plan = examined.plan
    steps = steps_of(examined.platform, plan.method, plan.time_scale, held=plan.holds_connections)
    told = {one.name for one in preflight.CHECKS}
    against = objections(plan, steps)
    return Seen(refused=tuple(str(error) for name, error in against if name not in told))


def rig(examined: Examined) -> Seen:
    """Check that a running testbed has the profile, scale and defect of the drill."""
    plan = examined.plan
    state = testbed.status(plan.target.name) if plan.target.class_ == "testbed" else None
    if state is not None:
        fits(plan, state)
    return Seen()


def names(examined: Examined) -> Seen:
    """Show TTL, addresses and detection time of each region's records."""
    asked = examined.platform.names
    ttl_s, detection = asked.ttl_s(), asked.detection()
    rows: list[Row] = []
    for region in examined.target.regions:
        interval = detection.get(region)
        seen = "never by DNS" if interval is None else f"{interval[0] * interval[1]} s"
        rows.append(
            {
                "region": region,
                "TTL": f"{ttl_s} s",
                "loss detected after": seen,
                "addresses": ", ".join(examined.addresses.get(region, ())) or "-",
            }
        )
    return Seen(tuple(rows))
