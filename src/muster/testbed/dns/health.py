"""Runs each health check by its own interval and threshold, like Route 53's checkers.

An endpoint changes state after `threshold` consecutive results of the other kind. It is healthy
until enough probes fail. A probe passes if the endpoint accepts within 4 s and answers 2xx or 3xx
within 2 s more (Route 53's own limits for HTTP checks).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from muster.testbed.dns.records import HealthCheck

CONNECT_S_MAX = 4.0
ANSWER_S_MAX = 2.0


@dataclass(frozen=True)
class Health:
    """A check's state: the last `streak` probes in a row disagreed with `healthy`."""

    healthy: bool = True
    streak: int = 0


def after(health: Health, passed: bool, threshold: int) -> Health:
    """The state after one more probe. Pure."""
    if passed == health.healthy:
        return Health(health.healthy, 0)
    if health.streak + 1 >= threshold:
        return Health(passed, 0)
    return Health(health.healthy, health.streak + 1)


class Checker:
    """Runs one probing task for each health check. `interval_s` overrides the checks' own
    (tests).
    """

    def __init__(self, interval_s: float | None = None) -> None:
        self._interval_s = interval_s
        self._health: dict[str, Health] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._checks: dict[str, HealthCheck] = {}
        self.healthy: dict[str, bool] = {}
        """Health by check id, for every check that has been probed."""
        self.probed = asyncio.Event()
        self.probes_total = 0

    def follow(self, checks: Iterable[HealthCheck]) -> None:
        """Probe exactly these checks from now on."""
        wanted = {check.id: check for check in checks}
        for check_id in set(self._tasks) - set(wanted):
            self._tasks.pop(check_id).cancel()
            self._health.pop(check_id, None)
            self.healthy.pop(check_id, None)
        for check_id, check in wanted.items():
            if check_id not in self._tasks:
                self._tasks[check_id] = asyncio.create_task(self._probe_always(check))
        self._checks = wanted
        self._mark_probed()

    async def close(self) -> None:
        """End all probing."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _probe_always(self, check: HealthCheck) -> None:
        loop = asyncio.get_running_loop()
        interval_s = self._interval_s or check.interval_s
        due = loop.time()
        while True:
            passed = await probe(check)
            before = self._health.get(check.id, Health())
            self._health[check.id] = after(before, passed, check.threshold)
            self.healthy[check.id] = self._health[check.id].healthy
            self.probes_total += 1
            self._mark_probed()
            due = max(due + interval_s, loop.time())
            await asyncio.sleep(due - loop.time())

    def _mark_probed(self) -> None:
        """Set `probed` once every check has been probed at least once."""
        if set(self._checks) <= set(self._health):
            self.probed.set()


async def probe(check: HealthCheck) -> bool:
    """One probe of one endpoint."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(CONNECT_S_MAX):
            reader, writer = await asyncio.open_connection(check.address, check.port)
        async with asyncio.timeout(ANSWER_S_MAX):
            writer.write(
                f"GET {check.path} HTTP/1.1\r\nHost: {check.address}:{check.port}\r\n"
                "User-Agent: muster-health-check\r\nConnection: close\r\n\r\n".encode("latin-1")
            )
            await writer.drain()
            status_line = (await reader.readline()).split()
        return len(status_line) >= 2 and status_line[1][:1] in (b"2", b"3")
    except (OSError, TimeoutError, ValueError):
        return False
    finally:
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
