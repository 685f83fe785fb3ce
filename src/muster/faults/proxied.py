"""Faults in the path to a service: they change the region's Toxiproxy proxies in front of it.

All proxies of a region belong to one Toxiproxy. Its whole list of proxies is in the undo log,
because a server that hangs is restarted and then knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from muster.faults.model import FaultError, RegionalFault
from muster.faults.proxies import access_of, address_of, proxy_of
from muster.faults.toxiproxy import ProxyHandle
from muster.faults.toxiproxy_restart import bring_back, by_hand, retry_s, touches, unusable
from muster.platform.platform import Platform
from muster.platform.port import Touch, Unusable


class ProxyFault(RegionalFault):
    """It changes the region's proxies in front of `roles` (redis, provider_primary, …).

    `server`: every proxy of that Toxiproxy as it was before the fault; empty while unknown.
    """

    by_subject = True

    def __init__(
        self,
        platform: Platform,
        region: str,
        roles: Sequence[str],
        server: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(platform, region)
        self._access = access_of(platform.target, region, roles[0])
        self._proxies = tuple(proxy_of(platform.target, region, role) for role in roles)
        self._server = tuple(server)

    @property
    def subject(self) -> str:
        names = "+".join(proxy.name for proxy in self._proxies)
        return f"toxiproxy {self.region}/{names}"

    @property
    def where(self) -> str:
        return f"regions.{self.region}.toxiproxy.proxies"

    @property
    def retry_s(self) -> float:
        return retry_s(self._access)

    def touches(self) -> tuple[Touch, ...]:
        proxies = (Touch("proxies", f"{self.region}/{proxy.name}") for proxy in self._proxies)
        return (*super().touches(), *proxies, *touches(self._access))

    def unusable(self) -> Unusable | None:
        return unusable(self._access, self.region)

    def command(self) -> str | None:
        return by_hand(self._proxies, self._access, self._server)

    def _remember_server(self) -> None:
        """Read every proxy of the server, before the fault."""
        self._server = tuple(self._proxies[0].server())

    def _before(self, proxy: ProxyHandle) -> Mapping[str, Any] | None:
        """`proxy` as it was before the fault; None if that is unknown."""
        return next((one for one in self._server if one["name"] == proxy.name), None)

    def _address(self, proxy: ProxyHandle, state: Mapping[str, Any] | None = None) -> str:
        """Where this machine reaches `proxy`, as `host:port`."""
        shown = state if state is not None else proxy.state()
        return address_of(str(shown["listen"]), self._access.url)

    def _bring_back(self, step: Callable[[ProxyHandle], object]) -> None:
        """Do `step` for each proxy; if one fails, restart the server first. Raises FaultError."""

        def every() -> None:
            for proxy in self._proxies:
                step(proxy)

        bring_back(self._proxies[0], self._access, self._server, every, self.platform.clock)

    def _known_before(self, proxy: ProxyHandle) -> Mapping[str, Any]:
        """`proxy` as it was before the fault. Raises FaultError if that is unknown."""
        before = self._before(proxy)
        if before is None:
            raise FaultError(f"{self.subject}: what {proxy.name} was before is unknown")
        return before
