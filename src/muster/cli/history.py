"""`chaos drill history`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from muster.cli.judge import KEY, UNSEALED, UNSEALED_MARK

if TYPE_CHECKING:
    from muster.reports.history.past import Past

VERDICTS = ("PASS", "FAIL", "ABORTED", "INCONCLUSIVE", "ROLLBACK_FAILED")
OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="Directory of the bundles.  [default: reports/out]",
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, newest first.")
@click.option("--html", is_flag=True, help="Write index.html beside the bundles: trends over time.")
@click.option("--target", default=None, help="Only drills on this target.")
@click.option("--drill", default=None, help="Only this drill, for example region_failover.")
@click.option("--profile", default=None, help="Only drills with this load profile.")
@click.option(
    "--verdict",
    type=click.Choice(VERDICTS, case_sensitive=False),
    default=None,
    help="Only drills with this verdict.",
)
@click.option("--since", default=None, help="Only drills from this day on (YYYY-MM-DD, UTC).")
@click.option("--last", type=click.IntRange(min=1), default=None, help="At most this many.")
@click.option("--rebuild", is_flag=True, help="Read every bundle again, also unchanged ones.")
@OUT
@KEY
@UNSEALED
def history(
    as_json: bool,
    html: bool,
    target: str | None,
    drill: str | None,
    profile: str | None,
    verdict: str | None,
    since: str | None,
    last: int | None,
    rebuild: bool,
    out: Path | None,
    key_files: tuple[Path, ...],
    unsealed: bool,
) -> None:
    """List earlier drills, newest first.

    Shows an outcome only if the seal of its bundle is intact. A drill that runs is RUNNING.

    \b
    Example:
      chaos drill history --target staging --since 2026-10-01 --html
    """
    from muster.drill.lock.runs import is_running
    from muster.reports.history.read import history as read_history
    from muster.signing import verify_keys

    where, keys, since_s = bundles_in(out), verify_keys(key_files), _since(since)
    if out is None and not where.exists():
        click.echo(f"no drill yet in {where}")
        return
    every = read_history(where, keys, is_running, unsealed=unsealed, rebuild=rebuild)
    past = [
        one
        for one in _named(every, {"target": target, "drill": drill, "profile": profile})
        if (verdict is None or one.verdict == verdict)
        and (since_s is None or (one.started_s is not None and one.started_s >= since_s))
    ][:last]
    if html:
        from muster.reports.trends.page import write_index

        click.echo(write_index(where, past), err=as_json)
    if as_json:
        import json

        click.echo(json.dumps([one.as_json() for one in past], indent=2))
    elif not html:
        for line in _table(past) if past else [_nothing(where, every)]:
            click.echo(line)


def bundles_in(out: Path | None) -> Path:
    """The directory of the bundles. Raises BadInput if the one asked for is no directory."""
    from muster import home
    from muster.documents import nearest_file
    from muster.errors import BadInput

    if out is not None and not out.is_dir():
        raise BadInput("--out", "", str(out), f"a directory of bundles{nearest_file(out)}")
    return out or home.out_dir()


def _named(past: Sequence[Past], wanted: dict[str, str | None]) -> list[Past]:
    """Drills of which each named field has the wanted value. Raises BadInput if none ever had."""
    from muster.errors import BadInput, nearest

    found = list(past)
    for key, value in wanted.items():
        if value is None:
            continue
        known = sorted({getattr(one, key) for one in past} - {""})
        if known and value not in known:
            near = nearest(value, known)
            raise BadInput(f"--{key}", "", value, f"one of those drilled: {', '.join(known)}{near}")
        found = [one for one in found if getattr(one, key) == value]
    return found


def _since(text: str | None) -> float | None:
    """The start of the day in UTC, as seconds since the epoch. Raises BadInput."""
    from muster.errors import BadInput

    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise BadInput("--since", "", text, "a day, for example 2026-10-01") from error


def _nothing(where: Path, every: Sequence[Past]) -> str:
    return f"no drill in {where} is as asked for" if every else f"no drill yet in {where}"


def _table(past: Sequence[Past]) -> list[str]:
    """Rows as plain text, the same in a pipe and on a terminal, without columns of no data."""
    from muster.reports.numbers import NO_DATA, count, seconds, utc

    def took(value: float | None) -> str:
        return "" if value is None else seconds(value).replace("\N{NO-BREAK SPACE}", " ")

    columns: dict[str, Callable[[Past], str]] = {
        "DRILL ID": lambda p: p.drill_id,
        "WHEN": lambda p: utc(p.started_s),
        "TARGET": lambda p: p.target,
        "STREAMS": lambda p: "" if p.streams is None else count(p.streams),
        "DEFECT": lambda p: p.defect,
        "VERDICT": _verdict,
        "STOPPED BY": lambda p: p.stopped_by,
        "SHIFT": lambda p: took(p.shift_s),
        "DRAIN": lambda p: took(p.drain_s),
        "DARK": lambda p: took(p.dark_s),
        "RESTORE": lambda p: took(p.restore_s),
        "TRIP TO RESTORED": lambda p: took(p.trip_to_restored_s),
        "LENGTH": lambda p: took(p.length_s),
        "SEAL": lambda p: p.seal,
        "EVIDENCE": lambda p: p.evidence,
    }
    cells = {head: [of(one) for one in past] for head, of in columns.items()}
    shown = {head: column for head, column in cells.items() if any(column)}
    lines = aligned([tuple(shown), *zip(*shown.values(), strict=True)], NO_DATA)
    return [*lines, *[_problem(one) for one in past if one.problem and not one.running]]


def aligned(rows: Sequence[tuple[str, ...]], absent: str) -> list[str]:
    """Rows of text with aligned columns; an empty cell reads `absent`."""
    full = [tuple(cell or absent for cell in row) for row in rows]
    widths = [max(len(row[i]) for row in full) for i in range(len(full[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in full
    ]


def _problem(past: Past) -> str:
    return f"{'unreadable' if past.trusted else past.seal}: {past.drill_id}: {past.problem}"


def _verdict(past: Past) -> str:
    """The verdict, or why there is none. A verdict is marked if the seal is not intact."""
    if past.trusted:
        return past.verdict or "unreadable"
    return f"{past.verdict} [{UNSEALED_MARK}]" if past.verdict else past.seal.upper()
