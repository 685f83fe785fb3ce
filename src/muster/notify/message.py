"""What a notification says, and whether there is an occasion for one. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Occasion = Literal["not_passed", "passed_again", "regression", "passed"]
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Span:
    """A phase, in seconds since the epoch."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Message:
    """How one drill ended. `reasons` are whole lines, the most important first; `regressions` say
    what got worse since the drill `last_passed`. `report_url` is empty if none is published.
    """

    drill_id: str
    drill: str
    target: str
    verdict: str
    occasion: Occasion
    evidence: str
    started_s: float | None
    ended_s: float | None
    reasons: tuple[str, ...] = ()
    regressions: tuple[str, ...] = ()
    last_passed: str = ""
    report_url: str = ""
    phases: tuple[Span, ...] = ()

    @property
    def title(self) -> str:
        """One line: verdict, drill, target, and why it is told."""
        why = {"passed_again": ", again", "regression": ", but fell behind"}.get(self.occasion, "")
        return f"{self.verdict}{why}: {self.drill} on {self.target}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The text below the title."""
        worse = tuple(f"worse than {self.last_passed}: {one}" for one in self.regressions)
        report = (f"report: {self.report_url}",) if self.report_url else ()
        return (*self.reasons, *worse, f"drill {self.drill_id}, evidence: {self.evidence}", *report)

    def as_json(self) -> dict[str, Any]:
        """The body of a webhook."""
        return {"schema_version": SCHEMA_VERSION, "title": self.title, **asdict(self)}


def occasion_of(verdict: str, verdict_before: str, *, regression: bool) -> Occasion:
    """Why to tell of a drill. `verdict_before`: of the last drill of its kind, empty if none."""
    if verdict != "PASS":
        return "not_passed"
    if regression:
        return "regression"
    return "passed_again" if verdict_before not in ("", "PASS") else "passed"
