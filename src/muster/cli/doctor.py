"""`chaos drill doctor TARGET`: lists everything that prevents a drill, in one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from muster.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from muster.drill.doctor.model import Report

DRILL = "drills/region_failover.json"


@click.command()
@click.argument("target")
@click.option(
    "--drill",
    "source",
    default=None,
    help=f"The drill to check.  [default: {DRILL}]",
)
@click.option(
    "--var",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the drill, as for `chaos run`; repeatable.",
)
@click.option(
    "--accept",
    "accepted",
    metavar="CHECK",
    multiple=True,
    help="Accept the findings of CHECK, if preflight does not make it; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write metrics for node exporter to this file (*.prom), atomically.",
)
@click.pass_context
def doctor(
    ctx: click.Context,
    target: str,
    source: str | None,
    given: tuple[str, ...],
    accepted: tuple[str, ...],
    as_json: bool,
    textfile: Path | None,
) -> None:
    """List everything that prevents a drill on TARGET.

    Runs every check of preflight and more, all at the same time: a real stream in each region, each
    signal, DNS answers against the weights, other controllers of weights and replicas, lock and
    store, clocks, samples. It changes nothing on the platform, sends one request to each region
    (and one to the public name, if load.region_header is set), and ends within a minute. See
    docs/doctor.md.

    Exit code: 0 a drill would start, 1 something prevents a drill, 2 bad input, 3 nothing is known
    to prevent a drill, but a check is unknown.

    \b
    Example:
      chaos drill doctor staging --var scale:float=0.05
    """
    from muster.drill.doctor import textfile as metrics
    from muster.drill.doctor.words import lines_of
    from muster.errors import BadInput

    if textfile is not None:
        metrics.check_path(textfile)
    try:
        report = _examine(target, source, given, accepted)
    except BadInput:
        if textfile is not None:
            drill = Path(source or DRILL).stem
            at_s = SYSTEM_CLOCK.now_s()
            metrics.write(textfile, metrics.text_of_bad_input(Path(target).stem, drill, at_s))
        raise
    if textfile is not None:
        metrics.write(textfile, metrics.text_of(report))
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        for line in lines_of(report):
            click.echo(line)
    ctx.exit(report.exit_code)


def _examine(
    target: str, source: str | None, given: tuple[str, ...], accepted: tuple[str, ...]
) -> Report:
    """The report on the drill in `source`. Raises BadInput before any request is sent."""
    from muster import home
    from muster.cli.plan import plan_of
    from muster.drill.doctor.examined import examined
    from muster.drill.doctor.registry import checks_of
    from muster.drill.doctor.run import examine
    from muster.errors import BadInput

    for text in given:
        if text.partition("=")[0].partition(":")[0] == "target":
            raise BadInput("--var", "target", text, "the target as the argument alone")
    plan = plan_of(source or str(home.root() / DRILL), (*given, f"target={target}"))
    seen = examined(plan)
    try:
        return examine(seen, checks_of(seen), accepted)
    finally:
        seen.metrics.close()
