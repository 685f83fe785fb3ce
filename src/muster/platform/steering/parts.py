"""What steers traffic, as values: parts with one weight each, whatever kind of thing a part is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Weights = Mapping[str, int]
"""Weight by part; its adapter names the parts."""


@dataclass(frozen=True)
class Shown:
    """One part as the platform shows it: its weight, and everything else about it as one text."""

    weight: int
    rest: str


Snapshot = Mapping[str, Shown]
"""What the platform shows of all parts that steer a name."""


def weights_of(shown: Snapshot) -> dict[str, int]:
    """The weights alone."""
    return {key: one.weight for key, one in shown.items()}
