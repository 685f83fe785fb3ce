"""Tells the target's receivers how a drill ended, after its bundle is sealed.

Whichever process finishes the evidence does it: the drill, its watchdog, or `chaos drill recover`.
Nothing here raises, and nothing changes the verdict.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muster.documents import read_bytes
from muster.errors import MusterError
from muster.judge.findings import from_json
from muster.ledger import read_ledger
from muster.notify.deliver import deliver
from muster.notify.message import Message, Span, occasion_of
from muster.redact import redacted
from muster.reports.evidence import read_verdict
from muster.reports.history.kept import read_against
from muster.reports.numbers import epoch
from muster.reports.words import one_line
from muster.targets.notify import DRILL_ID, Notify
from muster.targets.parse import load_bytes

logger = logging.getLogger("chaostoolkit")
REASONS_MAX = 5


def tell(bundle: Path, receivers: Notify | None = None) -> None:
    """Tell `receivers`, or those that the bundle's own target names; log who was not told."""
    try:
        notify = _of_target(bundle) if receivers is None else receivers
        if notify is not None:
            for line in deliver(notify.to, message_of(bundle, notify), f"target of {bundle.name}"):
                logger.warning("notify: %s", line)
    except MusterError as error:
        logger.warning("notify: %s", error)
    except Exception as error:  # a notification is never worth a drill's end
        logger.warning("notify: %s", type(error).__name__)
        logger.debug("notify", exc_info=True)


def _of_target(bundle: Path) -> Notify | None:
    file = bundle / "target.yaml"
    return load_bytes(read_bytes(file), file).notify if file.is_file() else None


def message_of(bundle: Path, notify: Notify) -> Message:
    """How the drill in `bundle` ended. Raises MusterError if its verdict cannot be read."""
    verdict = read_verdict(bundle)
    against = read_against(bundle)
    regressions = against.regressions if against else ()
    name = one_line(verdict.get("verdict"), 40)
    url = notify.report_url
    return Message(
        drill_id=one_line(bundle.resolve().name, 120),
        drill=one_line(verdict.get("drill"), 80),
        target=one_line(verdict.get("target"), 80),
        verdict=name,
        occasion=occasion_of(
            name, against.verdict_before if against else "", regression=bool(regressions)
        ),
        evidence=one_line(verdict.get("evidence"), 40),
        started_s=epoch(verdict.get("started_at")),
        ended_s=epoch(verdict.get("ended_at")),
        reasons=tuple(_reasons(verdict)),
        regressions=tuple(row.line for row in regressions),
        last_passed=against.last_passed if against else "",
        report_url=url.replace(DRILL_ID, bundle.resolve().name) if url else "",
        phases=tuple(_phases(bundle)),
    )


def _reasons(verdict: Mapping[str, Any]) -> list[str]:
    """Why it is no PASS: what stopped it, what is not back, what failed, what is unknown."""
    undo = verdict.get("undo") or {}
    found = [f"stopped by {verdict['stopped_by']}"] if verdict.get("stopped_by") else []
    if undo.get("pending"):
        found.append(f"NOT BACK: {', '.join(map(str, undo['pending']))}; run chaos drill recover")
    findings = [from_json(one) for one in verdict.get("findings") or ()]
    for status in ("fail", "unknown"):
        found += [one.line() for one in findings if one.status == status]
    found += [str(line) for line in verdict.get("unknowns") or ()]
    left = len(found) - REASONS_MAX
    shown = [redacted(one_line(line, 300)) for line in found[:REASONS_MAX]]
    return [*shown, f"and {left} more"] if left > 0 else shown


def _phases(bundle: Path) -> list[Span]:
    """Every phase that began, to its end or to the end of the ledger."""
    events = read_ledger(bundle / "ledger.jsonl").events
    spans, begun = [], dict[str, float]()
    for event in events:
        name, at = one_line(event.get("phase"), 60), epoch(event.get("t"))
        if at is None:
            continue
        if event.get("event") == "phase_started":
            begun[name] = at
        elif event.get("event") == "phase_ended" and name in begun:
            spans.append(Span(name, begun.pop(name), at))
    last = epoch(events[-1].get("t")) if events else None
    spans += [Span(name, at, last) for name, at in begun.items() if last is not None]
    return sorted(spans, key=lambda span: span.start_s)
