"""Which records may answer, and which one does. Pure.

The same rules as Route 53:
1. Records of weight above 0 that are healthy; if there are none,
2. healthy records of weight 0; if nothing at all is healthy,
3. every record, as if all were healthy.
Among those one answers, by weight; if all their weights are 0, each is as likely as the others.
A record without a health check is healthy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AddressRecord:
    """One weighted A record. `region` is its SetIdentifier; `weight` 0 to 255."""

    name: str
    region: str
    addresses: tuple[str, ...]
    weight: int
    ttl_s: int
    health_check_id: str | None = None


def eligible(
    records: Sequence[AddressRecord], healthy: Mapping[str, bool]
) -> tuple[AddressRecord, ...]:
    """The records that may answer. `healthy` is by health check id; an unknown one is healthy."""
    well = tuple(
        record
        for record in records
        if record.health_check_id is None or healthy.get(record.health_check_id, True)
    )
    return tuple(record for record in well if record.weight > 0) or well or tuple(records)


def choose(
    records: Sequence[AddressRecord], healthy: Mapping[str, bool], draw: float
) -> AddressRecord | None:
    """The record that answers. `draw` is uniform in [0, 1); None if there are no records."""
    candidates = eligible(records, healthy)
    if not candidates:
        return None
    total = sum(record.weight for record in candidates)
    if total == 0:
        return candidates[int(draw * len(candidates))]
    left = draw * total
    for record in candidates:
        left -= record.weight
        if left < 0:
            return record
    return next(record for record in reversed(candidates) if record.weight > 0)
