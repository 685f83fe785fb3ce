"""Text about the tiers that a drill was judged by, according to its own contract. Pure.

A tier is a set of limits and a number of streams. Different contracts may have a tier of the same
name, so the text also gives the contract and the number of streams. A tier counts as judged only if
one of its findings passed or failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from muster.contract.model import Contract, Tier

NOTHING = "No tier was judged."


def tier_said(contract: Contract | None, name: str) -> str:
    """For example `Tier G (Growth)`, with the contract's title."""
    tier = _tier(contract, name)
    return f"Tier {name}" if tier is None else f"Tier {name} ({tier.title})"


def contract_said(contract: Contract | None) -> str:
    """The source document of the contract and its date."""
    if contract is None:
        return "a contract that cannot be read"
    return f"{contract.source.document}, as of {contract.source.as_of}"


def judged_phases(findings: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Phases by the tier that judged them, in the order of `findings`."""
    found: dict[str, dict[str, None]] = {}
    for finding in findings:
        tier, phase = finding.get("tier"), str(finding.get("phase") or "")
        if tier and finding.get("status") in ("pass", "fail") and ".." not in phase:
            found.setdefault(str(tier), {}).update(dict.fromkeys(filter(None, phase.split("+"))))
    return {tier: list(phases) for tier, phases in found.items()}


def judged_by(
    contract: Contract | None,
    findings: Iterable[Mapping[str, Any]],
    *,
    streams: object = None,
    order: Sequence[str] = (),
) -> str:
    """One or two sentences: tiers, their phases, the number of streams, and the contract.

    `findings` and `streams` come from verdict.json, which may have been edited; `order`: the
    drill's phases in order of time.
    """
    held = streams if isinstance(streams, int) and not isinstance(streams, bool) else None
    judged = judged_phases(findings)
    if not judged:
        return NOTHING
    place = {name: index for index, name in enumerate(order)}

    def at(phase: str) -> int:
        return place.get(phase, len(place))

    rows = [(name, sorted(phases, key=at)) for name, phases in judged.items()]
    rows.sort(key=lambda row: min(map(at, row[1]), default=len(place)))
    said = " and of ".join(_row(contract, name, phases, held) for name, phases in rows)
    return f"Judged by the limits of {said}. The limits are those of {contract_said(contract)}."


def _row(contract: Contract | None, name: str, phases: Sequence[str], streams: int | None) -> str:
    tier = _tier(contract, name)
    few = tier is not None and streams is not None and streams < tier.streams
    at = f", at {streams:,} of its {tier.streams:,} streams," if tier is not None and few else ""
    return f"{tier_said(contract, name)}{at}" + (f" in {', '.join(phases)}" if phases else "")


def _tier(contract: Contract | None, name: str) -> Tier | None:
    tiers = () if contract is None else contract.tiers.values()
    return next((tier for tier in tiers if tier.name == name), None)
