"""`chaos drill compare A B`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from muster.cli.history import OUT, aligned, bundles_in
from muster.cli.judge import KEY, UNSEALED, UNSEALED_MARK

if TYPE_CHECKING:
    from muster.reports.history.compare import Comparison, Side
    from muster.signing import VerifyKey

SAME, WORSE, UNKNOWN = 0, 1, 3


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@OUT
@KEY
@UNSEALED
@click.pass_context
def compare(
    ctx: click.Context,
    before: str,
    after: str,
    as_json: bool,
    out: Path | None,
    key_files: tuple[Path, ...],
    unsealed: bool,
) -> None:
    """Show what changed from drill A to drill B, and mark what got worse.

    A and B are drill ids below reports/out, `latest`, or paths of bundles. Figures are compared
    with the tolerances of docs/history.md; latencies and users hurt also by Mann-Whitney's test.

    Exit code: 0 nothing got worse, 1 something did, 2 bad input, 3 something is unknown.

    \b
    Example:
      chaos drill compare 20261103T100211Z-region_failover-1a2b latest
    """
    from muster.reports.history.compare import compare as compare_sides
    from muster.signing import verify_keys

    where, keys = bundles_in(out), verify_keys(key_files)
    sides = [_side(name, where, keys, unsealed) for name in (before, after)]
    found = compare_sides(*sides)
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps(asdict(found), indent=2))
    else:
        for line in _lines(found):
            click.echo(line)
    ctx.exit(WORSE if found.marked("worse") else UNKNOWN if found.marked("unknown") else SAME)


def _side(name: str, where: Path, keys: Sequence[VerifyKey], unsealed: bool) -> Side:
    """One of the drills. Raises BadInput if it is not there or its seal is not intact."""
    from muster.drill.lock.runs import is_running
    from muster.errors import BadInput, nearest
    from muster.reports.history.past import with_outcome
    from muster.reports.history.read import read_past
    from muster.reports.history.sides import side_of

    bundle = next((path for path in (where / name, Path(name)) if path.is_dir()), None)
    if bundle is None:
        known = [path.name for path in where.glob("*/")] if where.is_dir() else []
        wanted = f"a drill in {where}, or a bundle's path{nearest(name, known)}"
        raise BadInput("compare", "", name, wanted)
    bundle = bundle.resolve()
    past = read_past(bundle, keys, is_running)
    if not past.trusted and not unsealed:
        raise BadInput(bundle, "", f"{past.seal}: {past.problem}", "intact evidence, or --unsealed")
    return side_of(bundle, past if past.trusted else with_outcome(past, bundle))


def _lines(found: Comparison) -> list[str]:
    from muster.reports.numbers import utc

    lines = []
    for letter, past in (("A", found.before), ("B", found.after)):
        mark = "" if past.trusted else f"  [{UNSEALED_MARK}]"
        about = f"{past.drill} on {past.target}, profile {past.profile}"
        lines.append(f"{letter}  {past.drill_id}  {utc(past.started_s)}  {about}{mark}")
    rows = [
        (row.mark, row.title, row.before, row.after, row.change, row.note) for row in found.rows
    ]
    plain = [tuple(cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row) for row in rows]
    lines += ["", *aligned([("", "", "A", "B", "CHANGE", ""), *plain], " "), ""]
    if found.unlike:
        lines.append("not of one kind, so nothing is marked: " + "; ".join(found.unlike))
        return lines
    for mark in ("worse", "better", "unknown"):
        if titles := [row.title for row in found.rows if row.mark == mark]:
            lines.append(f"{mark}: {'; '.join(titles)}")
    return lines if lines[-1] else [*lines, "nothing got worse"]
