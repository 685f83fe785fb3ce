"""Whether the platform's histograms have the edges that the contract's thresholds need.

Where they lack one, the line names the platform's own setting that adds it, as its preset says.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from math import isfinite

from muster.contract.model import Contract, Tier
from muster.drill.sight.looking import Looking
from muster.drill.sight.shown import looked_at
from muster.errors import BadInput
from muster.samples.histograms import edge_of, wrong_unit
from muster.targets.presets import edges_setting, load_presets

logger = logging.getLogger("chaostoolkit")
NATIVE = (
    "(of a native histogram Prometheus keeps buckets with always_scrape_classic_histograms: true)"
)


def edges_wrong(session: Looking) -> list[str]:
    """What lacks, a line for each histogram; an edge that only lacks exactness is a warning."""
    return [
        wrong
        for signal in ("first_token", "completion")
        if signal in session.target.signals and (wrong := next(_wrong(session, signal), ""))
    ]


def _wrong(session: Looking, signal: str) -> Iterator[str]:
    exact = thresholds_of(session.plan.contract, signal)
    how, reading = session.target.signals[signal], looked_at(session, signal)
    if reading.refused:
        yield f"{signal}: {reading.refused}"
        return
    edges = {le: edge_of(le) for one in reading.series if (le := one.labels.get("le")) is not None}
    odd = sorted(le for le, edge in edges.items() if edge is None)
    if odd:
        yield f'{signal}: {how} has le="{odd[0]}", which is not a number'
    finite = sorted(edge for edge in edges.values() if edge is not None and isfinite(edge))
    if not finite:
        yield f"{signal}: {how} shows no histogram {NATIVE}"
        return
    if wrong := wrong_unit(finite[-1]):
        yield f"{signal}: {wrong}"
    setting = setting_of(reading.names)
    if finite[-1] <= max(exact):
        yield (
            f"{signal}: top finite edge {finite[-1]:g} s is not above {max(exact):g} s: "
            f"a p95 over the threshold could never be seen{setting}"
        )
    if missing := sorted(exact - set(finite)):
        named = ", ".join(f"{edge:g}" for edge in missing)
        logger.warning(
            "preflight: %s has no edge at %s s: brackets decide%s", signal, named, setting
        )


def thresholds_of(contract: Contract, signal: str) -> set[float]:
    """The thresholds of every tier for a histogram, in seconds."""
    tiers: Sequence[Tier] = list(contract.tiers.values())
    return {float(getattr(tier, f"{signal}_p95_s_max")) for tier in tiers}


def setting_of(names: frozenset[str]) -> str:
    """`. PRODUCT: set …` for metrics of a product that a preset knows; empty: of none."""
    try:
        said = edges_setting(names, load_presets())
    except BadInput:
        return ""  # a checkout without presets, or with a wrong one: the line is no worse for it
    return f". {said}" if said else ""
