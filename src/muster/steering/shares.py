"""Traffic shares (percent, what a drill's steps say) and record weights (what Route 53 takes).

Route 53 accepts weights from 0 to 255; a share is a record's weight over the sum of all weights.
"""

from __future__ import annotations

from collections.abc import Mapping

WEIGHT_MAX = 255


def shares_of(weights: Mapping[str, int]) -> dict[str, float]:
    """Percent of the traffic by region; all zeros when no record has weight."""
    total = sum(weights.values())
    return {region: 100.0 * weight / total if total else 0.0 for region, weight in weights.items()}


def weights_for(before: Mapping[str, int], region: str, share_pct: float) -> dict[str, int]:
    """Weights that give `region` `share_pct` percent; the others keep their proportions.

    Raises ValueError when `share_pct` is not within 0 and 100, or when nothing is left to carry
    the rest.
    """
    if not 0 <= share_pct <= 100:
        raise ValueError(f"share of {share_pct} % for {region}: must lie within 0 and 100")
    others = {name: weight for name, weight in before.items() if name != region}
    total_others = sum(others.values())
    if share_pct < 100 and total_others == 0:
        raise ValueError(f"no other region than {region} has weight to carry the rest")
    # 100 units leave whole percents exact for two regions; 255 is the API's own limit.
    scale = 100
    weights = {
        name: round((100 - share_pct) / 100 * scale * weight / total_others) if total_others else 0
        for name, weight in others.items()
    }
    weights[region] = round(share_pct / 100 * scale)
    return {name: weights[name] for name in before}
