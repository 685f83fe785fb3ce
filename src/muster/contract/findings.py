"""A finding: one rule, judged on one stretch of time, three-valued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["pass", "fail", "unknown"]
STATUSES: tuple[Status, ...] = ("pass", "fail", "unknown")


@dataclass(frozen=True)
class Finding:
    """What was measured against what. `margin` is positive on the good side, in `unit`."""

    slo: str
    tier: str | None
    phase: str | None
    region: str | None
    source: str
    window: tuple[float, float] | None
    threshold: float | None
    measured: float | None
    margin: float | None
    unit: str
    samples: int | None
    status: Status
    reason: str = ""
    bracket: tuple[float, float | None] | None = None

    def as_json(self) -> dict[str, Any]:
        """The finding as verdict.json carries it."""
        return asdict(self)

    def line(self) -> str:
        """The finding in one line for a terminal."""
        where = " ".join(part for part in (self.phase, self.region) if part)
        shown = "no data" if self.measured is None else f"{self.measured:g} {self.unit}"
        limit = "" if self.threshold is None else f" (threshold {self.threshold:g} {self.unit})"
        why = f": {self.reason}" if self.reason else ""
        return f"{self.status}: {self.slo} {where} [{self.source}] {shown}{limit}{why}"


def from_json(data: Mapping[str, Any]) -> Finding:
    """A finding that the drill itself recorded; what is not said is unknown."""
    status = data.get("status")
    window = data.get("window")
    bracket = data.get("bracket")
    return Finding(
        slo=str(data.get("slo")),
        tier=data.get("tier"),
        phase=data.get("phase"),
        region=data.get("region"),
        source=str(data.get("source", "client")),
        window=(window[0], window[1]) if window else None,
        threshold=data.get("threshold"),
        measured=data.get("measured"),
        margin=data.get("margin"),
        unit=str(data.get("unit", "")),
        samples=data.get("samples"),
        status=status if status in STATUSES else "unknown",
        reason=str(data.get("reason", "")),
        bracket=(bracket[0], bracket[1]) if bracket else None,
    )
