"""The list of all checks that the doctor makes, including every check of preflight."""

from __future__ import annotations

from functools import partial

from muster.drill.doctor import beginning, clocks, keeping, owners, place, resolving, signals, sizes
from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Check, Seen, each_line
from muster.drill.doctor.streams import stream_checks
from muster.drill.phases import preflight

LOOK_S_MAX = 30.0
LISTED_S_MAX = 40.0
"""Time for ten pages of records at one API call a second, while other checks call it too."""
PREFLIGHT_S_MAX = 45.0
"""Preflight waits up to 30 s for a fresh sample."""
BY_USE = frozenset({"lock"})
"""Checks of preflight that need the lock: the doctor's own check `lock` makes them."""

OWN = (
    Check("room", "evidence", beginning.room, LOOK_S_MAX),
    Check("permit", "files and machine", beginning.permit, LOOK_S_MAX),
    Check("testbed", "testbed", beginning.rig, LOOK_S_MAX),
    Check("names", "the public name", beginning.names, LOOK_S_MAX),
    Check("resolver", "DNS answers against weights", resolving.look, LOOK_S_MAX, True),
    Check("weights", owners.TITLE, owners.of_weights, LISTED_S_MAX, True),
    Check("place", "region of Prometheus", place.look, LOOK_S_MAX, True),
    Check("signals", "signals", signals.look, LOOK_S_MAX),
    Check("clock", "clocks", clocks.look, LOOK_S_MAX),
    Check("samples", "samples, expected against needed", sizes.look, LOOK_S_MAX),
    Check("lock", "lock and store", keeping.lock, LOOK_S_MAX),
    Check("store", "lock and store", keeping.store, LOOK_S_MAX),
)


def checks_of(examined: Examined) -> tuple[Check, ...]:
    """All checks for this target and drill, in the order in which the report shows them."""
    regions = tuple(examined.target.regions)
    replicas = owners.replica_checks(regions, LOOK_S_MAX)
    return (*stream_checks(regions), *OWN, *replicas, *_of_preflight())


def _of_preflight() -> list[Check]:
    return [
        Check(f"preflight:{one.name}", "preflight", partial(_refusal, one), PREFLIGHT_S_MAX)
        for one in preflight.CHECKS
        if one.name not in BY_USE
    ]


def _refusal(check: preflight.Check, examined: Examined) -> Seen:
    """The reasons for which preflight would refuse the drill, one a line."""
    return Seen(refused=each_line(check.look(examined)))
