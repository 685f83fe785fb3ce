"""Drains a region by the target's own command (docs/command.md).

`argv drain REGION STATE` asks for a state; its exit code says whether that succeeded, and the state
is read back. `argv drain-state REGION` answers {"state": "serving" | "closing" | "draining"}.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from muster.clock import SYSTEM_CLOCK, Clock
from muster.documents import Document
from muster.platform.command import ByCommand, Command
from muster.platform.drain.model import Drain, DrainState
from muster.targets.drain import CommandDrain


class DrainAnswer(Document):
    """What `argv drain-state REGION` answers."""

    state: DrainState
    detail: Annotated[str, Field(max_length=200)] = ""


class DrainByCommand(ByCommand, Drain):
    """A region's drain state, set and read by the target's own command."""

    def __init__(self, region: str, settings: CommandDrain, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, clock)
        timeout_s = settings.timeout_s
        self._command = Command(settings.argv, region, timeout_s, timeout_s, clock)

    @property
    def timeout_s(self) -> float:
        return self._command.do_s_max

    def ask(self, state: DrainState) -> None:
        def wrong() -> str:
            shown = self._answer()
            said = f"{shown.state} ({shown.detail})" if shown.detail else shown.state
            return "" if shown.state == state else f"drain {said}, expected {state}"

        self._command.do("drain", state, settled=wrong)

    def shown(self) -> str:
        return self._answer().state

    def command(self) -> str | None:
        return self._command.line("drain", "serving")

    def _answer(self) -> DrainAnswer:
        return self._command.ask(DrainAnswer, "drain-state")
