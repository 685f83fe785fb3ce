"""Subtracts the load's canaries from the platform's figures, if its counts include them.

The platform's figures do not identify canaries. They are subtracted as successful, fast requests: a
finding that still passes would pass with any other result of the canaries. A finding that passes
with the canaries and fails without them depends on the canaries, and is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from muster.judge.findings import Finding


def without_canaries(judged: Callable[[float], Finding], canaries: float) -> Finding:
    """The finding of the platform's figures without `canaries`.

    `judged(n)` returns the finding after n successful requests are subtracted.
    """
    whole = judged(0.0)
    if not canaries:
        return whole
    rest = judged(canaries)
    said = f"{canaries:.0f} canaries subtracted"
    if rest.status != whole.status:
        said += f": {whole.status} with them, {rest.status} without"
    reason = "; ".join(part for part in (rest.reason, said) if part)
    status = rest.status if rest.status == whole.status else "unknown"
    return replace(rest, status=status, reason=reason)
