"""Whether this process could restore whatever a drill may change on a target.

Each part of the platform that a drill may change is asked for the undo alone, by the credentials
that this process has. What cannot be asked without a change (records of Route 53, the verbs of a
target's own command) is only looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from muster.errors import MusterError
from muster.faults.redis_path import PONG, look_at_redis
from muster.faults.toxiproxy_restart import rehearse_revert
from muster.platform import Platform
from muster.platform.kubernetes.load_job import LoadJob
from muster.platform.port import PortError
from muster.targets.load_access import KubernetesLoad

Asked = Callable[[], tuple[str, ...]]
"""What would be refused, a line each. Raises MusterError where that is unknown."""


def parts_of(platform: Platform) -> Iterator[tuple[str, Asked]]:
    """Everything of which a drill's undo log may hold an entry: its key in the target, and who
    answers for it.
    """
    target = platform.target
    yield "steering", platform.steering.rehearse_revert
    if isinstance(target.load, KubernetesLoad):
        yield "load", LoadJob(target.load, target.load.job, clock=platform.clock).rehearse_revert
    for name, region in target.regions.items():
        key = f"regions.{name}"
        yield f"{key}.power", platform.power[name].rehearse_revert
        yield f"{key}.partition", platform.partition[name].rehearse_revert
        yield f"{key}.cluster", platform.cluster[name].rehearse_revert
        yield f"{key}.drain", platform.drain[name].rehearse_revert
        yield f"{key}.redis_process", platform.redis_process[name].rehearse_revert
        if (access := region.toxiproxy) is not None:
            yield f"{key}.toxiproxy", lambda access=access: rehearse_revert(access)  # type: ignore[misc]
        if region.redis_url is not None and name in target.blast_radius.redis:
            yield f"{key}.redis_url", lambda url=region.redis_url: _redis(url)  # type: ignore[misc]


def _redis(url: str) -> tuple[str, ...]:
    """A Redis that refuses this caller, as its own line says. Raises PortError if none answers."""
    look = look_at_redis(url)
    if look.reply is None:
        raise PortError(f"Redis {look.said}")
    return () if look.reply == PONG else (f"Redis {look.said}",)


def said(key: str, error: MusterError) -> str:
    """A part of which nothing is known, as a line."""
    return f"{key}: {error}"
