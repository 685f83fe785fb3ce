"""How much of a limit was left: the one figure by which margins of unlike SLOs compare. Pure.

1 means that nothing of the limit was used, 0 that the value was at the limit, below 0 that it was
over it. For a floor of 99.9 % the limit is the 0.1 % that may fail. For a p95 it is the 5 % of the
streams that may be slower: the verdict counts them. The p95 itself is known only as a bracket, and
brackets end at the limit, so that they say little of what was left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from muster.reports.numbers import number
from muster.reports.words import AT_LEAST, one_line, slo_title

_WHOLE = {"%": 100.0, "share": 1.0}
OF_THE_RIG = frozenset({"load_loop_lag", "load_offered", "streams_achieved", "streams_held"})
"""What the rig did, not what users got: its limits decide whether the drill says anything."""


_WITHIN = re.compile(r"(?:^|; )(\d+(?:\.\d+)?) % at or under ")
_P95 = 95.0


def least_headroom(findings: Any) -> tuple[float | None, str]:
    """The least share left of any limit on what users got, and that limit's name.

    None if no finding has such a share.
    """
    found: list[tuple[float, str]] = []
    for one in findings if isinstance(findings, list) else []:
        if not isinstance(one, dict) or one.get("slo") in OF_THE_RIG:
            continue
        left = headroom(one)
        if left is not None:
            place = " ".join(
                one_line(one.get(key), 60) for key in ("phase", "region") if one.get(key)
            )
            found.append((left, f"{slo_title(str(one.get('slo')))}, {place}".rstrip(", ")))
    return min(found, default=(None, ""))


def headroom(finding: Mapping[str, Any]) -> float | None:
    """The share of the limit that is left; None if it is unknown or the limit is 0."""
    within = _WITHIN.search(str(finding.get("reason") or "")) if _brackets(finding) else None
    if within is not None:
        return (float(within[1]) - _P95) / (100.0 - _P95)
    threshold = number(finding.get("threshold"))
    measured = _middle(finding)
    if threshold is None or measured is None:
        return None
    if finding.get("slo") in AT_LEAST:
        limit = _WHOLE.get(str(finding.get("unit")), 2 * threshold) - threshold
        left = measured - threshold
    else:
        limit, left = threshold, threshold - measured
    return left / limit if limit > 0 else None


def _middle(finding: Mapping[str, Any]) -> float | None:
    """The measured value; of a bracket its middle, which is never at the limit itself."""
    bracket = _brackets(finding)
    if bracket is None:
        return number(finding.get("measured"))
    low, high = number(bracket[0]), number(bracket[1])
    return None if high is None else ((low or 0.0) + high) / 2


def _brackets(finding: Mapping[str, Any]) -> tuple[Any, Any] | None:
    bracket = finding.get("bracket")
    if isinstance(bracket, list | tuple) and len(bracket) == 2:
        return bracket[0], bracket[1]
    return None
