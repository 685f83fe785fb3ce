"""The report as text: findings first, then the values that were read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muster.drill.doctor.model import Finding, Level, Report, Row, Table

HEADINGS: tuple[tuple[Level, str], ...] = (
    ("refused", "blocking"),
    ("unknown", "unknown"),
    ("warning", "warning"),
)


def lines_of(report: Report) -> Iterator[str]:
    """The report, line by line."""
    yield _head(report)
    for level, heading in HEADINGS:
        yield from _findings(heading, report.of(level))
    yield from _findings("accepted", [one for one in report.findings if one.accepted])
    for table in _merged(report.tables):
        yield ""
        yield table.title
        yield from (f"  {line}" for line in _aligned(table.rows))


def _head(report: Report) -> str:
    counts = [(len(report.of(level)), heading) for level, heading in HEADINGS]
    said = ", ".join(
        f"{count} {heading}{'s' if heading == 'warning' and count != 1 else ''}"
        for count, heading in counts
        if count
    )
    word = "READY" if report.ready else "NOT READY"
    return (
        f"{word}: {report.drill} on target {report.target} ({report.target_class})"
        f"{': ' if said else ''}{said} ({len(report.checks)} checks in {report.took_s:.1f} s)"
    )


def _findings(heading: str, found: Sequence[Finding]) -> Iterator[str]:
    """Each text once, with the names of all checks that reported it."""
    checks: dict[str, list[str]] = {}
    for one in found:
        checks.setdefault(one.text, []).append(one.check)
    for text, names in checks.items():
        yield f"  {heading}: {', '.join(dict.fromkeys(names))}: {text}"


def _merged(tables: Sequence[Table]) -> list[Table]:
    """Tables with the same title as one table, in the order of the first of them."""
    rows: dict[str, list[Row]] = {}
    for one in tables:
        rows.setdefault(one.title, []).extend(one.rows)
    return [Table(title, title, tuple(found)) for title, found in rows.items()]


def _aligned(rows: Sequence[Row]) -> list[str]:
    columns = list(rows[0])
    grid = [[name.upper() for name in columns]]
    grid += [[row.get(name, "-") for name in columns] for row in rows]
    widths = [max(len(line[i]) for line in grid) for i in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in grid
    ]
