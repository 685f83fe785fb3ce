"""Prints the contract as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from muster.contract.model import Contract, Tier, per_cent

TIER_ROWS = (
    "streams",
    "availability_min",
    "success_2xx_min",
    "rate_5xx_max",
    "rate_429_max",
    "first_token_p95_s_max",
    "completion_p95_s_max",
)


def contract_lines(loaded: Contract) -> list[str]:
    """Tiers, gates, triggers and a drill's own limits, as lines."""
    tiers = list(loaded.tiers.values())
    rows: list[tuple[str, ...]] = [("", *(f"Tier {tier.name}" for tier in tiers))]
    rows += [(slo, *(_shown(tier, slo) for tier in tiers)) for slo in TIER_ROWS]
    lines = _aligned(rows)
    gates = [("", "TIER", "PROFILE", "SOAK", "QUEUE AGE", "BESIDES")]
    for gate in loaded.gates.values():
        besides = []
        if gate.circuit_open_s_max is not None:
            besides.append(f"no circuit open longer than {gate.circuit_open_s_max:g} s")
        if gate.failover_actions_in_baseline_max is not None:
            besides.append("no regional failover action in the baseline")
        if gate.drill_tier is not None:
            besides.append(f"the failover drill passes Tier {gate.drill_tier}")
        soak, queue = f"{gate.soak_s_min / 60:g} min", f"<= {gate.queue_age_s_max:g} s"
        gates.append((gate.name, gate.tier, gate.profile, soak, queue, "; ".join(besides)))
    triggers = [("ROLLBACK TRIGGER", "FIRES WHEN (a drill stops sooner)"), *_triggers(loaded)]
    source = (
        f"From {loaded.source.document}, as of {loaded.source.as_of}; the contract's file names"
    )
    end = f"{source} the source of each figure."
    return [*lines, "", *_aligned(gates), "", *_aligned(triggers), "", end]


def _triggers(loaded: Contract) -> list[tuple[str, str]]:
    """Each rollback trigger; in brackets, the limit at which a drill stops itself."""
    rules, limits = loaded.triggers, loaded.abort_limits
    row = f"windows of {rules.window_s:g} s in a row"
    failure, circuit = rules.hard_failure, rules.circuit_open
    sooner_s = limits.queue_age.over_s_max
    sooner = f"after {sooner_s:g} s" if sooner_s else "at once"
    queue_s, unresolved_s = rules.queue_age.over_s_max, failure.unresolved_s
    return [
        (
            "5xx rate",
            f"over the tier's limit for {rules.rate_5xx.windows} {row} ({limits.rate_5xx.windows})",
        ),
        (
            "2xx success",
            f"below the tier's floor for {rules.success_2xx.windows} {row} "
            f"({limits.success_2xx.windows})",
        ),
        ("circuit open", f"route {circuit.route}, for longer than {circuit.open_s_max:g} s"),
        ("queue age", f"over the gate's limit for longer than {queue_s:g} s ({sooner})"),
        ("hard failure", f"{', '.join(failure.reasons)}: still increasing {unresolved_s:g} s"),
        ("", "after its declared cause ended, or after its first without one"),
        ("(data lost)", f"more than {rules.unknown_windows_max} unknown {row}"),
    ]


def _shown(tier: Tier, slo: str) -> str:
    """A threshold of `tier` with its sign and unit."""
    value = getattr(tier, slo)
    if slo == "streams":
        return f"{value:,}"
    sign = ">=" if slo.endswith("_min") else "<="
    return f"{sign} {per_cent(value) if isinstance(value, Fraction) else f'{value:g} s'}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
