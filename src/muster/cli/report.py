"""`chaos drill report BUNDLE` and `chaos drill history`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from muster.cli.judge import KEY, UNSEALED, UNSEALED_MARK

if TYPE_CHECKING:
    from muster.reports.history import Past


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@KEY
@UNSEALED
@click.pass_context
def report(ctx: click.Context, bundle: Path, key_files: tuple[Path, ...], unsealed: bool) -> None:
    """Write the report of BUNDLE again, offline, and seal it again.

    Refuses evidence whose seal is broken (exit code 3).

    \b
    Example:
      chaos drill report reports/out/latest
    """
    from muster.cli.seal import look, rewrite

    found = look(bundle, key_files)
    if not found.trusted and not unsealed:
        click.echo(f"{bundle}: {found.line()}", err=True)
        click.echo("use `--unsealed` to draw it anyway, with a mark on every page", err=True)
        ctx.exit(3)
    for path in rewrite(bundle, None, found):
        click.echo(path if found.trusted else f"{path} [{UNSEALED_MARK}]")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, newest first.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="Directory of the bundles.  [default: reports/out]",
)
@KEY
@UNSEALED
def history(as_json: bool, out: Path | None, key_files: tuple[Path, ...], unsealed: bool) -> None:
    """List earlier drills, newest first.

    Shows a verdict only if the seal of its bundle is intact.

    \b
    Example:
      chaos drill history --json
    """
    from muster import home
    from muster.cli.seal import is_running
    from muster.reports.history import history as read_history
    from muster.signing import verify_keys

    where = out or home.out_dir()
    past = read_history(where, verify_keys(key_files), is_running, unsealed=unsealed)
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
    """Rows as plain text, the same in a pipe and on a terminal."""
    from muster.reports.numbers import NO_DATA, seconds, utc

    head = ("DRILL ID", "WHEN", "DRILL", "TARGET", "VERDICT", "SEAL", "EVIDENCE", "DURATION")
    rows = [
        (
            p.drill_id,
            utc(p.started_s),
            p.drill or NO_DATA,
            p.target or NO_DATA,
            _verdict(p),
            p.seal or NO_DATA,
            p.evidence or NO_DATA,
            seconds(p.length_s).replace("\N{NO-BREAK SPACE}", " "),
        )
        for p in past
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [_joined(head, widths), *[_joined(row, widths) for row in rows]]
    return [*lines, *[_problem(p) for p in past if p.problem]]


def _problem(past: Past) -> str:
    return f"{'unreadable' if past.trusted else past.seal}: {past.drill_id}: {past.problem}"


def _verdict(past: Past) -> str:
    """The verdict, or why there is none. A verdict is marked if the seal is not intact."""
    if past.trusted:
        return past.verdict or "unreadable"
    return f"{past.verdict} [{UNSEALED_MARK}]" if past.verdict else past.seal.upper()


def _joined(row: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
