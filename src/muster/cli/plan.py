"""`chaos drill plan`: each change that a drill would make, with its undo; a game day in times."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from muster.drill.game_day.outline import Outline
    from muster.drill.plan.describe import Described
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

    The last lines say how many changes that is, about how long it takes and what it costs. Of a
    game day it shows when each drill begins and ends. Starts and changes nothing. `chaos run --plan
    SOURCE` is the same; `chaos run --dry=activities SOURCE` shows it and exits 1, because nothing
    passed.

    \b
    Example:
      chaos drill plan drills/region_failover.json --var target=staging
    """
    found = described(source, variables_of(given))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    for line in found.lines():
        click.echo(line)


def described(source: str, variables: Mapping[str, Any]) -> Described | Outline:
    """The plan of the drill, or of the game day, in the file `source`. Raises BadInput."""
    from muster.controls.days import day_in
    from muster.controls.source import read_drill
    from muster.drill.game_day.form import is_day

    experiment = read_drill(source)
    if is_day(experiment):
        from muster.drill.game_day.outline import outline

        return outline(day_in(source, experiment, variables))
    from muster.drill.plan.describe import describe

    return describe(_plan(source, experiment, variables))


def plan_of(source: str, given: tuple[str, ...]) -> DrillPlan:
    """The plan of the drill in the file `source`, with its settings as KEY=VALUE. Raises BadInput.

    Nothing is asked or started.
    """
    from muster.controls.source import read_drill
    from muster.drill.game_day.form import CONTROL, is_day
    from muster.errors import BadInput

    variables = variables_of(given)
    experiment = read_drill(source)
    if is_day(experiment):
        raise BadInput(source, "controls", CONTROL, "a drill: that is a game day")
    return _plan(source, experiment, variables)


def variables_of(given: tuple[str, ...]) -> dict[str, str]:
    """Settings as KEY=VALUE (or KEY:TYPE=VALUE), by key. Raises BadInput."""
    from muster.errors import BadInput

    variables: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise BadInput("--var", "", text, "KEY=VALUE")
        variables[key.partition(":")[0]] = value
    return variables


def _plan(source: str, experiment: Mapping[str, Any], variables: Mapping[str, Any]) -> DrillPlan:
    from muster.controls.plans import plan_in
    from muster.drill.plan.form import check_form

    check_form(source, experiment, variables, os.environ)
    return plan_in(source, experiment, variables)
