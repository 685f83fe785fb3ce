"""Faults by a proxy that stops listening: it refuses connections, and drops those that are open."""

from __future__ import annotations

from typing import Any

from muster.faults.model import FaultError
from muster.faults.proxied import ProxyFault
from muster.faults.redis_path import accepts
from muster.platform.platform import Platform
from muster.platform.port import Change


class ProxyOff(ProxyFault):
    """The one proxy in front of `role` is disabled. The subclass looks at what lies behind it."""

    undone = (
        "The proxy is enabled; one that hangs is created again, and a Toxiproxy that hangs is "
        "restarted."
    )

    def __init__(self, platform: Platform, region: str, role: str) -> None:
        super().__init__(platform, region, (role,))
        (self._proxy,) = self._proxies
        self._listened = False

    @property
    def aim(self) -> str:
        return "disabled"

    def change(self) -> Change:
        return Change(self.shown(), self.aim)

    def undo_params(self) -> dict[str, Any]:
        if self.shown() == "disabled":
            raise FaultError(f"{self.subject}: already disabled before the fault")
        self._listened = accepts(self._address(self._proxy)) is True
        self._remember_server()
        return {"server": list(self._server), "listened": self._listened}

    def apply(self) -> None:
        self._proxy.set_enabled(False)

    def still_on(self) -> str:
        """What shows that the proxy is not off; empty if nothing does. Raises FaultError."""
        state = self._proxy.state()
        if state["enabled"]:
            return f"proxy {self._proxy.name} says that it is enabled"
        if self._listened and accepts(self._address(self._proxy, state)):
            return f"proxy {self._proxy.name} is disabled, but its port accepts connections"
        return ""

    def revert(self) -> None:
        self._bring_back(lambda proxy: proxy.enable(self._before(proxy)))

    def shown(self) -> str:
        """What the proxy says of itself: enabled or disabled. Raises FaultError."""
        return "enabled" if self._proxy.state()["enabled"] else "disabled"
