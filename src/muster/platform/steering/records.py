"""Weighted records as values: which of them steer traffic, their region, and their weight.

Only A, AAAA and CNAME records steer (alias records are A or AAAA). Others may carry weights too,
like the TXT registry of external-dns at the same name: they are never read and never changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.platform.steering.parts import Shown, Weights

STEERING_TYPES = frozenset({"A", "AAAA", "CNAME"})
_OCTAL = re.compile(r"\\([0-7]{3})")


def name_of(text: str) -> str:
    r"""A name as it is compared: lower case, its last dot, `\052` read as `*`."""
    plain = _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text).lower()
    return plain if plain.endswith(".") else f"{plain}."


def record_key(record: Mapping[str, Any]) -> str:
    """Type and set identifier, which together identify a record of one name."""
    return f"{record['Type']} {record['SetIdentifier']}"


def steers(record: Mapping[str, Any], name: str) -> bool:
    """Whether a record of a listing is one of `name`'s weighted address records."""
    same = name_of(record["Name"]) == name_of(name)
    return same and record["Type"] in STEERING_TYPES and "Weight" in record


def snapshot_of(records: Iterable[Mapping[str, Any]]) -> dict[str, Shown]:
    """The records as values that can be compared."""
    return {record_key(record): Shown(int(record["Weight"]), _rest(record)) for record in records}


def _rest(record: Mapping[str, Any]) -> str:
    """TTL, values, alias and health check of a record, as one text."""
    words = [f"TTL {record['TTL']}"] if "TTL" in record else []
    words += sorted(str(value["Value"]) for value in record.get("ResourceRecords", ()))
    alias = record.get("AliasTarget")
    if alias:
        words.append(f"alias {json.dumps(alias, sort_keys=True)}")
    check = record.get("HealthCheckId")
    words.append(f"health check {check}" if check else "no health check")
    return ", ".join(words)


@dataclass(frozen=True)
class Owners:
    """The region of a set identifier. One that `named` does not list is itself the name of a
    region.
    """

    named: Mapping[str, Sequence[str]]

    def region_of(self, identifier: str) -> str:
        """The region of that set identifier."""
        for region, identifiers in self.named.items():
            if identifier in identifiers:
                return region
        return identifier

    def by_region(self, weights: Weights) -> dict[str, int]:
        """Weight by region: the sum over its records of one type.

        Raises ValueError if the types of one set identifier disagree.
        """
        by_identifier: dict[str, int] = {}
        for key, weight in weights.items():
            identifier = key.partition(" ")[2]
            if by_identifier.setdefault(identifier, weight) != weight:
                raise ValueError(f"records of {identifier} have different weights")
        found: dict[str, int] = {}
        for identifier, weight in by_identifier.items():
            region = self.region_of(identifier)
            found[region] = found.get(region, 0) + weight
        return found

    def spread(self, regions: Mapping[str, int], base: Weights) -> dict[str, int]:
        """Weight by record so that each region has its sum; `base` gives the proportions.

        A region's records keep the proportions that they have in `base` (equal if those are all 0);
        the types of one set identifier change together.
        """
        found: dict[str, int] = {}
        for region, total in regions.items():
            keys = [key for key in base if self.region_of(key.partition(" ")[2]) == region]
            shares = {key.partition(" ")[2]: base[key] for key in keys}
            spread = _apportion(shares, total)
            found |= {key: spread[key.partition(" ")[2]] for key in keys}
        return {key: found[key] for key in base if key in found}


def _apportion(shares: Mapping[str, int], total: int) -> dict[str, int]:
    """`total` split into whole parts, by the largest remainders; exactly `shares` if that is their
    sum.
    """
    whole = sum(shares.values())
    parts = dict(shares) if whole else dict.fromkeys(shares, 1)
    whole = whole or len(parts)
    exact = {name: total * part / whole for name, part in parts.items()}
    found = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (found[name] - exact[name], name))
    for name in by_remainder[: total - sum(found.values())]:
        found[name] += 1
    return found
