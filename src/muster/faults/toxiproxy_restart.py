"""The last step if a Toxiproxy hangs: restart its server, and create again what it lost.

A restarted server has lost every proxy, not only the one that a fault worked on. The undo log
therefore holds all of them. The target says how it is restarted (`platform/restart`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.faults.model import FaultError
from muster.faults.toxiproxy import ProxyHandle
from muster.platform.by_hand import curl
from muster.platform.port import PortError, Touch, Unusable
from muster.platform.restart import restart_of

if TYPE_CHECKING:
    from muster.targets.model import ToxiproxyAccess

logger = logging.getLogger("chaostoolkit")
LOOK_S = 0.1


def bring_back(
    proxy: ProxyHandle,
    access: ToxiproxyAccess,
    server: Sequence[Mapping[str, Any]],
    step: Callable[[], object],
    clock: Clock = SYSTEM_CLOCK,
) -> str:
    """Do `step`; if it fails, restart the server, create what it lacks, and do `step` again.

    `server` is every proxy of the server as it was before the fault. Returns `changed` or
    `restarted`. Raises FaultError if the target names no way to restart it, or that fails too.
    """
    way = restart_of(access.restart, clock)
    try:
        step()
        return "changed"
    except FaultError as error:
        hung = error
    if not way.restarts:
        raise FaultError(f"{hung}; the target names no way to restart that Toxiproxy")
    logger.warning("restore: %s; restarting that Toxiproxy", hung)
    try:
        way.restart()
        _await_answer(proxy, way.timeout_s, clock)
        _make_missing(proxy, server)
        step()
    except PortError as error:
        raise FaultError(f"{hung}; restarted: {error}") from error
    return "restarted"


def retry_s(access: ToxiproxyAccess) -> float:
    """For how long a change of a proxy is repeated: as long as a restart may take."""
    return restart_of(access.restart).timeout_s or access.timeout_s


def touches(access: ToxiproxyAccess) -> tuple[Touch, ...]:
    """What a restart of the server would touch besides its proxies, in its adapter's own words."""
    return restart_of(access.restart).touches()


def unusable(access: ToxiproxyAccess, region: str) -> Unusable | None:
    """Which part of the server's restart cannot work on this machine, by its key."""
    found = restart_of(access.restart).unusable()
    return None if found is None else found.within(f"regions.{region}.toxiproxy.restart")


def by_hand(
    changed: Sequence[ProxyHandle], access: ToxiproxyAccess, server: Sequence[Mapping[str, Any]]
) -> str | None:
    """A shell line that creates the proxies again without toxics, and restarts a server that does
    not answer.

    None if the proxies before the fault are unknown.
    """
    if not server:
        return None
    url = changed[0].url
    delete = "; ".join(curl("DELETE", f"{url}/proxies/{proxy.name}") for proxy in changed)
    proxies = [dict(one) for one in server]
    make = curl("POST", f"{url}/populate", proxies)
    remake = curl("POST", f"{url}/populate", proxies, retry=20)
    restarted = restart_of(access.restart).command()
    again = "{ echo 'restart that Toxiproxy, then run this line again' >&2; false; }"
    if restarted is not None:
        again = f"{{ {restarted} && {remake}; }}"
    return f"{delete}; {make} || {again}"


def _await_answer(proxy: ProxyHandle, seconds_max: float, clock: Clock) -> None:
    end = clock.monotonic_s() + seconds_max
    while True:
        try:
            proxy.server()
            return
        except FaultError as error:
            if clock.monotonic_s() > end:
                raise FaultError(f"no answer after its restart: {error}") from error
        clock.sleep(LOOK_S)


def _make_missing(proxy: ProxyHandle, server: Sequence[Mapping[str, Any]]) -> None:
    there = {one["name"] for one in proxy.server()}
    for one in server:
        if one["name"] not in there:
            proxy.create(one)
