"""The phases that a drill must have completed, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.judge.findings import Finding, unmeasured
from muster.judge.phases import Phase

SINGLE_FAULTS = (
    "provider_429",
    "provider_503",
    "provider_first_token",
    "provider_jitter",
    "provider_latency",
    "provider_latency_both",
    "provider_reset",
    "provider_silent",
    "provider_stream_error",
    "redis_black_hole",
    "redis_exhausted",
    "redis_full",
    "redis_hung",
    "redis_outage",
    "redis_restarted",
    "redis_slow",
)
"""The experiments that come along and hold one fault."""
WANTED_PHASES = {
    "failover": ("baseline", "evacuate", "drain", "dark", "restore", "verify"),
    "region_failover": ("baseline", "evacuate", "drain", "dark", "restore", "verify"),
    "region_evacuation": ("baseline", "evacuate", "drain", "dark", "restore", "verify"),
    "hello": ("baseline", "shift", "shifted", "shift_back", "verify"),
    "region_loss": ("baseline", "loss", "failed_over", "comeback", "verify"),
    "gate": ("baseline", "verify"),
    **dict.fromkeys(SINGLE_FAULTS, ("baseline", "fault", "recovery", "verify")),
    "safety": ("safety_lock", "safety_freeze", "safety_undo", "safety_guard", "verify"),
}
"""Required phases of drills by kind and name, whatever they planned."""
WANTED_ALWAYS = ("baseline", "verify")
"""Required phases of any other drill."""
JUDGED = frozenset(
    {
        "baseline",
        "evacuate",
        "drain",
        "dark",
        "restore",
        "failed_over",
        "comeback",
        "fault",
        "recovery",
        "shift",
        "shifted",
        "shift_back",
    }
)
"""Phases under load, which a tier must judge; a phase without a tier proves nothing."""
MOVES = frozenset({"shift", "shifted", "shift_back"})
"""Phases of a shift, each of which must record how new streams were split."""


def missing_phases(
    started: Mapping[str, Any], phases: Sequence[Phase], *, chained: bool = False
) -> list[Finding]:
    """Return an unknown finding for each required phase that was not completed, in its position.

    Required is what the drill planned at its start (`phases` in the ledger's `drill_started`), and
    in any case what a drill of its kind must have. An empty or invalid plan is unknown. A ledger
    from before plans were recorded has none, and no hash chain (`chained`) either.
    """
    # Both apply: the evacuation of a region that is labelled as a gate is still an evacuation.
    names = (str(started["kind"]), str(started["drill"]))
    wanted = [WANTED_PHASES[name] for name in names if name in WANTED_PHASES] or [WANTED_ALWAYS]
    least = dict.fromkeys(name for one in wanted for name in one)
    complete = [phase.name for phase in phases if phase.complete]
    found: list[Finding] = []
    planned: Sequence[str] = ()
    if "phases" in started or chained:
        plan = started.get("phases")
        if isinstance(plan, list) and plan and all(isinstance(name, str) for name in plan):
            planned = plan
        else:
            found.append(_missing(None, "the ledger does not say which phases were planned"))
    missed, place = [], 0
    for name in planned:
        if name in complete[place:]:
            place = complete.index(name, place) + 1
        else:
            missed.append(name)
    missed += [name for name in least if name not in complete and name not in missed]
    found += [_missing(name, "this phase was not completed") for name in missed]
    return found


def unjudged_phases(phases: Sequence[Phase]) -> list[Finding]:
    """Return an unknown finding for each phase under load to which the ledger gives no tier."""
    loose = [phase.name for phase in phases if phase.name in JUDGED and phase.tier is None]
    return [_missing(name, "no tier judged this phase") for name in loose]


def unseen_moves(phases: Sequence[Phase], recorded: Sequence[Finding]) -> list[Finding]:
    """Return an unknown finding for each phase of a shift in which no split was recorded.

    The weights alone do not prove that any traffic moved.
    """
    seen = {finding.phase for finding in recorded if finding.slo == "traffic_split"}
    reason = "it is not recorded how new streams were split"
    return [
        unmeasured("traffic_split", "client", "unknown", reason, phase=phase.name)
        for phase in phases
        if phase.name in MOVES and phase.name not in seen
    ]


def _missing(name: str | None, reason: str) -> Finding:
    return unmeasured("phase_complete", "ledger", "unknown", reason, phase=name)
