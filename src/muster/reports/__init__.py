"""Reports of an evidence bundle: HTML, Markdown, JUnit and charts, from the bundle's files alone.

    muster.reports.write_reports(Path("reports/out/latest"))

The same bundle gives the same bytes. jinja2 is imported when the first report is made.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

PARTIAL = ".report-"
"""How the name of a file begins that is not written whole yet."""


def write_reports(bundle_dir: Path, *, unsealed: Sequence[str] = ()) -> list[Path]:
    """Write `report.html`, `report.md`, `junit.xml` and `charts/*.svg` into `bundle_dir`.

    `unsealed` says why the evidence is not sealed: each report shows it as a mark.

    Returns the files written. Raises BadInput if there is no usable `verdict.json`, MusterError if
    a file cannot be written. Each file is replaced whole or not at all.
    """
    from muster.reports.chart_data import chart_data
    from muster.reports.chart_plan import plan
    from muster.reports.evidence import read_evidence
    from muster.reports.junit import junit
    from muster.reports.render import Drawn, Picture, html, markdown
    from muster.reports.svg import draw
    from muster.reports.view import build_view

    evidence = read_evidence(bundle_dir, unsealed)
    view = build_view(evidence)
    charts = plan(evidence, view)
    pictures = tuple(Picture(c.name, c.title, c.note, draw(c)) for c in charts)
    axis = next(c.axis for c in charts if c.axis)
    drawn = Drawn(pictures, chart_data(charts), axis.marks, axis.start_s)
    texts = {
        "report.html": html(view, drawn),
        "report.md": markdown(view, pictures),
        "junit.xml": junit(view),
        **{f"charts/{picture.name}.svg": picture.svg for picture in pictures},
    }
    return [replace_file(bundle_dir / name, text) for name, text in texts.items()]


def replace_file(path: Path, text: str) -> Path:
    """Write `text` to `path`, whole or not at all; return the path. Raises MusterError."""
    from muster.errors import MusterError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=PARTIAL, delete=False
        ) as file:
            file.write(text)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise MusterError(f"{path}: {error.strerror or error}") from error
    return path


def sweep(directory: Path) -> None:
    """Remove what a killed process left half-written in `directory`: it is no evidence."""
    for left in directory.glob(f"{PARTIAL}*"):
        left.unlink(missing_ok=True)
