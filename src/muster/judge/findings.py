"""A finding: one rule, judged on one stretch of time: pass, fail or unknown.

`not_judged` is a fourth value. A rule returns it when there is nothing to judge, such as the queue
of a region that was dark throughout. It is shown as such and never as passed. It does not prevent a
PASS and does not support one: see `unjudged`.

`declared` is a fifth value: the target declares that the platform does not have the signal. It does
not prevent a PASS and does not support one, and a gate opens over it only if it is accepted by
name. No drill records it: it follows from the target alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from muster.samples.counting import Status

RECORDED: tuple[Status, ...] = ("pass", "fail", "unknown", "not_judged")
"""What a drill may record of its own findings."""
UNJUDGED: tuple[Status, ...] = ("not_judged", "declared")
"""What keeps no PASS away and makes none."""


@dataclass(frozen=True)
class Finding:
    """What was measured, and against which threshold. `margin` is positive on the good side, in
    `unit`.

    `bracket` gives the histogram edges between which the value lies, without the lower one; an
    upper edge of None means over the top edge. In that case `measured` and `margin` are None,
    because neither is known.
    """

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
        """Return the finding as verdict.json carries it."""
        return asdict(self)

    def line(self) -> str:
        """Return the finding as one line for a terminal."""
        where = " ".join(part for part in (self.phase, self.region) if part)
        limit = "" if self.threshold is None else f" (threshold {self.threshold:g} {self.unit})"
        why = f": {self.reason}" if self.reason else ""
        status = self.status.replace("_", " ")
        return f"{status}: {self.slo} {where} [{self.source}] {self._shown()}{limit}{why}"

    def _shown(self) -> str:
        if self.measured is not None:
            return f"{self.measured:g} {self.unit}"
        if self.bracket is None:
            return "none" if self.status == "declared" else "no data"
        low, high = self.bracket
        if high is None:
            return f"over {low:g} {self.unit}"
        return f"over {low:g} to {high:g} {self.unit}"


def unmeasured(
    slo: str,
    source: str,
    status: Status,
    reason: str,
    *,
    phase: str | None = None,
    region: str | None = None,
    window: tuple[float, float] | None = None,
    samples: int | None = None,
) -> Finding:
    """Return a finding without a measured value, such as missing evidence or a proof."""
    return Finding(
        slo=slo,
        tier=None,
        phase=phase,
        region=region,
        source=source,
        window=window,
        threshold=None,
        measured=None,
        margin=None,
        unit="",
        samples=samples,
        status=status,
        reason=reason,
    )


def observed(
    slo: str,
    source: str,
    status: Status,
    reason: str,
    *,
    measured: float | None,
    threshold: float | None,
    unit: str,
    phase: str | None = None,
    region: str | None = None,
) -> Finding:
    """Return a finding that the drill makes itself: a measured value and its upper limit."""
    return replace(
        unmeasured(slo, source, status, reason, phase=phase, region=region),
        threshold=threshold,
        measured=measured,
        margin=None if measured is None or threshold is None else threshold - measured,
        unit=unit,
    )


def from_json(data: Mapping[str, Any]) -> Finding:
    """Parse a finding that the drill recorded; a missing field is unknown."""
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
        status=_status(data),
        reason=str(data.get("reason", "")),
        bracket=(bracket[0], bracket[1]) if bracket else None,
    )


def _status(data: Mapping[str, Any]) -> Status:
    """A finding that is not judged must give a reason, or it is unknown; so is `declared` here."""
    status = data.get("status")
    if status == "not_judged" and not data.get("reason"):
        return "unknown"
    return status if status in RECORDED else "unknown"


def unjudged(findings: Iterable[Finding], slos: Collection[str]) -> list[str]:
    """Return a line for each of `slos` that no side judged in any region in some phase.

    The service levels themselves must be judged by at least one side.
    """
    judged: set[tuple[str, str | None]] = set()
    left_out: dict[tuple[str, str | None], Finding] = {}
    for one in findings:
        if one.slo in slos:
            if one.status in UNJUDGED:
                left_out.setdefault((one.slo, one.phase), one)
            else:
                judged.add((one.slo, one.phase))
    return [one.line() for key, one in left_out.items() if key not in judged]
