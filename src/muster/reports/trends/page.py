"""Writes `index.html`: one file, offline, with no script and no outside request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from muster.reports import replace_file
from muster.reports.history.kept import Against, read_against
from muster.reports.history.past import Past
from muster.reports.render import environment, styled
from muster.reports.trends.view import (
    COLUMNS,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    latest_of_each_kind,
    page_of,
    why,
)

NAME = "index.html"


def write_index(out_dir: Path, past: Sequence[Past]) -> Path:
    """Write the page of `past`, drills below `out_dir`, newest first; return its path.

    Raises MusterError if it cannot be written.
    """
    latest = latest_of_each_kind(past)
    compared = {one.drill_id: read_against(out_dir / one.drill_id) for one in latest}
    known = {name: one for name, one in compared.items() if one is not None}
    return replace_file(out_dir / NAME, index_html(past, known))


def index_html(past: Sequence[Past], against: dict[str, Against]) -> str:
    """The whole page."""
    template = environment(autoescape=True).get_template("index.html.j2")
    text: str = template.render(
        page=page_of(past, against),
        columns=COLUMNS,
        why=why,
        box={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT},
        **styled("index.css"),
    )
    return text.strip() + "\n"
