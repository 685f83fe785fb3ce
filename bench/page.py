"""Rows as data (bench/results.json) and as a table, printed and in docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"
FIGURES = (
    "achieved_streams", "requests_per_s", "cpu_percent", "resident_bytes", "server_cpu_percent",
    "server_lag_p99_ms", "machine_busy_percent",
)  # fmt: skip
_ORDER = {"Muster": 0, "Locust": 1, "k6": 2}
_HEAD = (
    "streams", "engine", "achieved", "requests/s", "read whole", "CPU, % of a core",
    "CPU a stream, µs/s", "memory, MB", "memory a stream, kB", "error p95, ms",
    "server lag p99, ms", "other work, % of a core",
)  # fmt: skip
_NONE = "not known"
OTHER_PERCENT_MAX = 30.0

Row = dict[str, Any]


def machine() -> dict[str, str]:
    """What a row was measured on; no name and no path of it."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {
        "cpu": f"{model}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
    }


def kept() -> list[Row]:
    """The rows so far, in the order of the table."""
    try:
        rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return sorted(rows, key=lambda row: (row["streams"], _ORDER[row["engine"]]))


def keep(row: Row) -> None:
    """Take a row in, in place of an older one; rows of another machine go: they do not compare."""
    same = [
        old
        for old in kept()
        if all(old[key] == row[key] for key in ("cpu", "python"))
        and (old["engine"], old["streams"]) != (row["engine"], row["streams"])
    ]
    rows = sorted([*same, row], key=lambda one: (one["streams"], _ORDER[one["engine"]]))
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    write(rows)


def write(rows: Sequence[Row]) -> None:
    """The table between its marks in docs/benchmarks.md; what stands around it stays."""
    old = PAGE.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"bench: {PAGE.name}: got no marks, expected {BEGIN} and {END}")
    PAGE.write_text(f"{before}{BEGIN}\n{text(rows)}\n{END}{after}", encoding="utf-8")


def text(rows: Sequence[Row]) -> str:
    """The table, what it was measured on, and how ours compares."""
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(_padded(cell, width, column) for column, (cell, width) in
                          enumerate(zip(row, widths, strict=True))) + " |"
        for row in cells
    ]  # fmt: skip
    rule = [
        "-" * width if column == 1 else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    if rows:
        one = rows[0]
        versions = sorted({f"{row['engine']} {row['version']}" for row in rows})
        lines += [
            "",
            f"Measured on: {one['cpu']}; {one['system']}; Python {one['python']}; "
            f"{', '.join(versions)}.",
        ]
    return "\n".join([*lines, *compared(rows), *disturbed(rows)])


def compared(rows: Sequence[Row]) -> list[str]:
    """Each rival's CPU a stream over ours, where both were measured."""
    cost = {(row["streams"], row["engine"]): cpu_a_stream(row) for row in rows}
    found = []
    for (streams, engine), theirs in cost.items():
        ours = cost.get((streams, "Muster"))
        if engine != "Muster" and ours and theirs:
            found.append(f"{engine} at {streams:,}: {theirs / ours:.1f}")
    lines = [f"CPU a stream, as a multiple of Muster's: {'; '.join(found)}."] if found else []
    few, many = cost.get((5000, "Muster")), cost.get((20_000, "Muster"))
    if few and many:
        lines.append(
            f"Muster's own at 20,000 streams, as a multiple of that at 5,000: {many / few:.2f}."
        )
    return ["", *lines] if lines else []


def cpu_a_stream(row: Row) -> float | None:
    """Microseconds of CPU for a second of an open stream; None where either is not known."""
    if row["cpu_percent"] is None or not row["achieved_streams"]:
        return None
    return float(row["cpu_percent"] * 10_000 / row["achieved_streams"])


def other_percent(row: Row) -> float | None:
    """What of the machine neither engine nor server used, the kernel's own work included."""
    busy, own = row["machine_busy_percent"], row["cpu_percent"]
    served = row["server_cpu_percent"]
    return None if None in (busy, own, served) else max(0.0, busy - own - served)


def disturbed(rows: Sequence[Row]) -> list[str]:
    """The warning that other work asks for: it takes the cores, and what waits is late."""
    found = [
        f"{row['engine']} at {row['streams']:,}"
        for row in rows
        if (other_percent(row) or 0.0) > OTHER_PERCENT_MAX
    ]
    if not found:
        return []
    return [
        "",
        f"**Measured beside other work** (over {OTHER_PERCENT_MAX:g} % of a core; errors and lag "
        f"are not the engine's alone): {'; '.join(found)}.",
    ]


def _cells(row: Row) -> tuple[str, ...]:
    achieved, resident = row["achieved_streams"], row["resident_bytes"]
    a_stream = resident / achieved / 1000 if resident and achieved else None
    whole = row["whole_share"]
    return (
        f"{row['streams']:,}",
        row["engine"],
        _number(achieved),
        _number(row["requests_per_s"]),
        _NONE if whole is None else f"{100 * whole:.2f} %",
        _number(row["cpu_percent"], 1),
        _number(cpu_a_stream(row), 1),
        _number(resident / 1e6 if resident else None),
        _number(a_stream),
        _number(row["error_p95_ms"]),
        _number(row["server_lag_p99_ms"]),
        _number(other_percent(row)),
    )


def _number(value: float | None, digits: int = 0) -> str:
    return _NONE if value is None else f"{value:,.{digits}f}"


def _padded(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 1 else cell.rjust(width)


if __name__ == "__main__":
    write(kept())
    sys.exit(0)
