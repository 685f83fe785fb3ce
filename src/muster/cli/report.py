"""`chaos drill report BUNDLE` and `chaos drill history`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from muster.reports.history import Past


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
def report(bundle: Path) -> None:
    """Write BUNDLE's report again, offline, from its own files."""
    from muster.reports import write_reports

    for path in write_reports(bundle):
        click.echo(path)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array, newest first.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where the bundles are.")
def history(as_json: bool, out: Path | None) -> None:
    """List the evidence bundles, newest first."""
    from muster import home
    from muster.reports.history import history as read_history

    where = out or home.out_dir()
    past = read_history(where)
    if as_json:
        import json

        click.echo(json.dumps([bundle.as_json() for bundle in past], indent=2))
        return
    if not past:
        click.echo(f"no drill yet in {where}")
        return
    for line in _table(past):
        click.echo(line)


def _table(past: list[Past]) -> list[str]:
    """Rows of plain text, so that a pipe and a terminal get the same."""
    from muster.reports.numbers import NO_DATA, seconds, utc

    head = ("DRILL ID", "WHEN", "DRILL", "TARGET", "VERDICT", "EVIDENCE", "DURATION")
    rows = [
        (
            p.drill_id,
            utc(p.started_s),
            p.drill or NO_DATA,
            p.target or NO_DATA,
            p.verdict or "unreadable",
            p.evidence or NO_DATA,
            seconds(p.length_s).replace("\N{NO-BREAK SPACE}", " "),
        )
        for p in past
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [_joined(head, widths), *[_joined(row, widths) for row in rows]]
    return [*lines, *[f"unreadable: {p.problem}" for p in past if p.problem]]


def _joined(row: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
