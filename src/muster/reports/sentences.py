"""A report in plain sentences: why this verdict, what happened, who was affected. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.reports.findings import misses, worst_by_slo
from muster.reports.model import FaultRow, FindingRow, TripRow, UndoView
from muster.reports.words import clean, listed, one_line, plural

_STOPPERS = {
    "operator": "an operator stopped it",
    "signal:SIGTERM": "the run was asked to end (SIGTERM)",
    "signal:SIGINT": "the run was interrupted (SIGINT)",
    "lost_lease": "the drill lost its lease",
    "lost_watchdog": "the drill's watchdog was lost, and a drill never continues without one",
    "load:not_shown": "Prometheus did not return all series of the running load",
    "steering:changed_by_another": "somebody else changed the records",
    "power:changed_by_another": "somebody else started what the drill had stopped",
    "fault:changed_by_another": "somebody else replaced what the drill had changed",
    "fault:not_proven": "the fault took no effect, so that there was nothing to detect",
    "drain:changed_by_another": "the region's drain was changed by somebody else, or by itself",
    "rig:starved": "Muster's own machine was overloaded, so that samples were missing",
    "budget:tokens": "the load had used the tokens that the target allows",
    "budget:money": "the load had cost as much as the target allows",
    "budget:unknown": "nobody knew any more what the load had cost",
    "data_lost": "samples were missing for longer than the limit",
    "platform:traffic_would_not_leave": "traffic would not leave the region",
    "platform:loss_not_detected": "the platform went on sending clients to the lost region",
    "platform:drain_bound_passed": (
        "streams were still open at the drain's time limit, so the region was not stopped"
    ),
}


def stopper(by: str) -> str:
    """What stopped the drill, as a clause."""
    if by in _STOPPERS:
        return _STOPPERS[by]
    kind, _, what = by.partition(":")
    return {
        "trigger": f"the rollback trigger {what} fired",
        "limit": f"the abort limit {what} was passed",
        "action": f"the action {what} failed",
        "preflight": f"preflight refused at its check {what}",
    }.get(kind, by)


def finding_clause(row: FindingRow) -> str:
    """`5xx rate 0.71 %, limit ≤ 0.5 % (client, dark)`."""
    where = f" ({row.where})" if row.where else ""
    if row.status in ("unknown", "not_judged", "declared"):
        why = f": {row.detail}" if row.detail else ""
        return f"{row.title}{where}{why}"
    return f"{row.title} {row.measured} against {row.threshold}{where}"


def why(
    verdict: Mapping[str, Any],
    rows: Sequence[FindingRow],
    faults: Sequence[FaultRow],
    undo: UndoView,
) -> str:
    """One or two plain sentences: the basis of the verdict. The verdict's own words come first."""
    own = one_line(verdict.get("why"), 600)
    if own:
        return own
    name = verdict.get("verdict")
    stopped = _stopped(verdict)
    failed = [
        finding_clause(row) + (f" and in {plural(n - 1, 'other phase')}" if n > 1 else "")
        for row, n in worst_by_slo(misses(rows))
    ]
    missed_count = sum(row.status == "fail" for row in rows)
    unknown = [finding_clause(row) for row in rows if row.status == "unknown"]
    unproven = [
        f"the effect of {f.fault} in {f.region} is not verified" for f in faults if not f.proven
    ]
    missed = f"{missed_count} of {plural(len(rows), 'finding')} missed: {listed(failed)}."
    if name == "PASS":
        seen = " The effect of every fault was verified." if faults else ""
        skipped = sum(row.status == "not_judged" for row in rows)
        also = f" {plural(skipped, 'other')} had nothing to judge." if skipped else ""
        hanging = sum(row.status == "declared" for row in rows)
        if hanging:
            also += f" {plural(hanging, 'other')} could not be judged: {declared_clause(verdict)}."
        return (
            f"All {plural(len(rows) - skipped - hanging, 'finding')} are known and hold.{also}"
            f"{seen} Everything the drill changed is back, read from the real systems."
        )
    if name == "ROLLBACK_FAILED":
        left = [r.subject for r in undo.readback if not r.ok] or list(undo.pending)
        what = listed(left) if left else "the read-back did not verify"
        also = f" {missed}" if failed else ""
        return f"Not everything the drill changed is back: {what}.{also}"
    if stopped:
        also = f" {missed}" if failed else ""
        reasons = other_unknowns(verdict) if name == "INCONCLUSIVE" else []
        if reasons:
            also = f" It is not evidence: {listed(reasons)}."
        return f"Stopped: {stopped}.{also}"
    if name == "FAIL":
        return missed if failed else "The verdict names no finding."
    reasons = list(dict.fromkeys([*unproven, *other_unknowns(verdict), *unknown]))
    if reasons:
        return f"Nothing can be concluded: {listed(reasons)}."
    return "The verdict names no reason."


def declared_clause(verdict: Mapping[str, Any]) -> str:
    """What the target declares that its platform does not have, with the reasons."""
    told = verdict.get("declared")
    found = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    named = [
        f'{one_line(one.get("signal"), 80)} ("{one_line(one.get("reason"), 300)}")' for one in found
    ]
    return f"the target declares none: {'; '.join(named) or 'signals without a name'}"


def other_unknowns(verdict: Mapping[str, Any]) -> list[str]:
    """What the verdict calls unknown besides its findings, which have their own rows."""
    told = verdict.get("unknowns")
    lines = told if isinstance(told, list) else []
    return [one_line(u) for u in lines if u and not str(u).startswith("unknown: ")]


def _stopped(verdict: Mapping[str, Any]) -> str:
    by = verdict.get("stopped_by")
    if isinstance(by, dict):
        detail = one_line(by.get("detail"), 300)
        return stopper(one_line(by.get("by"), 120)) + (f" ({detail})" if detail else "")
    if not by:
        return ""
    detail = one_line(verdict.get("stopped_detail"), 300)
    return stopper(one_line(by, 120)) + (f" ({detail})" if detail else "")


def stopped_name(verdict: Mapping[str, Any], stop: Mapping[str, Any]) -> str | None:
    """The name of what stopped the drill, from the verdict, else from the ledger."""
    by = verdict.get("stopped_by")
    if isinstance(by, dict):
        by = by.get("by")
    name = one_line(by or stop.get("by"), 120)
    return name or None


def summary(
    *,
    title: str,
    verdict: str,
    kind: str,
    target: str,
    streams: str,
    evacuated: str | None,
    length: str,
    started: str,
    holds: int,
    total: int,
    not_judged: int,
    declared: int = 0,
    trips: Sequence[TripRow],
    undo: UndoView,
    judged: str = "",
) -> tuple[str, ...]:
    """The paragraph under the banner, as sentences."""
    what = f"evacuated {evacuated}" if evacuated and kind == "failover" else f"ran as {kind}"
    said = [
        f"{title} {what} on the target {target} with {streams} streams, from {started}"
        f", and took {length}.",
        f"It ended {verdict}: {holds} of {plural(total - not_judged - declared, 'finding')} hold"
        + (f", {not_judged} were not judged" if not_judged else "")
        + (f", {declared} depend on what the target declares none." if declared else "."),
    ]
    if judged:
        said.append(judged)
    fired = [trip for trip in trips if not trip.expected]
    if fired:
        names = listed([f"{trip.name} ({trip.region}, {trip.offset})" for trip in fired])
        said.append(f"The guard fired: {names}.")
    else:
        said.append("The guard did not fire.")
    said.append(
        {
            True: "Everything the drill changed was read back as it had been before.",
            False: "Not everything the drill changed is back.",
            None: "It was not read back whether the drill's changes were undone.",
        }[undo.verified]
    )
    return tuple(clean(sentence) for sentence in said)


def guard_sentence(trips: Sequence[TripRow], armed: bool) -> str:
    """What the guard observed."""
    fired = sum(not trip.expected for trip in trips)
    expected = len(trips) - fired
    if not armed:
        return "The ledger does not say that the guard was armed."
    parts = [f"{plural(fired, 'trip')}" if fired else "No trigger and no abort limit fired"]
    if expected:
        parts.append(f"{plural(expected, 'breach', 'breaches')} expected of a declared fault")
    return "; ".join(parts) + "."
