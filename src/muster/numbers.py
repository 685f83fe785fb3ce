"""Numbers out of files that anybody may have written."""

from __future__ import annotations

import math
from typing import TypeGuard


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value out of JSON or YAML is a number that one can compute with.

    A truth value is none, nor is infinity, nor a whole number that is too large for a float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
