"""Kubernetes' quantities: `250m` is a quarter, `2Gi` is 2 x 2^30."""

from __future__ import annotations

import re
from decimal import Decimal

from muster.platform.port import PortError

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def quantity(said: object) -> Decimal:
    """The value of a quantity, exact. Raises PortError."""
    found = _FORM.fullmatch(str(said))
    if found is None:
        raise PortError(f"Kubernetes: {said!r} is no quantity")
    number, suffix = Decimal(found[1]), found[2]
    if suffix in _BINARY:
        return number * Decimal(2 ** _BINARY[suffix])
    return number.scaleb(_DECIMAL[suffix]) if suffix else number
