"""What is known of a product's series: `presets/*.yaml`, data that `chaos drill init` writes from.

A preset says how the product is recognised, how its series become Muster's signals, what it must be
set to, and where its names come from. In a selector `$NAME` stands for what a choice selects, or
for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from muster import home
from muster.documents import Document, parse, read_yaml
from muster.errors import BadInput, one_of, together
from muster.targets.declared import DECLARABLE
from muster.targets.signal_check import mapping_problems
from muster.targets.signals import SIGNALS_OPTIONAL, SIGNALS_SERVER, MappedSignal

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
Metric = Annotated[str, Field(pattern=f"^{NAME}$")]
_CHOICE = re.compile(r"\$([a-z_]+)")
_BY_PATTERN = re.compile(r'__name__=~"([^"]+)"')
_GROUP = re.compile(r"\(([a-z|]+)\)$")


class Recognised(Document):
    """By which series a product is known: any of the metrics, with or without a label."""

    any: Annotated[tuple[Metric, ...], Field(min_length=1)]
    with_label: str | None = None
    without_label: str | None = None


class Choice(Document):
    """A label of theirs by which one of several things is selected."""

    label: Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
    what: str = Field(description="what the value means, for the person who edits it")
    needed: bool = Field(default=True, description="false: without a value all is selected")
    prefer: str | None = Field(default=None, description="the value that is taken if it is shown")


class PresetSignal(Document):
    """How one signal is shown."""

    rank: Annotated[int, Field(ge=0)] = Field(
        description="of several products that show the signal the one of the lowest rank is taken"
    )
    how: MappedSignal


class Setting(Document):
    """What the product must be set to."""

    say: str
    unless: str | None = Field(
        default=None, description="the signal that shows that it is set so already"
    )


class Scrape(Document):
    """Where the product shows its series."""

    metrics_path: str
    port: Annotated[int, Field(ge=1, le=65535)]


class Preset(Document):
    """All that is known of one product."""

    schema_version: Literal[1]
    product: str
    seen: str | None = Field(description="what its names were seen in; null: documentation alone")
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    recognised_by: Recognised
    choices: dict[str, Choice] = Field(default={})
    signals: Annotated[dict[str, PresetSignal], Field(min_length=1)]
    lacks: dict[str, str] = Field(description="signal: why the product has no such thing")
    prefixes: tuple[str, ...] = Field(
        description="how names of its metrics, and of no other's, begin"
    )
    edges: str = Field(description="what adds an edge to its histograms, or that nothing does")
    settings: tuple[Setting, ...] = Field(description="what else it must be set to, a line each")
    scrape: Scrape

    @model_validator(mode="after")
    def _known_choices(self) -> Preset:
        for name, signal in self.signals.items():
            for selector in signal.how.selectors:
                for choice in _CHOICE.findall(selector):
                    if choice not in self.choices:
                        raise ValueError(f"choices.{choice}, which signals.{name} names")
        return self

    @property
    def metrics(self) -> frozenset[str]:
        """Every metric that it looks for."""
        selectors = [one for signal in self.signals.values() for one in signal.how.selectors]
        found = {name for selector in selectors for name in metrics_of(selector)}
        return frozenset(found | set(self.recognised_by.any))


def load_presets(folder: Path | None = None) -> tuple[Preset, ...]:
    """Every preset in `folder` (the project's own), by product. Raises BadInput, a line each."""
    where = home.root() / "presets" if folder is None else folder
    files = sorted(where.glob("*.yaml"))
    if not files:
        raise BadInput(where, "", "nothing", "a directory of presets (NAME.yaml)")
    found: list[Preset] = []
    wrong: list[BadInput] = []
    for file in files:
        try:
            one = parse(Preset, read_yaml(file), file, every=True)
        except BadInput as error:
            wrong += error.each
            continue
        wrong += _misfits(one, file)
        found.append(one)
    if bad := together(wrong):
        raise bad
    return tuple(sorted(found, key=lambda one: one.product))


def edges_setting(metrics: Iterable[str], presets: Iterable[Preset]) -> str:
    """What adds an edge to a histogram of those `metrics`; empty: of no product that is known."""
    names = list(metrics)
    for one in presets:
        if any(name.startswith(prefix) for name in names for prefix in one.prefixes):
            return one.edges
    return ""


def _misfits(preset: Preset, file: Path) -> Iterator[BadInput]:
    known = (*SIGNALS_SERVER, *SIGNALS_OPTIONAL)
    for name in preset.signals:
        if name not in known:
            yield BadInput(file, f"signals.{name}", name, one_of(name, known))
    for name in preset.lacks:
        if name not in DECLARABLE or name in preset.signals:
            wanted = f"one of {', '.join(DECLARABLE)} that signals does not name"
            yield BadInput(file, f"lacks.{name}", name, wanted)
    yield from mapping_problems({k: v.how for k, v in preset.signals.items()}, (), file)


def metrics_of(selector: str) -> tuple[str, ...]:
    """The metrics that a preset's selector means, by its name or the pattern of names."""
    pattern = _BY_PATTERN.search(selector)
    if pattern is None:
        match = re.match(NAME, selector)
        return () if match is None else (match.group(0),)
    text = pattern.group(1)
    group = _GROUP.search(text)
    if group is None:
        return (text,)
    return tuple(text[: group.start()] + end for end in group.group(1).split("|"))


def chosen(how: MappedSignal, matchers: Mapping[str, str]) -> MappedSignal:
    """`how` with each `$NAME` in its selectors replaced by a label matcher, or by nothing."""

    def filled(selectors: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_filled(selector, matchers) for selector in selectors)

    parts = {key: filled(getattr(how, key)) for key in ("select", "plus", "minus")}
    return how.model_copy(update=parts)


def _filled(selector: str, matchers: Mapping[str, str]) -> str:
    """One selector, without the commas and braces that nothing stands in."""
    name, brace, rest = selector.partition("{")
    written = rest.removesuffix("}").split(",")
    parts = [matchers.get(one[1:], "") if _CHOICE.fullmatch(one) else one for one in written]
    inner = ",".join(part for part in parts if part)
    return f"{name}{{{inner}}}" if brace and inner else name
