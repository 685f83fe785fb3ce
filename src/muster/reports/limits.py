"""The contract's figures in the report's texts; "no data" if a bundle has no contract.

A figure of the contract is written nowhere else: if it changes there, the report follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from muster.contract.model import Contract
from muster.reports.numbers import limit, number


def lag_ms(contract: Contract | None) -> float | None:
    """The limit of the p99 of the rig's loop lag, in milliseconds."""
    return None if contract is None else 1000 * contract.load_validity.loop_lag_p99_s_max


def lag(contract: Contract | None) -> str:
    """The same as text."""
    return limit(lag_ms(contract), "ms")


def late(contract: Contract | None) -> str:
    """An arrival started later than this is late."""
    return _of(contract, lambda rules: 1000 * rules.load_validity.late_s, "ms")


def late_share(contract: Contract | None) -> str:
    """The share of arrivals that may be late."""
    return _of(contract, lambda rules: rules.load_validity.late_share_max, "share")


def shifted(contract: Contract | None) -> str:
    """Below this share of the new streams a region counts as left."""
    return _of(contract, lambda rules: rules.drill.shifted_share_max, "share")


def _of(contract: Contract | None, figure: Callable[[Contract], Any], unit: str) -> str:
    return limit(None if contract is None else number(figure(contract)), unit)
