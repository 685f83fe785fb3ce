"""The testbed's own switch: a region's gateways and Redis are processes.

Dark: `ready_url` answered before, and now it refuses connections, or accepts none while another
region answers. An answer of any status, or an accepted connection without one, means that something
still serves there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.http_hook import call
from muster.platform.looks import Look
from muster.platform.port import Change, PortError, Proof
from muster.platform.power.model import Before, Power, PowerState
from muster.targets.power import ProcessPower


class PowerByProcess(Power):
    """A region's power, switched by the testbed's control API."""

    own_samples = True

    def __init__(self, region: str, settings: ProcessPower, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, clock)
        self._settings = settings

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    def see(self) -> None:
        self._shown()

    def change(self, *, kill: bool = False) -> Change:
        return Change(self._shown(), "gateways killed" if kill else "off")

    def before(self, *, drained: bool = False) -> dict[str, Any]:
        if self._shown() != "on":
            raise PortError(f"region {self.region}: not running before the fault")
        return {}

    def stop(self) -> None:
        self._ask("stop")

    def kill(self) -> None:
        self._ask("kill")

    def start(self, before: Before) -> None:
        self._ask("start")

    def state(self, before: Before) -> PowerState | None:
        # One gateway of several is enough to be ready, but all of them must be on.
        power = self._shown()
        return PowerState("power on", f"power {power}", power == "on")

    def dark(
        self, look: Callable[[], Look], answered: int | None, others: Callable[[], bool]
    ) -> Proof:
        shown = look()
        facts = {"answers": shown.listens, "met": shown.met, "answered_before": answered}
        if shown.listens:
            return Proof(False, f"the region still answers: ready_url {shown.said}", facts)
        if answered is None:
            return Proof(False, "ready_url gave no answer even before the fault", facts)
        if shown.met == "silent" and not others():
            why = f"{shown.said}, and no other region answers"
            raise PortError(f"region {self.region}: {why}")
        return Proof(True, f"the region {shown.said}", facts)

    def command(self, before: Before) -> str | None:
        return None

    def _shown(self) -> str:
        one = self._settings
        return str(call("GET", one.url, one.token, one.timeout_s).get("power", "unknown"))

    def _ask(self, verb: str) -> None:
        one = self._settings
        call("POST", f"{one.url}/{verb}", one.token, one.timeout_s)
