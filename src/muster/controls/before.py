"""What `chaos run` refuses before Chaos Toolkit prints, loads or runs anything of a drill.

Chaos Toolkit ends in a traceback for a file that it cannot read, exits with 1 for what its
validation refuses, and plays the rollbacks of a drill that its control did not let begin.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ChaosException

from muster.controls.invocation import invocation
from muster.controls.source import is_address, read_drill
from muster.drill.current import last_bundle
from muster.drill.plan.asked import mapping_of, mappings_of
from muster.drill.plan.form import CONTROL, check_form, method_of
from muster.errors import BadInput, MusterError
from muster.redact import quiet

if TYPE_CHECKING:
    from muster.drill.plan.plan import DrillPlan

logger = logging.getLogger("chaostoolkit")


def refuse_bad_input() -> None:
    """Leave the running command with one line for a drill that could not begin as it is given.

    Does nothing for an experiment without a part of Muster, beyond reading its file.
    """
    called = invocation()
    if called is None or is_address(called.source):
        return
    quiet(logger)
    try:
        experiment = read_drill(called.source)
        if _is_ours(experiment):
            check_form(called.source, experiment, called.given, os.environ, called.flags)
            plan = plan_in(called.source, experiment, called.given)
            if called.runs:
                from muster.drill.plan.permit import permit

                permit(plan)
    except MusterError as error:
        logger.error(str(error))
        click.get_current_context().exit(error.exit_code)


def refuse_unbegun(journal: Mapping[str, Any]) -> None:
    """Leave the running command, which would exit with 0, if a drill of ours did not begin in it.

    Only a control begins a drill, and a drill at an address may lack it.
    """
    called = invocation()
    ran = called is not None and called.runs and last_bundle() is None
    if ran and _is_ours(mapping_of(journal, "experiment")):
        logger.error("no drill was begun: it lacks the control %s, so nothing passed", CONTROL)
        click.get_current_context().exit(BadInput.exit_code)


def plan_in(source: str, experiment: Mapping[str, Any], given: Mapping[str, Any]) -> DrillPlan:
    """The plan of `experiment`, the content of `source`, with the settings `given`.

    Raises BadInput. Nothing is asked or started.
    """
    from muster.drill.plan.plan import make_plan

    try:
        configuration = load_configuration(experiment.get("configuration", {}), dict(given))
    except (ChaosException, ValueError, KeyError, TypeError) as error:
        raise BadInput(source, "configuration", str(error), "settings that can be read") from error
    for control in mappings_of(experiment, "controls"):
        provider = mapping_of(control, "provider")
        if provider.get("module") == CONTROL:
            named = mapping_of(provider, "arguments")
            return make_plan(
                configuration,
                drill=str(named.get("drill", "drill")),
                title=str(experiment.get("title", "")),
                kind=str(named.get("kind", "failover")),
                gate=str(named.get("gate", "M3")),
                method=method_of(source, experiment),
            )
    raise BadInput(source, "controls", None, f"the control {CONTROL}")


def _is_ours(experiment: Mapping[str, Any]) -> bool:
    """Whether a control or an activity is Muster's: such an experiment must be a whole drill."""
    keys = ("controls", "method", "rollbacks")
    parts = [one for key in keys for one in mappings_of(experiment, key)]
    modules = [str(mapping_of(one, "provider").get("module", "")) for one in parts]
    return any(module.startswith("muster.") for module in modules)
