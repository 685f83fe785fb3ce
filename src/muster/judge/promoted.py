"""Judges how long a region was without a primary Redis until another one answered in its place.

The moment is that of the first look on the gateways' path that a promoted primary answered. It is
therefore late by a poll at most, never early. If none answered by the end of the hold, the platform
did not promote one in time; a hold that is shorter than the limit shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from muster.judge.findings import Finding
from muster.samples.counting import Status

FAULT = "redis_promoted"
SLO = "redis_promotion"


def promotions(events: Iterable[Mapping[str, Any]], regions: Mapping[str, Any]) -> list[Finding]:
    """One finding for each region whose primary was killed. `regions`: those of the target."""
    own = [event for event in events if event.get("fault") == FAULT]
    lost = dict.fromkeys(
        str(event.get("region")) for event in own if event["event"] == "fault_declared"
    )
    return [_finding(region, _summary(own, region), _limit_s(regions, region)) for region in lost]


def _summary(own: Iterable[Mapping[str, Any]], region: str) -> Mapping[str, Any]:
    """The facts of the hold's looks; empty if the ledger has none."""
    found: Mapping[str, Any] = {}
    for event in own:
        facts = event.get("proof")
        if str(event.get("region")) == region and isinstance(facts, Mapping):
            found = facts if _number(facts.get("held_s")) is not None else found
    return found


def _limit_s(regions: Mapping[str, Any], region: str) -> float | None:
    section = regions.get(region)
    sentinel = section.get("redis_sentinel") if isinstance(section, Mapping) else None
    return _number(sentinel.get("promoted_s_max")) if isinstance(sentinel, Mapping) else None


def _finding(region: str, facts: Mapping[str, Any], limit_s: float | None) -> Finding:
    took_s, held_s = _number(facts.get("promoted_s")), _number(facts.get("held_s"))
    status: Status = "unknown"
    reason = "from the loss of the primary until another one answered"
    if limit_s is None:
        reason = "the target names no redis_sentinel.promoted_s_max"
    elif held_s is None:
        reason = "no look is on record for its hold"
    elif took_s is not None:
        status = "pass" if took_s <= limit_s else "fail"
    elif held_s >= limit_s:
        status, reason = "fail", f"no other primary answered in the {held_s:.0f} s of the hold"
    else:
        reason = f"it was held for {held_s:.0f} s only, and no other primary answered by then"
    known = took_s is not None and limit_s is not None
    return Finding(
        slo=SLO,
        tier=None,
        phase="fault",
        region=region,
        source="client",
        window=None,
        threshold=limit_s,
        measured=took_s,
        margin=round(limit_s - took_s, 3) if known else None,  # type: ignore[operator]
        unit="s",
        samples=None,
        status=status,
        reason=reason,
    )


def _number(value: Any) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return float(value) if fits else None
