"""A check of the doctor, what it saw, and what that means for a drill.

- `refused`: a drill would not start, or would end without a verdict that helps.
- `unknown`: nobody could look, or not in time. That is never taken for well.
- `warning`: a drill would start; a person should know it before.
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
"""A line of a check's table: text by column; every row of a check has the same columns."""


@dataclass(frozen=True)
class Seen:
    """What one check saw: `rows` of its table, and what it means, a line each."""

    rows: tuple[Row, ...] = ()
    refused: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def lines(self) -> list[tuple[Level, str]]:
        """Every line with its level, the worst level first."""
        groups = zip(LEVELS, (self.refused, self.unknown, self.warnings), strict=True)
        return [(level, text) for level, texts in groups for text in texts]


@dataclass(frozen=True)
class Check:
    """One check. `title` heads its table; it is unknown after `seconds_max`.

    `may_be_accepted`: preflight does not refuse what it finds, so a person may.
    """

    name: str
    title: str
    look: Callable[[Examined], Seen]
    seconds_max: float
    may_be_accepted: bool = False


@dataclass(frozen=True)
class Finding:
    """One line that speaks against a drill. `accepted`: a person said that it does not."""

    check: str
    level: Level
    text: str
    accepted: bool = False


@dataclass(frozen=True)
class Table:
    """What a check looked at."""

    check: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Report:
    """All that was found. `checks`: the names of all that were made, with the seconds they took."""

    target: str
    target_class: str
    drill: str
    at_s: float
    took_s: float
    checks: Mapping[str, float]
    findings: tuple[Finding, ...]
    tables: tuple[Table, ...]

    def of(self, level: Level) -> list[Finding]:
        """The findings of a level that nobody accepted."""
        return [one for one in self.findings if one.level == level and not one.accepted]

    @property
    def ready(self) -> bool:
        """Whether a drill would start."""
        return not self.of("refused") and not self.of("unknown")

    @property
    def exit_code(self) -> int:
        """0 ready, 1 something stands in the way, 3 nothing does but something is unknown."""
        return 1 if self.of("refused") else 3 if self.of("unknown") else 0

    def as_json(self) -> dict[str, Any]:
        """For machines; without secrets."""
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
    """`text` on one line, without control characters and secrets, cut to a length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in redacted(text)).split())
    return line if len(line) <= length_max else line[: length_max - 1] + "…"


def each_line(text: str) -> tuple[str, ...]:
    """The lines of a text that may have several."""
    return tuple(line for line in text.splitlines() if line.strip())
