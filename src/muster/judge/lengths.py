"""Judges whether streams were as long as asked for. Shorter streams make a full load a light one.

The load counts complete, successful streams that were shorter than asked for (`load.lengths` says
how). If the target says that lengths are kept, one such stream is a fail. Elsewhere a model may
stop early: more than the contract's tolerance is unknown, because the load held was less than asked
for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from muster.contract.model import LoadValidity
from muster.judge.findings import Finding
from muster.samples.counting import Status
from muster.samples.series import Samples
from muster.samples.windows import Window, total_growth

SIGNAL = "client_streams_short"


@dataclass(frozen=True)
class Lengths:
    """`counted`: the drill's load counted shorter streams. `kept`: the target keeps lengths."""

    counted: bool = False
    kept: bool = False

    @property
    def signals(self) -> frozenset[str]:
        """The signal, if the drill must have it."""
        return frozenset({SIGNAL}) if self.counted else frozenset()


NOT_COUNTED = Lengths()
"""The value for drills whose load did not check the lengths of its streams."""


def lengths_of(events: Iterable[Mapping[str, Any]], load: Mapping[str, Any]) -> Lengths:
    """Read the ledger's `load_started` and the target's section `load`."""
    counted = any(
        event.get("event") == "load_started" and SIGNAL in (event.get("counts") or ())
        for event in events
    )
    return Lengths(counted, load.get("lengths_kept") is True)


def judge_lengths(
    samples: Samples, window: Window, phase: str, rules: LoadValidity, lengths: Lengths
) -> list[Finding]:
    """Return one finding, or none for a drill whose load did not count shorter streams yet."""
    series = samples.of(SIGNAL)
    if not series and not lengths.counted:
        return []
    short = total_growth(series, window)
    attempts = samples.of("client_attempts")
    good = [one for one in attempts if one.labels.get("outcome") == "success"]
    whole = total_growth(good, window, siblings=attempts)
    threshold = 0.0 if lengths.kept else float(100 * rules.short_share_max)
    share = None if short is None or not whole else 100 * short / whole
    status, reason = _judged(short, whole, threshold, lengths.kept)
    return [
        Finding(
            slo="stream_lengths",
            tier=None,
            phase=phase,
            region=None,
            source="client",
            window=(window.start_s, window.end_s),
            threshold=threshold,
            measured=None if share is None else round(share, 4),
            margin=None if share is None else round(threshold - share, 4),
            unit="%",
            samples=None if whole is None else round(whole),
            status=status,
            reason=reason,
        )
    ]


def _judged(
    short: float | None, whole: float | None, threshold_pct: float, kept: bool
) -> tuple[Status, str]:
    if short is None or whole is None:
        return "unknown", "no data"
    if not whole:
        return "unknown", "no stream succeeded"
    if round(short) == 0:
        return "pass", ""
    said = f"{short:.0f} of {whole:.0f} successful streams were shorter than asked for"
    if kept:
        return "fail", f"{said}, and the target keeps lengths"
    if 100 * short <= threshold_pct * whole:
        return "pass", said
    return "unknown", f"{said}: the load held was less than asked for"
