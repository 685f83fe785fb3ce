"""Recognises products, selects clusters, keys or models, and finds the label of the region. Pure.

A value that cannot be derived is not guessed silently: it is marked for manual editing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from muster.init.look import One, Seen
from muster.samples.doubled import REPLICA_LABELS
from muster.targets.presets import Choice, Preset

CANARY = "canar"
NOBODY = ("", "None")
NAMED_MAX = 6


@dataclass(frozen=True)
class Picked:
    """A selected value as a label matcher ("" selects all), with a note for the operator."""

    matcher: str
    note: str = ""
    to_edit: bool = False


@dataclass(frozen=True)
class Product:
    """A product with series in Prometheus. `picked`: the selection by choice."""

    preset: Preset
    picked: Mapping[str, Picked]

    @property
    def matchers(self) -> dict[str, str]:
        """The label matcher of each choice."""
        return {name: one.matcher for name, one in self.picked.items()}


@dataclass(frozen=True)
class RegionLabel:
    """The platform's label of the region. `values`: region by label value, where the two differ.

    `label` is None if no label identifies the regions.
    """

    label: str | None
    values: Mapping[str, str] | None = None
    shown: tuple[str, ...] = ()
    """The values of the label `region`, if they are not the target's regions."""


def products(presets: Sequence[Preset], seen: Seen, model: str) -> tuple[Product, ...]:
    """The products with series in `seen`. `model`: the model that the load requests."""
    return tuple(
        Product(one, {name: pick(choice, one, seen, model) for name, choice in one.choices.items()})
        for one in presets
        if _is_there(one, seen)
    )


def _is_there(preset: Preset, seen: Seen) -> bool:
    by = preset.recognised_by
    if not any(seen.counts.get(name) for name in by.any):
        return False
    labels = {label for one in seen.of(by.any) for label, text in one.labels.items() if text}
    with_it = by.with_label is None or by.with_label in labels
    return with_it and (by.without_label is None or by.without_label not in labels)


def pick(choice: Choice, preset: Preset, seen: Seen, model: str) -> Picked:
    """Select the value of the choice's label for the load; never the one of the canaries."""
    requests: dict[str, float] = {}
    counted = preset.signals.get("requests")
    for metric in sorted(preset.metrics):
        for one in seen.of([metric]):
            value = one.labels.get(choice.label, "")
            if value not in NOBODY:
                of_requests = counted is not None and metric in counted.how.select[0]
                requests[value] = requests.get(value, 0.0) + (of_requests * (one.value or 0.0))
    canaries = sorted(value for value in requests if CANARY in value.lower())
    others = sorted(set(requests) - set(canaries), key=lambda value: (-requests[value], value))
    for wanted in (choice.prefer, model):
        if wanted in others:
            return Picked(_is(choice.label, wanted), f"{choice.what}")
    if not others:
        return Picked(
            "", f"no value of {choice.label} was found: {choice.what}", to_edit=choice.needed
        )
    if len(others) == 1 and (choice.needed or canaries):
        return Picked(_is(choice.label, others[0]), choice.what)
    shown = ", ".join(others[:NAMED_MAX]) + (", …" if len(others) > NAMED_MAX else "")
    if choice.needed:
        note = f"{choice.what}: the one with the most requests of {shown}"
        return Picked(_is(choice.label, others[0]), note, to_edit=True)
    if canaries:
        left_out = "|".join(canaries)
        return Picked(f'{choice.label}!~"{left_out}"', choice.what)
    return Picked("", "" if len(others) == 1 else f"all of {shown}: {choice.what}")


def _is(label: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{label}="{quoted}"'


def region_label(series: Iterable[One], regions: Sequence[str]) -> RegionLabel:
    """The label whose values are the regions, or else each contain the name of one region."""
    values: dict[str, set[str]] = {}
    for one in series:
        for label, text in one.labels.items():
            values.setdefault(label, set()).add(text)
    wanted = set(regions)
    by_name = sorted(values, key=lambda label: (label != "region", label))
    for label in by_name:
        if label not in REPLICA_LABELS and wanted <= values[label]:
            return RegionLabel(label)
    for label in by_name:
        if label in REPLICA_LABELS or label in ("instance", "le"):
            continue
        meant = {text: [one for one in regions if one in text] for text in values[label]}
        if all(len(found) == 1 for found in meant.values()):
            named = {text: found[0] for text, found in sorted(meant.items())}
            if set(named.values()) == wanted and len(named) == len(wanted):
                return RegionLabel(label, named)
    return RegionLabel(None, shown=tuple(sorted(values.get("region", ()))))


def regions_shown(seen: Seen) -> tuple[str, ...]:
    """All values of the label `region`."""
    shown = {one.labels.get("region", "") for one in seen.of(seen.series)}
    return tuple(sorted(shown - {""}))


def one_process_a_region(product: Product, seen: Seen, label: str) -> bool:
    """Whether each region has exactly one process of the product (label `instance`)."""
    places: dict[str, set[str]] = {}
    for one in seen.of(product.preset.metrics):
        places.setdefault(one.labels.get(label, ""), set()).add(one.labels.get("instance", ""))
    return bool(places) and all(len(instances) == 1 for instances in places.values())
