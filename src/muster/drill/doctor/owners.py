"""Finds other controllers that set the same weights or replicas as a drill.

A controller that overwrites a drill's value stops the drill in the middle of an evacuation
(`steering:changed_by_another`), or starts a dark region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Check, Row, Seen
from muster.platform.port import Other

TITLE = "other controllers of weights and replicas"
WORDS = {True: "yes", False: "no", None: "unknown"}


def of_weights(examined: Examined) -> Seen:
    """Find other controllers of the records."""
    steering = examined.steering
    return _seen(steering.name, steering.others())


def replica_checks(regions: Sequence[str], seconds_max: float) -> tuple[Check, ...]:
    """One check for each region: other controllers of its replicas."""
    return tuple(
        Check(
            f"replicas:{name}",
            TITLE,
            _look_of(name),
            seconds_max,
            may_be_accepted=True,
        )
        for name in regions
    )


def _look_of(region: str) -> Callable[[Examined], Seen]:
    return partial(of_replicas, region=region)


def of_replicas(examined: Examined, region: str) -> Seen:
    """Find other controllers that start or stop processes of `region`."""
    return _seen(f"region {region}", examined.platform.power[region].others())


def _seen(what: str, others: Iterable[Other]) -> Seen:
    found = list(others)
    rows: list[Row] = [
        {"of": what, "overwrites a drill": WORDS[one.undoes], "controller": one.said}
        for one in found
    ]
    if not found:
        rows = [{"of": what, "overwrites a drill": "-", "controller": "none found"}]
    by = {key: tuple(one.said for one in found if one.undoes is key) for key in WORDS}
    return Seen(tuple(rows), refused=by[True], unknown=by[None], warnings=by[False])
