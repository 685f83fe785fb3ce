"""Traffic shares (percent, used in a drill's steps) and record weights (used by Route 53).

Route 53 accepts weights from 0 to 255; a share is a record's weight over the sum of all weights.
"""

from __future__ import annotations

from collections.abc import Mapping

WEIGHT_MAX = 255
UNITS = 100
"""The approximate sum of the weights of a step: whole percents are exact for two regions."""


def shares_of(weights: Mapping[str, int]) -> dict[str, float]:
    """Percent of the traffic by region; all zeros when no record has weight."""
    total = sum(weights.values())
    return {region: 100.0 * weight / total if total else 0.0 for region, weight in weights.items()}


def weights_for(
    before: Mapping[str, int], region: str, share_pct: float, *, units: int = UNITS
) -> dict[str, int]:
    """Weights that give `region` `share_pct` percent of `units`; others keep their proportions.

    A share over zero never becomes weight 0, which would take a region out of rotation. Raises
    ValueError if `share_pct` is not within 0 and 100, if `region` is not in `before`, or if no
    other region can take the rest.
    """
    if region not in before:
        raise ValueError(f"{region} has no weight; known: {', '.join(sorted(before))}")
    if not 0 <= share_pct <= 100:
        raise ValueError(f"share of {share_pct} % for {region}: must lie within 0 and 100")
    others = {name: weight for name, weight in before.items() if name != region}
    total_others = sum(others.values())
    if share_pct < 100 and total_others == 0:
        raise ValueError(f"no region other than {region} has weight, so none can take the rest")
    weights = {
        name: _units((100 - share_pct) * weight / total_others, units) if total_others else 0
        for name, weight in others.items()
    }
    weights[region] = _units(share_pct, units)
    return {name: weights[name] for name in before}


def _units(percent: float, units: int) -> int:
    """Weight for `percent`; never 0 for a share above 0."""
    return max(1, round(percent * units / 100)) if percent > 0 else 0
