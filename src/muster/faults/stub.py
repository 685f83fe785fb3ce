"""Faults of a part of a testbed that fails because it is told to: its stub, by the control API.

A real system cannot be told that, so the target must name the stub.
"""

from __future__ import annotations

from typing import Any, ClassVar

from muster.faults.model import FaultError, PlatformFault
from muster.platform.port import Unusable


class StubFault(PlatformFault):
    """All regions share the part; the subclass says what it is told."""

    stub: ClassVar[str]
    """The key of the target with url and token of the control API."""
    told: ClassVar[str] = "to fail"
    """What only a stub can be told, for people."""

    def unusable(self) -> Unusable | None:
        if getattr(self.target, self.stub) is not None:
            return None
        wanted = f"url and token of a testbed's control API: only a stub can be told {self.told}"
        return Unusable(self.stub, None, wanted)

    def command(self) -> str | None:
        return None

    def ask(self, method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the stub answers. Raises PortError."""
        one = getattr(self.target, self.stub)
        if one is None:
            raise FaultError(f"target {self.target.name}: {self.stub} is not set")
        from muster.platform.http_hook import call  # an HTTP client, which no list of steps needs

        return call(method, one.url, one.token, one.timeout_s, body)
