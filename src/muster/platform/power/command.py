"""Stops and starts a region by the target's own command (docs/command.md).

`argv state REGION` answers {"state": "on" | "off" | "partly", "detail": …, "before": {…}}. `argv
stop REGION`, `argv kill REGION` and `argv start REGION [BEFORE]` change it; the exit code says
whether that succeeded, and the state is read back. BEFORE is what `state` answered under that key
while the region was on, as JSON.

Dark: the command answers `off`, `ready_url` answered before, and now it gets no answer except a
load balancer's 502, 503 or 504 for a missing upstream.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from muster.clock import SYSTEM_CLOCK, Clock
from muster.documents import Document
from muster.platform.command import RegionByCommand
from muster.platform.looks import Look, serves
from muster.platform.port import Change, PortError, Proof
from muster.platform.power.model import Before, Power, PowerState
from muster.targets.power import CommandPower

BEFORE_BYTES_MAX = 2048
"""The most bytes that the undo log keeps for a region; a shared store's record has no room for
more.
"""
BEFORE = "before"


class StateAnswer(Document):
    """What `argv state REGION` answers."""

    state: Literal["on", "off", "partly"]
    detail: Annotated[str, Field(max_length=200)] = ""
    before: dict[str, JsonValue] = Field(default={})

    @property
    def shown(self) -> str:
        """The state in words."""
        return f"{self.state} ({self.detail})" if self.detail else self.state


class PowerByCommand(RegionByCommand, Power):
    """A region's power, set and read by the target's own command."""

    def __init__(self, region: str, settings: CommandPower, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, settings, clock)
        self._kills = settings.kills

    def see(self) -> None:
        self._shown()

    def change(self, *, kill: bool = False) -> Change:
        return Change(self._shown().shown, "killed" if kill else "off")

    def before(self, *, drained: bool = False) -> dict[str, Any]:
        shown = self._shown()
        if shown.state != "on":
            raise PortError(f"region {self.region}: not running before the fault: {shown.shown}")
        size = len(_json(shown.before))
        if size > BEFORE_BYTES_MAX:
            wanted = f"at most {BEFORE_BYTES_MAX}"
            raise PortError(f"region {self.region}: {BEFORE} has {size} bytes, expected {wanted}")
        return {BEFORE: shown.before} if shown.before else {}

    def stop(self) -> None:
        self._command.do("stop", settled=lambda: self._not("off"))

    def kill(self) -> None:
        self._command.do("kill", settled=lambda: self._not("off"))

    def why_not_kill(self) -> str:
        needed = "is a command without kills: true; an abrupt loss needs its verb kill"
        return "" if self._kills else needed

    def start(self, before: Before) -> None:
        self._command.do("start", *_arguments(before), settled=lambda: self._not("on"))

    def state(self, before: Before) -> PowerState | None:
        shown = self._shown()
        whole, comes = shown.state == "on", shown.state == "partly"
        return PowerState("power on", f"power {shown.shown}", whole, comes)

    def dark(
        self, look: Callable[[], Look], answered: int | None, others: Callable[[], bool]
    ) -> Proof:
        power = self._shown()
        shown = look()
        facts = {"state": power.state, "met": shown.met, "status": shown.status}
        if answered is None:
            return Proof(False, "ready_url gave no answer even before the fault", facts)
        proven = power.state == "off" and not serves(shown)
        return Proof(proven, f"power {power.shown}; ready_url {shown.said}", facts)

    def command(self, before: Before) -> str | None:
        return self._command.line("start", *_arguments(before))

    def _shown(self) -> StateAnswer:
        return self._command.ask(StateAnswer, "state")

    def _not(self, wanted: str) -> str:
        shown = self._shown()
        return "" if shown.state == wanted else f"power {shown.shown}, expected {wanted}"


def _arguments(before: Before) -> tuple[str, ...]:
    kept = before.get(BEFORE)
    return (_json(kept),) if kept else ()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
