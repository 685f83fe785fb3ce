"""Takes the load's canaries out of what a platform says, where its counts show that they are in it.

Nobody knows which of the platform's answers were canaries. So they are taken out as if each had
been good and fast: what passes then passes whatever they were. What fails without them and not with
them was decided by the canaries, and is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from muster.judge.findings import Finding


def without_canaries(judged: Callable[[float], Finding], canaries: float) -> Finding:
    """The finding of the platform's figures without `canaries`.

    `judged` returns the finding without so many good requests; 0 of them: with all.
    """
    whole = judged(0.0)
    if not canaries:
        return whole
    rest = judged(canaries)
    said = f"{canaries:.0f} canaries taken out"
    if rest.status != whole.status:
        said += f": {whole.status} with them, {rest.status} without"
    reason = "; ".join(part for part in (rest.reason, said) if part)
    status = rest.status if rest.status == whole.status else "unknown"
    return replace(rest, status=status, reason=reason)
