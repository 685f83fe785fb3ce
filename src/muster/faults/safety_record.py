"""A harmless change beside the steering, which needs the same permissions.

A drill of the safety net applies and reverts it like a fault. That proves undo log, read-back and
permissions on the real system, without moving any traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from muster.faults.model import ReadBack, RegionalFault
from muster.platform import Platform
from muster.platform.port import Change, Proof, Touch
from muster.platform.steering import Trial

TEXT = "written by a drill of the safety net; nothing reads it"


class SafetyRecord(RegionalFault):
    """The record holds TEXT; before, it most likely did not exist."""

    kind = "safety_record"

    def __init__(self, platform: Platform, region: str, before: str | None = None) -> None:
        super().__init__(platform, region)
        self._before = before

    @cached_property
    def _trial(self) -> Trial:
        return self.platform.steering.trial()

    @property
    def subject(self) -> str:
        return self._trial.subject

    @property
    def aim(self) -> str:
        return TEXT

    def touches(self) -> tuple[Touch, ...]:
        return self._trial.touches

    def change(self) -> Change:
        return Change(_shown(self._trial.read()), _shown(TEXT))

    def undo_params(self) -> dict[str, Any]:
        self._before = self._trial.read()
        return {"text": self._before}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        return cls(platform, region, before=params["text"])

    def apply(self) -> None:
        self._trial.write(TEXT)

    def observe(self) -> Proof:
        text = self._trial.read()
        return Proof(text == TEXT, f"the record says {_shown(text)}", {"text": text})

    def revert(self) -> None:
        self._trial.write(self._before)

    def read_back(self) -> ReadBack:
        text = self._trial.read()
        return ReadBack(self.subject, _shown(self._before), _shown(text), text == self._before)

    def command(self) -> str | None:
        return None


def _shown(text: str | None) -> str:
    return "no record" if text is None else text
