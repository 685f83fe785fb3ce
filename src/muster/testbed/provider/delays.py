"""First-token delays drawn from a seeded log-normal distribution, in whole ticks."""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist

from muster.testbed.provider.config import FirstToken
from muster.testbed.wire.ticker import TICK_S

_POINTS = 4096
_Z95 = NormalDist().inv_cdf(0.95)


def quantiles_s(spec: FirstToken) -> list[float]:
    """The distribution as equally likely delays, capped, with exactly the mean in `spec`."""
    p95_s = spec.p95 if spec.p95 is not None else spec.mean / 0.6
    # mean = exp(m + s²/2) and p95 = exp(m + z s), solved for the smaller s.
    gap = math.log(p95_s / spec.mean) if p95_s > spec.mean else 0.0
    sigma = _Z95 - math.sqrt(max(0.0, _Z95**2 - 2 * gap))
    normal = NormalDist(math.log(spec.mean) - sigma**2 / 2, sigma) if sigma > 0 else None
    delays = [
        min(spec.max, math.exp(normal.inv_cdf((i + 0.5) / _POINTS))) if normal else spec.mean
        for i in range(_POINTS)
    ]
    stretch = spec.mean * _POINTS / sum(delays)
    return [min(spec.max, delay * stretch) for delay in delays]


class Delays:
    """The sequence of one route in one process: the same seed gives the same delays."""

    def __init__(self, spec: FirstToken, seed: int, index: int, route: str, extra_s: float) -> None:
        self._ticks = [max(1, round((d + extra_s) / TICK_S)) for d in quantiles_s(spec)]
        self._random = Random(f"{seed}/{index}/{route}")

    def draw_ticks(self) -> int:
        """The next delay, in ticks of the wheel."""
        return self._ticks[int(self._random.random() * _POINTS)]
