"""The phases that a drill must have completed, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.judge.around import fault_around
from muster.judge.findings import Finding, unmeasured
from muster.judge.phases import Phase

SEQUENCES: tuple[tuple[str, ...], ...] = (
    ("fault", "recovery"),
    ("evacuate", "drain", "dark", "restore"),
    ("loss", "failed_over", "comeback"),
    ("shift", "shifted", "shift_back"),
    ("outage", "back_in_dns"),
    ("stale", "caught_up", "shift_back"),
)
"""The whole sequences of phases by which a drill changes something and takes it back.

An experiment must have completed one of them, whatever it is called. A block of steps with phases
of its own is a line here.
"""
WANTED_PHASES = {
    "failover": ("baseline", "evacuate", "drain", "dark", "restore", "verify"),
    "region_failover": ("baseline", "evacuate", "drain", "dark", "restore", "verify"),
    "region_evacuation": ("baseline", "evacuate", "drain", "dark", "restore", "verify"),
    "hello": ("baseline", "shift", "shifted", "shift_back", "verify"),
    "region_loss": ("baseline", "loss", "failed_over", "comeback", "verify"),
    "gate": ("baseline", "verify"),
    "safety": ("safety_lock", "safety_freeze", "safety_undo", "safety_guard", "verify"),
}
"""Required phases of drills by kind and name, whatever they planned."""
WANTED_ALWAYS = ("baseline", "verify")
"""Required phases of any other drill."""
CHANGES_NOTHING = frozenset({"gate", "safety"})
"""The kinds of drills that need no sequence; an unknown kind needs one."""
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
        "back_in_dns",
        "stale",
        "caught_up",
    }
)
"""Phases under load, which a tier must judge; a phase without a tier proves nothing."""
MOVES = frozenset({"shift", "shifted", "shift_back", "caught_up"})
"""Phases of a shift, each of which must record how new streams were split."""


def missing_phases(
    started: Mapping[str, Any], phases: Sequence[Phase], *, chained: bool = False
) -> list[Finding]:
    """Return an unknown finding for each required phase that was not completed, in its position.

    Required is what the drill planned at its start (`phases` in the ledger's `drill_started`), and
    in any case what a drill of its kind must have; a sequence that was begun is required whole. An
    empty or invalid plan is unknown. A ledger from before plans were recorded has none, and no hash
    chain (`chained`) either.
    """
    # Both apply: the evacuation of a region that is labelled as a gate is still an evacuation.
    names = (str(started["kind"]), str(started["drill"]))
    wanted = [WANTED_PHASES[name] for name in names if name in WANTED_PHASES] or [WANTED_ALWAYS]
    begun = {phase.name for phase in phases}
    wanted += [sequence for sequence in SEQUENCES if sequence[0] in begun]
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
    missed = _left_out(planned, complete)
    missed += [name for name in least if name not in complete and name not in missed]
    if names[0] not in CHANGES_NOTHING and not _went_through_one(complete, missed):
        said = " or ".join(", ".join(sequence) for sequence in SEQUENCES)
        found.append(_missing(None, f"the drill changed nothing: expected {said} in this order"))
    found += [_missing(name, "this phase was not completed") for name in missed]
    return found


def _left_out(wanted: Sequence[str], complete: Sequence[str]) -> list[str]:
    """The names of `wanted` that `complete` does not have in their order."""
    left_out, place = [], 0
    for name in wanted:
        if name in complete[place:]:
            place = complete.index(name, place) + 1
        else:
            left_out.append(name)
    return left_out


def _went_through_one(complete: Sequence[str], missed: Sequence[str]) -> bool:
    """Whether a whole sequence was completed, or what is missing of one is reported as missing."""
    return any(
        not _left_out(sequence, complete) or not set(sequence).isdisjoint(missed)
        for sequence in SEQUENCES
    )


def unjudged_phases(phases: Sequence[Phase]) -> list[Finding]:
    """Return an unknown finding for each phase under load to which the ledger gives no tier."""
    loose = [
        phase.name
        for phase in phases
        if phase.tier is None and (phase.name in JUDGED or fault_around(phase.name))
    ]
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
