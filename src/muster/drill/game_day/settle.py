"""How a drill of the day came out, judged again from its bundle. An exit code proves nothing.

What is missing, does not carry an intact seal, is the bundle of another drill, began before the day
began it, or ran with another target or contract file than the day was planned with is INCONCLUSIVE.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from muster.attestation import ATTESTATION
from muster.bundle import MANIFEST, check_seal
from muster.drill.game_day.model import Outcome
from muster.drill.lock.runs import is_running
from muster.drill.plan.plan import DrillPlan
from muster.errors import MusterError
from muster.judge.findings import Finding
from muster.judge.verdict import judge
from muster.ledger import read_ledger
from muster.reports.history.headroom import least_headroom
from muster.undo import read_undo

WHY_MAX = 300


def outcome_of(bundle: Path, plan: DrillPlan, since_s: float) -> Outcome:
    """Judge `bundle`, which must be that of `plan`, begun at `since_s` (since the epoch) or later.

    Never raises MusterError.
    """
    try:
        found = check_seal(bundle, running=is_running)
        if not found.trusted:
            said = "; ".join(found.why)
            nothing = Outcome("INCONCLUSIVE", f"its seal: {said}", seal=said, left=_left(bundle))
            return replace(nothing, digests=_digests(bundle))
        verdict = judge(bundle)
        document = verdict.document
        start = next(iter(read_ledger(bundle / "ledger.jsonl").of("drill_started")), {})
        if why := _another(bundle, start, plan, since_s):
            return Outcome("INCONCLUSIVE", why, left=_left(bundle), digests=_digests(bundle))
    except MusterError as error:
        return Outcome("INCONCLUSIVE", str(error)[:WHY_MAX], left=_left(bundle))
    ended = read_ledger(bundle / "ledger.jsonl").of("drill_ended")
    return Outcome(
        verdict=verdict.verdict,
        why=_why(verdict.verdict, verdict.findings, document)[:WHY_MAX],
        stopped_by=verdict.stopped_by,
        evidence=document.get("evidence"),
        started_s=float(start["t"]),
        ended_s=float(ended[-1]["t"]) if ended else None,
        margin=tightest(document.get("findings")),
        left=_left(bundle),
        digests=_digests(bundle),
    )


def _another(bundle: Path, start: Mapping[str, Any], plan: DrillPlan, since_s: float) -> str:
    """Why `bundle`, whose drill began with the line `start`, is not the plan's; else empty."""
    own = {"drill_id": bundle.name, "drill": plan.drill, "target": plan.target.name}
    for key, wanted in own.items():
        if start.get(key) != wanted:
            return f"its {key} is {start.get(key)!r}, expected {wanted!r}"
    # Not `<`: a time that is no number is after nothing.
    if not float(start["t"]) >= since_s:
        return "it began before the day began it"
    files = {"target.yaml": plan.target_bytes, "contract.yaml": plan.contract_bytes}
    for name, planned in files.items():
        try:
            used = (bundle / name).read_bytes()
        except OSError as error:
            return f"its {name}: {error.strerror}"
        if used != planned:
            return f"its {name} is not the file that the day was planned with"
    return ""


def missing(why: str) -> Outcome:
    """The outcome of a drill without a bundle."""
    return Outcome("INCONCLUSIVE", f"no bundle: {why}"[:WHY_MAX])


def seal_now(bundle: Path, digests: dict[str, str]) -> str:
    """Why the bundle is no longer the one that was judged, with those digests; empty if it is."""
    try:
        found = check_seal(bundle, running=is_running)
    except MusterError as error:
        return str(error)[:WHY_MAX]
    if not found.trusted:
        return "; ".join(found.why)[:WHY_MAX]
    now = _digests(bundle)
    changed = sorted(name for name in {*now, *digests} if now.get(name) != digests.get(name))
    return f"{', '.join(changed)}: sealed again after the drill" if changed else ""


def tightest(findings: Any) -> str:
    """The least share of a limit that was left, and of which; empty if no finding has one."""
    share, of = least_headroom(findings)
    return "" if share is None else f"{share:.0%} of {of}"


def _why(verdict: str, findings: Iterable[Finding], document: Any) -> str:
    if verdict == "PASS":
        return ""
    found = [one.line() for one in findings if one.status == "fail"]
    stopped = document.get("stopped_by")
    first = [f"stopped by {stopped}"] if stopped else []
    return "; ".join([*first, *found, *map(str, document.get("unknowns") or ())])


def _left(bundle: Path) -> tuple[str, ...]:
    """What the undo log does not show as restored; without a log nothing was changed."""
    path = bundle / "undo.jsonl"
    if not path.exists():
        return ()
    try:
        return tuple(entry.subject for entry in read_undo(path).pending)
    except MusterError as error:
        return (str(error)[:WHY_MAX],)


def _digests(bundle: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (MANIFEST, ATTESTATION):
        try:
            found[name] = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
        except OSError:
            continue
    return found
