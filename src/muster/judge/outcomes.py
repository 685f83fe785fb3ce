"""Counts how the load's attempts ended over all judged phases, by outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from muster.judge.phases import phases_of
from muster.samples.series import Samples
from muster.samples.windows import Window, total_growth


def outcomes_of(
    samples: Samples, events: Iterable[Mapping[str, Any]], stale_s: float
) -> dict[str, int | None]:
    """Attempts by outcome; None if their number is unknown, empty without judged phases."""
    judged = [phase for phase in phases_of(events) if phase.tier is not None]
    series = samples.of("client_attempts")
    if not judged:
        return {}
    window = Window(judged[0].start_s, judged[-1].end_s, stale_s)
    found: dict[str, int | None] = {}
    for name in sorted({one.labels.get("outcome", "") for one in series}):
        chosen = [one for one in series if one.labels.get("outcome") == name]
        grown = total_growth(chosen, window, siblings=series)
        found[name] = None if grown is None else round(grown)
    return found
