"""The report of a game day, from its `day.json` alone: HTML, Markdown and JUnit. No script.

The page says what each drill was and how it came out, what was checked after it, and what was left
undone; all else is in the drills' own reports, to which it links.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from muster.errors import BadInput
from muster.reports import replace_file
from muster.reports.numbers import NO_DATA, number, seconds, utc
from muster.reports.render import TONES, environment, md, md_code, styled
from muster.reports.words import one_line, plural

DOCUMENT = "day.json"
SCHEMA_VERSION = 1
SIGNS = {"pass": "✓", "fail": "✗", "unknown": "?", "stopped": "■", "alarm": "⚠"}
ICONS = {"PASS": "✅", "INCONCLUSIVE": "❔", "ABORTED": "⏹️", "ROLLBACK_FAILED": "🚨"}
STATUS = {"PASS": "pass", "FAIL": "fail", "ROLLBACK_FAILED": "fail"}
WHY_MAX = 300


@dataclass(frozen=True)
class Row:
    """One drill of the day. `status`: how its verdict looks; `href` is empty without a report."""

    number: int
    name: str
    title: str
    file: str
    verdict: str
    status: str
    why: str
    began: str
    length: str
    margin: str
    href: str
    drill_id: str
    recovery: str
    recovery_status: str
    recovery_s: str
    seal: str
    manifest: str


@dataclass(frozen=True)
class DayView:
    """The page as values. `undone`: what was left undone, one line each."""

    title: str
    day_id: str
    verdict: str
    tone: str
    sign: str
    icon: str
    why: str
    about: str
    target: str
    settings: str
    began: str
    length: str
    counts: str
    stopped: str
    rows: tuple[Row, ...]
    undone: tuple[str, ...]


def write_day(directory: Path) -> list[Path]:
    """Write `day.html`, `day.md` and `junit.xml` into `directory`; return the files.

    Raises BadInput without a usable `day.json`, MusterError if a file cannot be written.
    """
    document = read_day(directory)
    view = view_of(document)
    texts = {"day.html": html(view), "day.md": markdown(view), "junit.xml": junit(view, document)}
    return [replace_file(directory / name, text) for name, text in texts.items()]


def read_day(directory: Path) -> dict[str, Any]:
    """The day's `day.json`. Raises BadInput."""
    path = directory / DOCUMENT
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(path, "", error.strerror, "the document of a game day") from error
    except ValueError as error:
        raise BadInput(path, "", str(error), "a JSON document") from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version != SCHEMA_VERSION:
        raise BadInput(path, "schema_version", version, str(SCHEMA_VERSION))
    return dict(found)


def view_of(document: Mapping[str, Any]) -> DayView:
    """The page of a day. Pure."""
    verdict = str(document.get("verdict"))
    tone = TONES.get(verdict, "fail")
    rows = tuple(_row(one) for one in document.get("drills") or ())
    begin_s, end_s = number(document.get("started_s")), number(document.get("ended_s"))
    length = seconds(end_s - begin_s) if begin_s is not None and end_s is not None else NO_DATA
    starts = number(document.get("starts")) or 1
    again = f", started {plural(int(starts), 'time')}" if starts > 1 else ""
    passed = sum(one.verdict == "PASS" for one in rows)
    stopped = document.get("stopped") or {}
    settings = document.get("settings") or {}
    return DayView(
        title=one_line(document.get("title") or document.get("day"), 200),
        day_id=str(document.get("day_id")),
        verdict=verdict,
        tone=tone,
        sign=SIGNS[tone],
        icon=ICONS.get(verdict, "❌"),
        why=one_line(document.get("why"), WHY_MAX),
        about=f"{utc(begin_s)} · {length}{again}",
        target=f"{document.get('target')} ({document.get('target_class')})",
        settings=", ".join(f"{key} {value}" for key, value in sorted(settings.items())),
        began=utc(begin_s),
        length=length,
        counts=f"{passed} of {plural(len(rows), 'drill')} passed",
        stopped=f"{stopped['by']}: {one_line(stopped.get('detail'), WHY_MAX)}" if stopped else "",
        rows=rows,
        undone=tuple(_undone(document)),
    )


def html(view: DayView) -> str:
    """The whole page."""
    template = environment(autoescape=True).get_template("game_day.html.j2")
    text: str = template.render(view=view, **styled("report.css"))
    return text.strip() + "\n"


def markdown(view: DayView) -> str:
    """The same for a job's summary or a ticket."""
    templates = environment(autoescape=False)
    templates.filters |= {"md": md, "code": md_code}
    text: str = templates.get_template("game_day.md.j2").render(view=view)
    return text.strip() + "\n"


def junit(view: DayView, document: Mapping[str, Any]) -> str:
    """A suite for the day, a case for each drill and for the check after it. Red unless PASS."""
    suite = ET.Element("testsuite", name=view.day_id)
    begin_s = number(document.get("started_s"))
    if begin_s is not None:
        moment = datetime.fromtimestamp(begin_s, UTC)
        suite.set("timestamp", moment.strftime("%Y-%m-%dT%H:%M:%S"))
    listed = list(document.get("drills") or ())
    for row, one in zip(view.rows, listed, strict=True):
        took_s = number(one.get("took_s")) or 0.0
        _case(suite, f"{row.number} {row.file}", row.verdict, row.why or row.seal, took_s)
        recovery = one.get("recovery")
        if recovery:
            state = "PASS" if recovery.get("ok") is True else "FAIL"
            name = f"{row.number} as before"
            _case(suite, name, state, row.recovery, number(recovery.get("took_s")) or 0.0)
    _case(suite, "verdict", view.verdict, view.why, 0.0)
    found = {"failures": "testcase/failure", "errors": "testcase/error", "tests": "testcase"}
    for key, path in found.items():
        suite.set(key, str(len(suite.findall(path))))
    root = ET.Element("testsuites", name="game day")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, name: str, verdict: str, why: str, took_s: float) -> None:
    case = ET.SubElement(
        suite, "testcase", classname="game_day", name=name, time=f"{max(0.0, took_s):.3f}"
    )
    if verdict != "PASS":
        kind = "failure" if verdict == "FAIL" else "error"
        message = f"{verdict}: {why}" if why else verdict
        ET.SubElement(case, kind, message=message, type=verdict).text = message


def _row(one: Mapping[str, Any]) -> Row:
    outcome = one.get("outcome") or {}
    verdict = str(outcome.get("verdict") or "NOT RUN")
    drill_id = str(one.get("drill_id") or "")
    recovery = one.get("recovery")
    wrong = "; ".join(map(str, (recovery or {}).get("wrong") or ()))
    held = recovery is not None and recovery.get("ok") is True
    manifest = str((outcome.get("digests") or {}).get("manifest.json") or "")
    return Row(
        number=int(one["number"]),
        name=one_line(one.get("name") or one.get("drill"), 120),
        title=one_line(one.get("title"), 160),
        file=str(one.get("file")),
        verdict=verdict,
        status=STATUS.get(verdict, "not_judged" if verdict == "NOT RUN" else "unknown"),
        why=one_line(outcome.get("why"), WHY_MAX),
        began=utc(number(outcome.get("started_s")), date=False) if drill_id else "",
        length=seconds(one.get("took_s")) if drill_id else "",
        margin=one_line(outcome.get("margin"), 120),
        # The directory's name is no address of another scheme.
        href=f"../{quote(drill_id)}/report.html" if one.get("bundle") else "",
        drill_id=drill_id,
        recovery="as before" if held else one_line(wrong or "not checked", WHY_MAX),
        recovery_status="pass" if held else "fail" if recovery else "not_judged",
        recovery_s=seconds(recovery.get("took_s")) if recovery else "",
        seal=one_line(outcome.get("seal"), WHY_MAX) or ("intact" if manifest else "none"),
        manifest=manifest,
    )


def _undone(document: Mapping[str, Any]) -> list[str]:
    """What was left undone: changes, drills that did not run, checks that did not hold."""
    found = []
    for one in document.get("drills") or ():
        outcome, recovery = one.get("outcome") or {}, one.get("recovery")
        where = f"{one.get('number')} {one.get('file')}"
        if not outcome:
            found.append(f"{where}: was not run")
            continue
        found += [f"{where}: not restored: {left}" for left in outcome.get("left") or ()]
        if outcome.get("seal"):
            found.append(f"{where}: its seal: {outcome['seal']}")
        if recovery is None:
            found.append(f"{where}: nothing was checked after it")
        elif recovery.get("ok") is not True:
            found += [f"{where}: not as before: {wrong}" for wrong in recovery.get("wrong") or ()]
    return [one_line(line, WHY_MAX) for line in found]
