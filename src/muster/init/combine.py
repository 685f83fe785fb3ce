"""Selects the product that each signal is read from, and its mapping. Pure.

If several products export a signal, the one with the lowest rank is used. If requests and latencies
come from different products with one process of each in every region, the region is the `owner`:
the processes of a region then count as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from muster.init.look import Seen
from muster.init.recognise import Product, RegionLabel, one_process_a_region, region_label
from muster.platform.metrics.translate import seconds_of
from muster.targets.declared import DECLARABLE
from muster.targets.presets import PresetSignal, chosen, metrics_of
from muster.targets.signals import HISTOGRAMS, SIGNALS_SERVER, MappedSignal

LATENCIES = ("first_token", "completion")
REASON_MAX = 300


@dataclass(frozen=True)
class Shown:
    """A signal that a product exports. `notes` are comments, `edits` are manual changes."""

    product: str
    how: MappedSignal
    notes: tuple[str, ...] = ()
    edits: tuple[str, ...] = ()
    regions_unknown: bool = False


@dataclass(frozen=True)
class Combined:
    """Signals by name: exported, declared none (with the reason), and not found."""

    shown: Mapping[str, Shown]
    declared: Mapping[str, str]
    missing: tuple[str, ...]


def combine(there: Sequence[Product], seen: Seen, regions: Sequence[str]) -> Combined:
    """Find every required signal among the products `there`."""
    taken: dict[str, tuple[Product, PresetSignal]] = {}
    others: dict[str, list[str]] = {}
    for signal in SIGNALS_SERVER:
        ranked = sorted(
            (one.preset.signals[signal].rank, one.preset.product, index)
            for index, one in enumerate(there)
            if signal in one.preset.signals and _is_shown(one.preset.signals[signal], seen)
        )
        if ranked:
            first = there[ranked[0][2]]
            taken[signal] = first, first.preset.signals[signal]
            others[signal] = [name for _, name, _ in ranked[1:]]
    owner = _owner(taken, seen, regions)
    shown = {
        signal: _shown(product, said, seen, regions, owner, others[signal])
        for signal, (product, said) in taken.items()
    }
    declared: dict[str, str] = {}
    missing: list[str] = []
    for signal in SIGNALS_SERVER:
        if signal in shown:
            continue
        why = [one.preset.lacks[signal] for one in there if signal in one.preset.lacks]
        if why and signal in DECLARABLE:
            declared[signal] = "; ".join(why)[:REASON_MAX]
        else:
            missing.append(signal)
    return Combined(shown, declared, tuple(missing))


def _is_shown(said: PresetSignal, seen: Seen) -> bool:
    """Whether Prometheus has every selector of the signal: a sum needs all of its terms."""
    return all(any(seen.counts.get(name) for name in metrics_of(one)) for one in said.how.selectors)


def _owner(
    taken: Mapping[str, tuple[Product, PresetSignal]], seen: Seen, regions: Sequence[str]
) -> str | None:
    """The region label if it is the owner of counters; None if `instance` identifies processes."""
    by_product = {one.preset.product: one for one, _ in taken.values()}
    counted = taken.get("requests")
    timed = {taken[name][0].preset.product for name in LATENCIES if name in taken}
    if counted is None or timed <= {counted[0].preset.product}:
        return None
    labels = {
        region_label(seen.of(one.preset.metrics), regions).label for one in by_product.values()
    }
    if len(labels) != 1 or (label := labels.pop()) is None:
        return None
    if all(one_process_a_region(one, seen, label) for one in by_product.values()):
        return label
    return None


def _shown(
    product: Product,
    said: PresetSignal,
    seen: Seen,
    regions: Sequence[str],
    owner: str | None,
    others: Sequence[str],
) -> Shown:
    metrics = {name for one in said.how.selectors for name in metrics_of(one)}
    told = region_label(seen.of(sorted(metrics)), regions)
    how = chosen(said.how, product.matchers)
    how = _named(how, told)
    if owner is not None:
        how = how.model_copy(update={"owner": (owner,)})
    raw = said.how.selectors
    used = [one for name, one in product.picked.items() if any(f"${name}" in s for s in raw)]
    notes = [f"{one.note}" for one in used if one.note and not one.to_edit]
    if others:
        notes.append(f"also exported by {', '.join(others)}")
    edits = [one.note for one in used if one.to_edit]
    if told.label is None:
        instead = (
            f" (the label region has the values {', '.join(told.shown)})" if told.shown else ""
        )
        edits.append(f"no label identifies the regions {', '.join(regions)}{instead}")
    return Shown(product.preset.product, how, tuple(notes), tuple(edits), told.label is None)


def _named(how: MappedSignal, told: RegionLabel) -> MappedSignal:
    """`how` with a mapping of the region label, if the platform's label has another name."""
    if told.label in (None, "region"):
        return how
    by = told.label if told.values is None else {"from": told.label, "values": dict(told.values)}
    labels = {**how.model_dump(by_alias=True, exclude_unset=True).get("labels", {}), "region": by}
    data = {**how.model_dump(by_alias=True, exclude_unset=True), "labels": labels}
    return MappedSignal.model_validate(data)


def edges_lacking(
    shown: Mapping[str, Shown], seen: Seen, wanted: Mapping[str, Sequence[float]]
) -> dict[str, tuple[float, ...]]:
    """Thresholds, in seconds, that are no bucket edge of the histogram at present, by signal."""
    found = {}
    for signal in sorted(HISTOGRAMS & set(shown)):
        how = shown[signal].how
        metrics = [name for one in how.select for name in metrics_of(one)]
        shows = (one.labels.get("le") for one in seen.of(metrics))
        edges = {_edge_s(le, how.unit) for le in shows if le}
        lacking = tuple(edge for edge in wanted[signal] if edge not in edges)
        if edges and lacking:
            found[signal] = lacking
    return found


def _edge_s(le: str, unit: str) -> float | None:
    try:
        return seconds_of(float(le), unit) if le != "+Inf" else None
    except ValueError:
        return None
