"""Cuts a region off by the target's own command (docs/command.md).

`argv cut REGION` and `argv join REGION` change it; the exit code says whether that succeeded, and
the state is read back. `argv partition-state REGION` answers {"state": "whole" | "cut" | "partly"}.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from muster.documents import Document
from muster.platform.command import RegionByCommand
from muster.platform.partition.model import Before, Partition, PartitionState


class PartitionAnswer(Document):
    """What `argv partition-state REGION` answers."""

    state: PartitionState
    detail: Annotated[str, Field(max_length=200)] = ""


class PartitionByCommand(RegionByCommand, Partition):
    """A region's partition, set and read by the target's own command."""

    def state(self, before: Before) -> PartitionState:
        return self._answer().state

    def cut(self, before: Before) -> None:
        self._command.do("cut", settled=lambda: self._not("cut"))

    def join(self, before: Before) -> None:
        self._command.do("join", settled=lambda: self._not("whole"))

    def command(self, before: Before) -> str | None:
        return self._command.line("join")

    def _not(self, wanted: PartitionState) -> str:
        shown = self._answer()
        said = f"{shown.state} ({shown.detail})" if shown.detail else shown.state
        return "" if shown.state == wanted else f"partition {said}, expected {wanted}"

    def _answer(self) -> PartitionAnswer:
        return self._command.ask(PartitionAnswer, "partition-state")
