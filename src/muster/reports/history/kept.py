"""How a drill stands to the last one of its kind that passed, as a file of its own bundle.

Written once, when the drill ends and before its bundle is sealed, so that report and notification
say the same for as long as the bundle exists, whatever happens to the other one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from muster.reports.words import clean

FILE = "comparison.json"
SCHEMA_VERSION = 1
Mark = Literal["worse", "better", "same", "unknown", "absent"]


@dataclass(frozen=True)
class Row:
    """One compared thing, as text. `note` says what a test of its samples gave."""

    title: str
    before: str
    after: str
    change: str
    mark: Mark
    note: str = ""

    @property
    def line(self) -> str:
        """The row as one line of text."""
        return f"{self.title}: {self.before}, now {self.after}"


@dataclass(frozen=True)
class Against:
    """`last_passed`: the drill compared with; empty if none of this kind passed. `before`,
    `verdict_before`: the last drill of this kind at all. `rows`: everything that was compared.
    """

    last_passed: str
    before: str
    verdict_before: str
    rows: tuple[Row, ...] = ()

    @property
    def regressions(self) -> tuple[Row, ...]:
        """What got worse."""
        return tuple(row for row in self.rows if row.mark == "worse")

    @property
    def changes(self) -> tuple[Row, ...]:
        """What is not the same, the regressions first."""
        order: tuple[Mark, ...] = ("worse", "better", "unknown")
        changed = [row for row in self.rows if row.mark in order]
        return tuple(sorted(changed, key=lambda row: order.index(row.mark)))


def read_against(bundle: Path) -> Against | None:
    """What the drill's end wrote into `bundle`; None if nothing there can be read."""
    try:
        told = json.loads((bundle / FILE).read_bytes())
        if told["schema_version"] != SCHEMA_VERSION:
            return None
        return Against(
            last_passed=clean(told["last_passed"], 120),
            before=clean(told["before"], 120),
            verdict_before=clean(told["verdict_before"], 40),
            rows=tuple(_row(one) for one in told["rows"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _row(told: Any) -> Row:
    """One row; raises KeyError or ValueError if it is none."""
    mark: Mark = told["mark"]
    if mark not in get_args(Mark):
        raise ValueError(f"mark: {mark!r}")
    text = {one.name: clean(told[one.name], 300) for one in fields(Row) if one.name != "mark"}
    return Row(**text, mark=mark)
