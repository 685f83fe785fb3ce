"""Checks in the samples that the evacuated region had weight 0 while it was dark.

The drill compares the records at every poll and stops if another party changed them. The judge does
not rely on that: it reads the recorded weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from muster.judge.findings import Finding, unmeasured
from muster.judge.gate_rules import STEERING_SIGNAL
from muster.judge.phases import Phase
from muster.samples.series import Samples

PHASE = "dark"
GAPS_MAX = 4
"""The result is unknown if the records were not read for more than this many allowed gaps."""


def dark_weights(
    samples: Samples, phases: Sequence[Phase], region: str | None, stale_s: float
) -> list[Finding]:
    """An unknown finding for each dark phase in which `region` had weight or was not read."""
    found: list[Finding] = []
    for phase in phases:
        if phase.name == PHASE and region is not None:
            why = _wrong(samples, phase, region, stale_s)
            if why:
                window = (phase.start_s, phase.end_s)
                found.append(
                    unmeasured(
                        "dark_weight",
                        "steering",
                        "unknown",
                        why,
                        phase=phase.name,
                        region=region,
                        window=window,
                    )
                )
    return found


def _wrong(samples: Samples, phase: Phase, region: str, stale_s: float) -> str:
    moments = [phase.start_s, phase.end_s]
    for one in samples.of(STEERING_SIGNAL, region=region):
        inside = (one.t >= phase.start_s) & (one.t <= phase.end_s) & ~np.isnan(one.v)
        moments += one.t[inside].tolist()
        weights = one.v[inside]
        if (weights != 0).any():
            return f"the region had weight {weights.max():g} while it was dark"
    gap_s = float(np.diff(np.sort(moments)).max())
    return f"the records were not read for {gap_s:.0f} s" if gap_s > GAPS_MAX * stale_s else ""
