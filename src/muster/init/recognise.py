"""Which products are there, which of several things is meant, and what tells regions apart. Pure.

What nobody can know is not made up: it is marked, for a person to edit.
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
    """A choice made: the label matcher ("" for all), and what a person must know of it."""

    matcher: str
    note: str = ""
    to_edit: bool = False


@dataclass(frozen=True)
class Product:
    """A product that is there. `picked`: by the preset's choice."""

    preset: Preset
    picked: Mapping[str, Picked]

    @property
    def matchers(self) -> dict[str, str]:
        """By choice, what stands in the selectors."""
        return {name: one.matcher for name, one in self.picked.items()}


@dataclass(frozen=True)
class RegionLabel:
    """Which label of theirs names the region; `values`: their value by Muster's, where it differs.

    `label` is None where no label tells the regions apart.
    """

    label: str | None
    values: Mapping[str, str] | None = None
    shown: tuple[str, ...] = ()
    """What the label `region` shows instead, where it tells other regions."""


def products(presets: Sequence[Preset], seen: Seen, model: str) -> tuple[Product, ...]:
    """Every product that `seen` shows. `model`: what the load asks for."""
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
    """Which value of the choice's label is meant: the load's, never the canaries'."""
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
        return Picked("", f"no {choice.label} is shown: {choice.what}", to_edit=choice.needed)
    if len(others) == 1 and (choice.needed or canaries):
        return Picked(_is(choice.label, others[0]), choice.what)
    shown = ", ".join(others[:NAMED_MAX]) + (", …" if len(others) > NAMED_MAX else "")
    if choice.needed:
        note = f"{choice.what}: the one of the most requests of {shown}"
        return Picked(_is(choice.label, others[0]), note, to_edit=True)
    if canaries:
        left_out = "|".join(canaries)
        return Picked(f'{choice.label}!~"{left_out}"', choice.what)
    return Picked("", "" if len(others) == 1 else f"all of {shown}: {choice.what}")


def _is(label: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{label}="{quoted}"'


def region_label(series: Iterable[One], regions: Sequence[str]) -> RegionLabel:
    """The label whose values are the regions; else one whose values each hold one's name."""
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
    """The values of the label `region` of everything that is seen."""
    shown = {one.labels.get("region", "") for one in seen.of(seen.series)}
    return tuple(sorted(shown - {""}))


def one_process_a_region(product: Product, seen: Seen, label: str) -> bool:
    """Whether each region has one process of the product, by the label `instance`."""
    places: dict[str, set[str]] = {}
    for one in seen.of(product.preset.metrics):
        places.setdefault(one.labels.get(label, ""), set()).add(one.labels.get("instance", ""))
    return bool(places) and all(len(instances) == 1 for instances in places.values())
