"""`chaos drill plan`: shows each change that a drill would make, and its undo."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

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
def plan(source: str, given: tuple[str, ...]) -> None:
    """Show what the drill in SOURCE would change, and how it would undo it.

    Starts and changes nothing. `chaos run --dry=activities SOURCE` shows the same and exits 1,
    because nothing passed.

    \b
    Example:
      chaos drill plan drills/region_failover.json --var target=staging
    """
    from muster.drill.plan.describe import describe

    for line in describe(plan_of(source, given)):
        click.echo(line)


def plan_of(source: str, given: tuple[str, ...]) -> DrillPlan:
    """The plan of the drill in the file `source`, with its settings as KEY=VALUE. Raises BadInput.

    Nothing is asked or started.
    """
    from chaoslib.configuration import load_configuration
    from chaoslib.exceptions import ChaosException
    from chaoslib.loader import load_experiment

    from muster.drill.plan.form import CONTROL, check_form, method_of
    from muster.drill.plan.plan import make_plan
    from muster.errors import BadInput

    variables: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise BadInput("--var", "", text, "KEY=VALUE")
        variables[key.partition(":")[0]] = value
    try:
        experiment: dict[str, Any] = load_experiment(source)
    except ChaosException as error:
        raise BadInput(source, "", str(error), "a drill") from error
    if not isinstance(experiment, dict):
        raise BadInput(source, "", experiment, "a drill")
    check_form(source, experiment, variables, os.environ)
    configuration = load_configuration(experiment.get("configuration", {}), variables)
    for control in experiment.get("controls", []):
        provider = control.get("provider", {})
        if provider.get("module") == CONTROL:
            named = provider.get("arguments", {})
            return make_plan(
                configuration,
                drill=str(named.get("drill", "drill")),
                title=str(experiment.get("title", "")),
                kind=str(named.get("kind", "failover")),
                gate=str(named.get("gate", "M3")),
                method=method_of(source, experiment),
            )
    raise BadInput(source, "controls", None, "the control muster.controls.drill")
