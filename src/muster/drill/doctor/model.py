"""A check of the doctor, its result, and the report of all checks.

- `refused`: a drill would not start, or its verdict would be of no use.
- `unknown`: the check failed or did not end in time. This never counts as ready.
- `warning`: a drill would start, but an operator should read this first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from muster.redact import redacted, redacted_data

if TYPE_CHECKING:
    from muster.drill.doctor.examined import Examined

Level = Literal["refused", "unknown", "warning"]
LEVELS: tuple[Level, ...] = ("refused", "unknown", "warning")
Row = Mapping[str, str]
"""A row of a check's table: text by column name. All rows of a check have the same columns."""


@dataclass(frozen=True)
class Seen:
    """The result of one check: the rows of its table, and its findings by level, one a line."""

    rows: tuple[Row, ...] = ()
    refused: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def lines(self) -> list[tuple[Level, str]]:
        """Every finding with its level, the worst level first."""
        groups = zip(LEVELS, (self.refused, self.unknown, self.warnings), strict=True)
        return [(level, text) for level, texts in groups for text in texts]


@dataclass(frozen=True)
class Check:
    """One check. `title` is the heading of its table; after `seconds_max` its result is unknown.

    `may_be_accepted`: preflight does not make this check, so an operator may accept its findings.
    """

    name: str
    title: str
    look: Callable[[Examined], Seen]
    seconds_max: float
    may_be_accepted: bool = False


@dataclass(frozen=True)
class Finding:
    """One reason not to start a drill. `accepted`: the operator accepted it (`--accept`)."""

    check: str
    level: Level
    text: str
    accepted: bool = False


@dataclass(frozen=True)
class Table:
    """The values that a check read."""

    check: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Report:
    """The results of all checks. `checks`: seconds that each check took, by its name."""

    target: str
    target_class: str
    drill: str
    at_s: float
    took_s: float
    checks: Mapping[str, float]
    findings: tuple[Finding, ...]
    tables: tuple[Table, ...]

    def of(self, level: Level) -> list[Finding]:
        """The findings of a level that were not accepted."""
        return [one for one in self.findings if one.level == level and not one.accepted]

    @property
    def ready(self) -> bool:
        """Whether a drill would start."""
        return not self.of("refused") and not self.of("unknown")

    @property
    def exit_code(self) -> int:
        """0 ready, 1 a finding is `refused`, 3 no finding is `refused` but one is `unknown`."""
        return 1 if self.of("refused") else 3 if self.of("unknown") else 0

    def as_json(self) -> dict[str, Any]:
        """The report as a JSON document, without secrets."""
        document: dict[str, Any] = {
            "schema_version": 1,
            "target": self.target,
            "target_class": self.target_class,
            "drill": self.drill,
            "ready": self.ready,
            "exit_code": self.exit_code,
            "at_s": round(self.at_s, 3),
            "took_s": round(self.took_s, 3),
            "checks": {name: round(took_s, 3) for name, took_s in self.checks.items()},
            "findings": [asdict(one) for one in self.findings],
            "looked_at": {one.check: [dict(row) for row in one.rows] for one in self.tables},
        }
        clean: dict[str, Any] = redacted_data(document)
        return clean


def plain(text: str, length_max: int = 400) -> str:
    """`text` on one line, without control characters and secrets, at most `length_max` long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in redacted(text)).split())
    return line if len(line) <= length_max else line[: length_max - 1] + "…"


def each_line(text: str) -> tuple[str, ...]:
    """The lines of `text` that are not blank."""
    return tuple(line for line in text.splitlines() if line.strip())
