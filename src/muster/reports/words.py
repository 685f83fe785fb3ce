"""Display names for the names in a verdict, and text made safe to print anywhere."""

from __future__ import annotations

from typing import Any

SLO_TITLES = {
    "availability": "Availability",
    "success_2xx": "2xx success",
    "rate_5xx": "5xx rate",
    "rate_429": "429 rate",
    "first_token_p95": "First token p95",
    "completion_p95": "Completion p95",
    "queue_age": "Oldest queued job",
    "circuit_open": "Provider circuit open",
    "streams_achieved": "Streams achieved",
    "streams_held": "Streams held",
    "streams_cut": "Streams cut by the drill",
    "traffic_split": "Traffic split",
    "shift_time": "Time to shift",
    "restore_time": "Time to restore",
    "failover_action_in_baseline": "Failover actions in the baseline",
    "fault_proof": "Fault took effect (verified)",
    "recovery_quiet": "Quiet after the fault",
    "capacity_back": "Room for streams back",
    "rto": "Recovery time",
    "redis_promotion": "Promotion of Redis",
    "streams_broken": "Streams broken by the loss",
    "broken_elsewhere": "Streams broken elsewhere",
    "stream_lengths": "Streams shorter than asked",
    "rig_blackout": "Rig pinned by the loss",
    "declared_none": "What the platform does not have",
    "trigger_queue_age": "Rollback trigger: queue age",
    "limit_queue_age": "Abort limit: queue age",
    "trigger_circuit_open": "Rollback trigger: circuit open",
    "trigger_hard_failure": "Rollback trigger: hard failure",
    "load_offered": "Load offered",
    "load_loop_lag": "Loop lag",
}
"""In the order of the tables."""

AT_LEAST = {"availability", "success_2xx", "streams_achieved", "streams_held", "load_offered"}
"""SLOs whose threshold is a lower limit; all others have an upper limit."""

STATUS_WORDS = {
    "pass": "pass",
    "fail": "fail",
    "unknown": "unknown",
    "not_judged": "not judged",
    "declared": "declared: none",
}
STATUS_MARKS = {"pass": "✓", "fail": "✗", "unknown": "?", "not_judged": "–", "declared": "∅"}

OVERALL = "evacuate..restore"

TIMING_TITLES = {
    "decide": ("Time to decide", "from the decision to evacuate to the first weight change"),
    "shift": ("Time to shift", "weights at 0 to under {shifted} of new streams"),
    "drain": ("Time to drain", "until the last stream ended by itself"),
    "dark": ("Dark", "the region stopped and held"),
    "restore": ("Time to restore", "region started to split as before"),
    "trip_to_restored": ("Trip to restored", "a trigger fired to weights back"),
    "away": ("Time to shift a share", "weights set until new streams were split so"),
    "back": ("Time to shift it back", "weights as before until new streams were split so"),
    "detect": ("Time to detect", "fault applied to region out of the answers"),
    "caught_up": ("Time to catch up", "stale answers ended until new streams followed the weights"),
    "served_again": ("Time to serve again", "records back until attempts succeeded"),
    "lost": ("Region away", "lost until it was given back"),
}

LOAD_TITLES = {
    "target_streams": "Streams, target",
    "achieved_streams": "Streams, achieved",
    "scheduled": "Arrivals scheduled",
    "offered": "Arrivals offered",
    "late_share": "Arrivals over {late} late",
    "loop_lag_ms_p99": "Loop lag p99",
    "first_token_error_ms_p95": "First-token error p95",
}

EVIDENCE_WHY = {
    "gate": "Full concurrency on a real target at time scale 1: the gate takes this evidence.",
    "rehearsal": "A real target, but less than the gate requires: concurrency, time scale or hold.",
    "testbed": "Run on the testbed: it shows that the drill works, not that the platform does.",
}


def clean(value: Any, length_max: int = 2000) -> str:
    """`value` as text that any document can hold: no control characters, no broken surrogates."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    kept = "".join("\ufffd" if _illegal(c) else c for c in text)
    return kept if len(kept) <= length_max else kept[: length_max - 1] + "…"


def one_line(value: Any, length_max: int = 300) -> str:
    """`value` as clean text on a single line."""
    return clean(" ".join(clean(value, 10 * length_max).split()), length_max)


def slo_title(slo: str) -> str:
    """The display name of an SLO; unknown names are shown as they are."""
    return SLO_TITLES.get(slo, slo.replace("_", " "))


def plural(n: int, one: str, many: str = "") -> str:
    """`1 finding`, `2 findings`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(parts: list[str], most: int = 4) -> str:
    """At most `most` of `parts`, with how many more there are."""
    if len(parts) <= most:
        return "; ".join(parts)
    return "; ".join(parts[:most]) + f"; and {len(parts) - most} more"


def _illegal(c: str) -> bool:
    # Surrogates and non-characters are not allowed in XML, and a bidirectional override in a label
    # would change the reading order of its line.
    point = ord(c)
    return (
        (point < 0x20 and c not in "\n\t")
        or 0x7F <= point < 0xA0
        or 0xD800 <= point <= 0xDFFF
        or point in (0xFFFE, 0xFFFF)
        or 0x202A <= point <= 0x202E
        or 0x2066 <= point <= 0x2069
    )
