"""Every place where a load may run, and what reaches it from another process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.load.keeper import Keeper
from muster.drill.load.place import LoadPlace
from muster.drill.load.pods import LoadInPods
from muster.drill.load.processes import LoadInProcesses
from muster.platform.kubernetes.load_job import LoadJob
from muster.targets.load_access import KubernetesLoad, Load

Intend = Callable[[LoadJob], None]


def place_of(
    load: Load, drill_id: str, bundle: Path, intend: Intend, clock: Clock = SYSTEM_CLOCK
) -> LoadPlace:
    """Where a load with these settings runs; nothing is started.

    `intend` makes it durable that a Job has to be deleted, before it is created.
    """
    if isinstance(load, KubernetesLoad):
        return LoadInPods(load, drill_id, bundle, intend, clock=clock)
    return LoadInProcesses()


def kept_of(
    load: Load, drill_id: str, uids: tuple[str, str], clock: Clock = SYSTEM_CLOCK
) -> tuple[LoadJob, Keeper, int] | None:
    """The Job of that drill's running load, what keeps its parts alive, and their number.

    `uids`: of the Job and of the object with its orders. None if it does not run elsewhere.
    """
    if not isinstance(load, KubernetesLoad):
        return None
    job = LoadJob(load, load.job, clock=clock, uids=uids)
    return job, Keeper(job, drill_id, load.lifeline_s, clock=clock), load.parts
