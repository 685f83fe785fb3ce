"""What a pipeline shows beside a run: a line for the verdict and one for each miss. Pure.

In the form of workflow commands, which GitHub and Forgejo read from a job's output. A value's line
breaks and percent signs are escaped, because a line that begins with `::` is a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.judge.findings import from_json
from muster.reports.history.kept import Against
from muster.reports.words import one_line

FINDINGS_MAX = 8
"""GitHub shows ten annotations of a kind in a step."""


def annotations_of(verdict: Mapping[str, Any], against: Against | None) -> list[str]:
    """The lines, the verdict first; what is not known or fell behind is a warning."""
    name = one_line(verdict.get("verdict"), 40)
    where = f"{one_line(verdict.get('drill'), 80)} on {one_line(verdict.get('target'), 80)}"
    level = {"PASS": "notice", "INCONCLUSIVE": "warning"}.get(name, "error")
    stopped = one_line(verdict.get("stopped_by"), 120)
    found = [annotation(level, name, f"{where}{f', stopped by {stopped}' if stopped else ''}")]
    findings = [from_json(one) for one in verdict.get("findings") or ()]
    for status, kind in (("fail", "error"), ("unknown", "warning")):
        lines = [one.line() for one in findings if one.status == status]
        found += [annotation(kind, status, line) for line in lines[:FINDINGS_MAX]]
        if len(lines) > FINDINGS_MAX:
            found.append(annotation(kind, status, f"and {len(lines) - FINDINGS_MAX} more"))
    for row in against.regressions if against else ():
        found.append(annotation("warning", "fell behind the last drill that passed", row.line))
    return found


def annotation(level: str, title: str, text: str) -> str:
    """One line: `level` is notice, warning or error."""
    return f"::{level} title={_property(one_line(title))}::{_data(one_line(text, 500))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
