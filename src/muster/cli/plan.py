"""`chaos drill plan`: shows each change that a drill would make, and its undo."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from muster.drill.plan.plan import DrillPlan


@click.command()
@click.argument("source")
@click.option(
    "--var",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting, as for `chaos run`; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(source: str, given: tuple[str, ...], as_json: bool) -> None:
    """Show what the drill in SOURCE would change, and how it would undo it.

    The last lines say how many changes that is, about how long it takes and what it costs. Starts
    and changes nothing. `chaos run --dry=activities SOURCE` shows the same and exits 1, because
    nothing passed.

    \b
    Example:
      chaos drill plan drills/region_failover.json --var target=staging
    """
    from muster.drill.plan.describe import describe

    found = describe(plan_of(source, given))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    for line in found.lines():
        click.echo(line)


def plan_of(source: str, given: tuple[str, ...]) -> DrillPlan:
    """The plan of the drill in the file `source`, with its settings as KEY=VALUE. Raises BadInput.

    Nothing is asked or started.
    """
    from muster.controls.before import plan_in
    from muster.controls.source import read_drill
    from muster.drill.plan.form import check_form
    from muster.errors import BadInput

    variables: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise BadInput("--var", "", text, "KEY=VALUE")
        variables[key.partition(":")[0]] = value
    experiment = read_drill(source)
    check_form(source, experiment, variables, os.environ)
    return plan_in(source, experiment, variables)
