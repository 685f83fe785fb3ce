"""The last lines of a drill on the console: verdict, causes, whether everything is back, report.

Pure. At most three causes, the gravest first: the report has them all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from muster.drill.undo.restore import recover_command
from muster.judge.verdict import Verdict

CAUSES_MAX = 3
LEVELS = {"PASS": logging.INFO, "ABORTED": logging.WARNING, "INCONCLUSIVE": logging.WARNING}
Line = tuple[int, str]
"""The level of `logging` that gives a line its colour, and its text."""


def closing(
    verdict: Verdict, events: Sequence[Mapping[str, Any]], target_file: str, report: Path
) -> list[Line]:
    """The lines. `events`: the drill's ledger."""
    by = f" ({verdict.stopped_by})" if verdict.stopped_by else ""
    found: list[Line] = [
        (LEVELS.get(verdict.verdict, logging.ERROR), f"verdict: {verdict.verdict}{by}"),
        (logging.INFO, str(verdict.document.get("judged_by") or "")),
    ]
    causes = _causes(verdict, events)
    found += [(logging.WARNING, f"cause: {one}") for one in causes[:CAUSES_MAX]]
    if (more := len(causes) - CAUSES_MAX) > 0:
        found.append((logging.WARNING, f"and {more} more in the report"))
    found.append(_back(verdict, events, target_file))
    found.append((logging.INFO, f"report: {report}"))
    return [(level, text) for level, text in found if text]


def _causes(verdict: Verdict, events: Sequence[Mapping[str, Any]]) -> list[str]:
    stopped = next((one for one in events if one.get("event") == "stopped"), None)
    found = [] if stopped is None else [f"stopped by {stopped.get('by')}: {stopped.get('detail')}"]
    found += [one.line() for one in verdict.findings if one.status == "fail"]
    found += [str(one) for one in verdict.document.get("unknowns") or ()]
    return list(dict.fromkeys(found))


def _back(verdict: Verdict, events: Sequence[Mapping[str, Any]], target_file: str) -> Line:
    """Whether everything is back, read from the real systems, and since when."""
    undo = verdict.document.get("undo") or {}
    pending = [str(one) for one in undo.get("pending") or ()]
    verify = next((one for one in reversed(events) if one.get("event") == "verify"), None)
    if pending or (verify is not None and verify.get("verified") is not True):
        commands = [str(one) for one in undo.get("commands") or ()]
        run = "; ".join(commands or [recover_command(target_file)])
        return logging.ERROR, f"NOT BACK: {', '.join(pending) or 'see the report'}; run: {run}"
    if verify is None:
        return logging.INFO, "nothing was changed"
    at = datetime.fromtimestamp(float(verify["t"]), UTC)
    took_s = (verdict.document.get("timings_s") or {}).get("trip_to_restored_s")
    after = "" if took_s is None else f", {float(took_s):.1f} s after the trip"
    back = f"everything is back, read back at {at:%H:%M:%S} UTC{after}"
    if left := [str(one) for one in undo.get("changed_by_another") or ()]:
        return logging.WARNING, f"{back}; left as somebody else changed it: {'; '.join(left)}"
    return logging.INFO, back
