"""Findings as JUnit XML: a suite for each phase, a case for each finding. Pure.

An unknown is an error, so that a pipeline that reads only this file turns red. A finding that is
not judged or declared none is skipped, with the reason. A verdict that is not PASS always turns at
least one case red, whatever the findings say. No two cases have the same class and name, because
such a pipeline would show only one of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from xml.etree import ElementTree as ET

from muster.reports.model import FindingRow, View


def junit(view: View) -> str:
    """The document, in the schema that Jenkins, GitLab and GitHub's actions read."""
    names = Names()
    # The verdict's case comes first: it keeps its name whatever a phase is called.
    verdict = _verdict_suite(view, names)
    found = groupby(view.findings, _phase)
    suites = [_suite(view, name, list(rows), names) for name, rows in found]
    suites.append(verdict)
    root = ET.Element("testsuites", name=view.drill or "drill")
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.set("time", f"{_length_s(view):.3f}")
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


class Names:
    """Cases by class and name, each used once: a further case of that name is numbered."""

    def __init__(self) -> None:
        self._given: set[tuple[str, str]] = set()

    def unique(self, classname: str, name: str) -> str:
        """`name`, or `name (2)` and so on if the class has it already."""
        found, number = name, 1
        while (classname, found) in self._given:
            number += 1
            found = f"{name} ({number})"
        self._given.add((classname, found))
        return found


def _suite(view: View, phase: str, rows: list[FindingRow], names: Names) -> ET.Element:
    length = next(
        (
            p.end_s - p.start_s
            for p in view.phases
            if p.name == phase and p.start_s is not None and p.end_s is not None
        ),
        0.0,
    )
    started = next((p.start_s for p in view.phases if p.name == phase), view.start_s)
    suite = _new_suite(view, phase, length, started)
    for row in rows:
        classname = f"{view.drill or 'drill'}.{phase}"
        case = _case(suite, classname, names.unique(classname, _name(row)))
        text = f"measured {row.measured}, threshold {row.threshold}, margin {row.margin}"
        told = f"{text}, samples {row.samples}. {row.detail}".strip()
        if row.status == "fail":
            ET.SubElement(case, "failure", message=text, type=row.slo).text = told
        elif row.status == "unknown":
            ET.SubElement(case, "error", message=row.detail or text, type="unknown").text = told
        elif row.status == "not_judged":
            ET.SubElement(case, "skipped", message=f"not judged: {row.detail or 'no reason given'}")
        elif row.status == "declared":
            ET.SubElement(case, "skipped", message=row.detail or "declared none")
    return _counted(suite)


def _verdict_suite(view: View, names: Names) -> ET.Element:
    """The verdict itself: red unless it is PASS, even if every finding passed."""
    suite = _new_suite(view, "verdict", 0.0, view.start_s)
    classname = f"{view.drill or 'drill'}.verdict"
    case = _case(suite, classname, names.unique(classname, "verdict"))
    if view.banner.verdict != "PASS":
        kind = "failure" if view.banner.verdict == "FAIL" else "error"
        message = f"{view.banner.verdict}: {view.banner.why}"
        ET.SubElement(case, kind, message=message, type=view.banner.verdict).text = message
    if view.banner.unsealed:
        # Red for a pipeline that reads nothing else: what was judged differs from what was sealed.
        message = f"UNSEALED: {'; '.join(view.banner.unsealed)}"
        case = _case(suite, f"{view.drill or 'drill'}.verdict", "seal")
        ET.SubElement(case, "error", message=message, type="UNSEALED").text = message
    return _counted(suite)


def _new_suite(view: View, name: str, length_s: float, started_s: float | None) -> ET.Element:
    suite = ET.Element("testsuite", name=name, time=f"{max(length_s, 0.0):.3f}", skipped="0")
    if started_s is not None:
        suite.set("timestamp", datetime.fromtimestamp(started_s, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    properties = ET.SubElement(suite, "properties")
    for key, value in (
        ("verdict", view.banner.verdict),
        ("evidence", view.banner.evidence),
        ("gate_evidence", "yes" if view.banner.gate_evidence else "NOT GATE EVIDENCE"),
        ("seal", "UNSEALED" if view.banner.unsealed else "held when this was written"),
        ("drill_id", view.drill_id),
        ("stopped_by", view.banner.stopped_by or ""),
        ("judged_by", view.judged),
    ):
        ET.SubElement(properties, "property", name=key, value=value)
    return suite


def _case(suite: ET.Element, classname: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=classname, name=name, time="0.000")


def _counted(suite: ET.Element) -> ET.Element:
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    return suite


def _name(row: FindingRow) -> str:
    parts = [row.slo, row.source, row.region if row.region != "all" else "", row.tier]
    return " ".join(part for part in parts if part)


def _length_s(view: View) -> float:
    if view.start_s is None or view.end_s is None:
        return 0.0
    return view.end_s - view.start_s


def _phase(row: FindingRow) -> str:
    return row.phase
