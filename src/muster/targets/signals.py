"""A target's signals: each a plain selector, or a mapping from the platform's own series.

A mapping says which series carry a signal, which of the platform's labels correspond to which of
Muster's, what values and units mean, and what tells processes apart. It holds selectors and no
other PromQL: values are computed from the samples (`muster.platform.metrics.mapping`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    WithJsonSchema,
)

from muster.documents import Document
from muster.targets.declared import NoSignal

SIGNALS_SERVER = (
    "requests",
    "first_token",
    "completion",
    "streams_active",
    "streams_limit",
    "queue_age",
    "circuit_open",
    "admission_failures",
)
"""Signals that every platform must provide; without one of them an SLO or trigger is unknown."""
SIGNALS_OPTIONAL = (
    "open_over",
    "streams_broken",
    "build_info",
    "region_ready",
    "gateway_health",
)
SIGNALS_DEFAULT = {"client_streams_short": "muster_load_streams_short_total"}
"""Signals of the load that a target may leave out, with their defaults."""
SIGNALS_CLIENT = (
    "client_attempts",
    "client_answers",
    "client_first_token",
    "client_completion",
    "client_open_over",
    "client_canaries",
    "client_streams",
    "client_streams_target",
    "client_scheduled",
    "client_offered",
    "client_late",
    "client_connections",
    "client_dns_answers",
    "rig_lag",
)
"""Signals of Muster's own load. Muster defines their names, so targets rarely change them.

Without `rig_lag` the load's own lateness would be unknown, and so would every verdict.
"""
SIGNALS_NEEDED = (*SIGNALS_SERVER, *SIGNALS_CLIENT, *SIGNALS_DEFAULT)
SIGNALS_KNOWN = (*SIGNALS_SERVER, *SIGNALS_OPTIONAL, *SIGNALS_CLIENT, *SIGNALS_DEFAULT)
OWN_SIGNAL = r"^x_[a-z0-9_]{1,60}$"
"""Prefix of a target's own signals: they are recorded in the evidence and not judged."""

LABELS_ALWAYS = frozenset({"region", "instance"})
LABELS: dict[str, frozenset[str]] = {
    "requests": frozenset({"region", "instance", "code"}),
    "circuit_open": frozenset({"region", "instance", "route"}),
    "admission_failures": frozenset({"region", "instance", "reason"}),
    "build_info": frozenset({"region", "instance", "version"}),
    "open_over": frozenset({"region", "instance", "phase", "le"}),
}
"""The labels that a mapping may fill, by signal; for any other signal: region and instance."""
LABEL_NAMES: list[JsonValue] = [*sorted(LABELS_ALWAYS.union(*LABELS.values()))]
HISTOGRAMS = frozenset({"first_token", "completion"})
TIMED = HISTOGRAMS | {"queue_age", "open_over"}
"""Signals in seconds: only these can have a unit."""
STATES = frozenset({"circuit_open", "region_ready", "gateway_health"})
"""Gauges of a state: only for these can values be mapped."""
SUMMED = frozenset({"streams_active", "streams_limit", "queue_age"})
"""Gauges that may be computed with `plus` and `minus`."""
STATED = frozenset({"streams_limit"})
"""Signals that are a setting, so a constant may state them."""

Unit = Literal["s", "ms", "us", "ns", "min"]
SECONDS: dict[str, Decimal] = {
    "s": Decimal(1),
    "ms": Decimal("1e-3"),
    "us": Decimal("1e-6"),
    "ns": Decimal("1e-9"),
    "min": Decimal(60),
}
"""Seconds in each unit, exact."""


def _selector(value: str) -> str:
    if not value.strip():
        raise ValueError("a PromQL selector")
    return value


def _several(value: object) -> object:
    """A single selector is a list with one element."""
    return (value,) if isinstance(value, str) else value


def _text(value: object) -> object:
    """`values: {0: 1}` means texts, because a label's value is never a number."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Selector = Annotated[str, AfterValidator(_selector), Field(json_schema_extra={"pattern": "\\S"})]
Selectors = Annotated[
    tuple[Selector, ...],
    BeforeValidator(_several),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": "\\S"},
                {"type": "array", "items": {"type": "string", "pattern": "\\S"}},
            ]
        }
    ),
]
Text = Annotated[str, BeforeValidator(_text)]
TheirLabel = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
Number = Annotated[float, Field(allow_inf_nan=False)]


class TakenLabel(Document):
    """One of the platform's labels, and the meaning of its values."""

    from_: TheirLabel = Field(
        alias="from", description="the platform's label; __name__: the metric's name"
    )
    values: dict[Text, Text] | None = Field(
        default=None, description="platform's value: Muster's value; null: unchanged"
    )
    others: Literal["refuse", "keep"] = Field(
        default="refuse",
        description="for a value that is not in `values`: refuse it (the signal is unknown), or "
        "keep it unchanged",
    )


class ConstantLabel(Document):
    """The same value for every series."""

    constant: Text


def _kind_of_label(value: Any) -> str:
    if isinstance(value, str | TakenLabel):
        return "their" if isinstance(value, str) else "taken"
    constant = isinstance(value, ConstantLabel) or (isinstance(value, dict) and "constant" in value)
    return "constant" if constant else "taken"


Label = Annotated[
    Annotated[TheirLabel, Tag("their")]
    | Annotated[TakenLabel, Tag("taken")]
    | Annotated[ConstantLabel, Tag("constant")],
    Discriminator(_kind_of_label),
]


class MappedSignal(Document):
    """How series of the platform become one of Muster's signals."""

    select: Selectors = Field(
        default=(), description="PromQL selectors, one or several: the series that carry the signal"
    )
    labels: dict[str, Label] = Field(
        default={},
        json_schema_extra={"propertyNames": {"enum": LABEL_NAMES}},
        description="Muster's label: the platform's label, {from, values, others}, or {constant}",
    )
    owner: tuple[TheirLabel, ...] = Field(
        default=(),
        description="platform labels whose values together identify one process; empty: the "
        "label instance",
    )
    drop: tuple[TheirLabel, ...] | Literal["rest"] = Field(
        default=(),
        description="platform labels to drop: series that differ only in them are added up "
        "within a process; rest: all labels that are not named here",
    )
    unit: Unit = Field(default="s", description="unit of values and bucket edges")
    values: dict[Number, Number] | None = Field(
        default=None,
        description="platform's value of a state: Muster's value; any other value is unknown",
    )
    value: Number | dict[str, Number] | None = Field(
        default=None,
        description="a constant for each process that `select` returns, or one for each region; "
        "only for a setting",
    )
    plus: Selectors = Field(
        default=(), description="gauges of the same process that are added, scrape by scrape"
    )
    minus: Selectors = Field(
        default=(), description="gauges of the same process that are subtracted, scrape by scrape"
    )

    @property
    def selectors(self) -> tuple[str, ...]:
        """Every selector that must be queried."""
        return (*self.select, *self.plus, *self.minus)

    def __str__(self) -> str:
        parts = [" and ".join(self.select)]
        parts += [f"plus {one}" for one in self.plus] + [f"minus {one}" for one in self.minus]
        return " ".join(parts)


def _kind_of_signal(value: Any) -> str:
    return "mapped" if isinstance(value, dict | MappedSignal) else "plain"


Signal = Annotated[
    Annotated[Selector, Tag("plain")] | Annotated[MappedSignal, Tag("mapped")],
    Discriminator(_kind_of_signal),
]
"""A plain selector of series that carry Muster's own labels, or a mapping."""


def _kind_of_said(value: Any) -> str:
    if isinstance(value, NoSignal) or (isinstance(value, dict) and "none" in value):
        return "none"
    return _kind_of_signal(value)


SaidSignal = Annotated[
    Annotated[Selector, Tag("plain")]
    | Annotated[MappedSignal, Tag("mapped")]
    | Annotated[NoSignal, Tag("none")],
    Discriminator(_kind_of_said),
]
"""How a signal is read, or that the platform does not have it."""


def with_default_signals(signals: dict[str, SaidSignal]) -> dict[str, SaidSignal]:
    """`signals` with the defaults of those that a target may leave out."""
    return {**SIGNALS_DEFAULT, **signals}


def labels_of(signal: str) -> frozenset[str]:
    """The labels that a mapping of `signal` may fill."""
    if signal in SIGNALS_CLIENT or signal in SIGNALS_DEFAULT:
        return LABELS_ALWAYS
    return LABELS.get(signal, LABELS_ALWAYS)
