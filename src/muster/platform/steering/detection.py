"""How long DNS takes to notice by itself that a record's region is lost.

A health check of an endpoint: its interval times its failure threshold. A calculated one: the
slowest of its children, which fail at the same time when the region is lost. A record without a
health check is answered by its weight in any case: there is nothing to wait for. For a CloudWatch
alarm, a routing control or the health of an alias's target only the platform's owner knows the
time: the target must state it.
Source: Route 53 API, HealthCheckConfig and AliasTarget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from muster.errors import BadInput

KEY = "steering.detection_s_max"
_OPAQUE = {"CLOUDWATCH_METRIC": "a CloudWatch alarm", "RECOVERY_CONTROL": "a routing control"}
Call = Callable[..., Any]


@dataclass(frozen=True)
class Detection:
    """A health check's own figures; `seconds` is the longest that detection takes."""

    interval_s: int
    threshold: int

    @property
    def seconds(self) -> int:
        """Interval times threshold."""
        return self.interval_s * self.threshold


def detections(
    records: Iterable[Mapping[str, Any]], call: Call, detection_s_max: float | None
) -> dict[str, Detection]:
    """Detection time by set identifier, for those records that DNS removes by itself.

    `call` queries the Route 53 API; a value in the target (`detection_s_max`, in seconds) takes
    precedence. Raises BadInput, which names the key, if only the target can give the value and does
    not.
    """
    found: dict[str, Detection] = {}
    for record in records:
        identifier = str(record["SetIdentifier"])
        one = _detection(record, call, detection_s_max)
        if one is not None and (identifier not in found or one.seconds > found[identifier].seconds):
            found[identifier] = one
    return found


def slowest_s(health_checks: Mapping[str, tuple[int, int]]) -> int:
    """The longest time for which a loss stays unnoticed, in seconds; 0 if DNS notices none by
    itself.

    `health_checks`: (interval in seconds, failure threshold) by region.
    """
    return max(
        (interval_s * threshold for interval_s, threshold in health_checks.values()), default=0
    )


def largest_figures(
    health_checks: Mapping[str, tuple[int, int]],
) -> tuple[int | None, int | None]:
    """The longest interval, in seconds, and the highest failure threshold of all health checks.

    They may belong to different checks; both are None without any health check.
    """
    intervals_s = (interval_s for interval_s, _ in health_checks.values())
    thresholds = (threshold for _, threshold in health_checks.values())
    return max(intervals_s, default=None), max(thresholds, default=None)


def _detection(
    record: Mapping[str, Any], call: Call, detection_s_max: float | None
) -> Detection | None:
    check = record.get("HealthCheckId")
    follows_target = bool(record.get("AliasTarget", {}).get("EvaluateTargetHealth"))
    if not check and not follows_target:
        return None
    if detection_s_max is not None:
        return Detection(math.ceil(detection_s_max), 1)
    if not check:
        raise _unknown(record, "an alias that follows its target's health")
    return _of_check(str(check), record, call, top=True)


def _of_check(check: str, record: Mapping[str, Any], call: Call, *, top: bool) -> Detection:
    config = call("get_health_check", HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]
    kind = str(config.get("Type"))
    if kind in _OPAQUE:
        raise _unknown(record, f"{_OPAQUE[kind]} (health check {check})")
    if kind != "CALCULATED":
        return Detection(
            int(config.get("RequestInterval", 30)), int(config.get("FailureThreshold", 3))
        )
    children = [str(child) for child in config.get("ChildHealthChecks", ())]
    if not children or not top:
        raise _unknown(record, f"a calculated health check without children ({check})")
    return max(
        (_of_check(child, record, call, top=False) for child in children),
        key=lambda one: one.seconds,
    )


def _unknown(record: Mapping[str, Any], why: str) -> BadInput:
    wanted = (
        f"seconds from a region's loss until DNS stops answering with it: record "
        f"{record['Type']} {record['SetIdentifier']} depends on {why}"
    )
    return BadInput("target", KEY, None, wanted)
