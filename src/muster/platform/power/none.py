"""The region is not stopped: it gets weight 0, counts as dark, and every message says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.looks import Look
from muster.platform.port import Change, PortError, Proof
from muster.platform.power.model import Before, Power, PowerState
from muster.targets.power import NoPower

READY_S_MAX = 60.0


class PowerByNobody(Power):
    """A region that Muster cannot stop."""

    stops = False

    def __init__(self, region: str, settings: NoPower, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, clock)

    @property
    def timeout_s(self) -> float:
        return 0.0

    @property
    def ready_s_max(self) -> float:
        return READY_S_MAX

    def change(self, *, kill: bool = False) -> Change:
        if kill:
            return Change("on", "refused: the target's power is none, so nothing can be killed")
        return Change("on", "on: the target's power is none; weight 0 counts as dark")

    def before(self, *, drained: bool = False) -> dict[str, Any]:
        return {}

    def stop(self) -> None:
        """Nothing is stopped."""

    def kill(self) -> None:
        raise PortError(f"region {self.region}: its power {self.why_not_kill()}")

    def why_not_kill(self) -> str:
        return "is none: a loss needs process, kubernetes, or a command that kills"

    def start(self, before: Before) -> None:
        """Nothing was stopped."""

    def state(self, before: Before) -> PowerState | None:
        return None

    def dark(
        self, look: Callable[[], Look], answered: int | None, others: Callable[[], bool]
    ) -> Proof:
        return Proof(True, "not stopped: the target's power is none; weight 0 counts as dark", {})

    def command(self, before: Before) -> str | None:
        return f"# region {self.region} was not stopped"
