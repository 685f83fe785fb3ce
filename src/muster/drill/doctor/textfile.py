"""Writes the doctor's result as metrics for node exporter's textfile collector.

The collector reads every `*.prom` file of its directory at each scrape. The file is therefore
replaced atomically, so that no scrape reads a part of it. If the doctor cannot start because of bad
input, it writes `muster_doctor_ready 0`, so that an old result does not remain.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from muster.drill.doctor.model import LEVELS, Report
from muster.errors import BadInput
from muster.exposition import label_text

READY = "muster_doctor_ready"
FINDINGS = "muster_doctor_findings"
TIMESTAMP = "muster_doctor_timestamp_seconds"
DURATION = "muster_doctor_duration_seconds"
INPUT = "input"
"""Value of the label `check` for bad input."""
MODE = 0o644
"""Node exporter runs as another user and must read the file."""


def text_of(report: Report) -> str:
    """The metrics of a report."""
    counts: dict[tuple[str, str], int] = {
        (check, level): 0 for check in report.checks for level in LEVELS
    }
    for level in LEVELS:
        for one in report.of(level):
            counts[one.check, level] += 1
    labels = {"target": report.target, "drill": report.drill}
    return _text(labels, report.ready, report.at_s, report.took_s, counts)


def text_of_bad_input(target: str, drill: str, at_s: float) -> str:
    """The metrics for input that could not be used."""
    labels = {"target": target, "drill": drill}
    return _text(labels, False, at_s, 0.0, {(INPUT, "refused"): 1})


def write(path: Path, text: str) -> None:
    """Replace the file at `path`. Raises BadInput when it cannot be written."""
    name = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, MODE)
        os.replace(name, path)
    except OSError as error:
        if name is not None:
            with suppress(OSError):
                os.unlink(name)
        wanted = f"a file in a directory that can be written ({error.strerror or error})"
        raise BadInput("--textfile", "", str(path), wanted) from error


def check_path(path: Path) -> None:
    """Raises BadInput for a file name that node exporter would not read."""
    if path.suffix != ".prom":
        raise BadInput("--textfile", "", str(path), "a file whose name ends in .prom")


def _text(
    labels: Mapping[str, str],
    ready: bool,
    at_s: float,
    took_s: float,
    counts: Mapping[tuple[str, str], int],
) -> str:
    found = (
        (label_text({**labels, "check": check, "level": level}), str(count))
        for (check, level), count in counts.items()
    )
    own = label_text(labels)
    return "".join(
        [
            *_family(READY, "1: a drill would start now.", [(own, str(int(ready)))]),
            *_family(FINDINGS, "Findings that are not accepted, by check and level.", found),
            *_family(
                TIMESTAMP, "Time of the checks, in seconds since the epoch.", [(own, f"{at_s:.3f}")]
            ),
            *_family(DURATION, "Duration of the checks, in seconds.", [(own, f"{took_s:.3f}")]),
        ]
    )


def _family(name: str, said: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    head = f"# HELP {name} {said}\n# TYPE {name} gauge\n"
    return [head, *(f"{name}{labels} {value}\n" for labels, value in rows)]
