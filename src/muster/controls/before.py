"""What `chaos run` refuses before Chaos Toolkit prints, loads or runs anything of a drill.

Chaos Toolkit ends in a traceback for a file that it cannot read, exits with 1 for what its
validation refuses, and plays the rollbacks of a drill that its control did not let begin.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import click

from muster.controls.days import day_in
from muster.controls.invocation import Invocation, invocation
from muster.controls.plans import plan_in
from muster.controls.source import is_address, read_drill
from muster.drill.current import last_bundle
from muster.drill.game_day import current as days
from muster.drill.game_day.form import CONTROL as DAY
from muster.drill.game_day.form import is_day
from muster.drill.plan.asked import mapping_of, mappings_of
from muster.drill.plan.form import CONTROL, check_form
from muster.errors import BadInput, MusterError
from muster.redact import quiet

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
        if is_day(experiment):
            _refuse_day(called, experiment)
        elif _is_ours(experiment):
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
    experiment = mapping_of(journal, "experiment")
    if ran and is_day(experiment):
        if not days.control_was_asked():
            logger.error("no day was begun: it lacks the control %s, so nothing passed", DAY)
            click.get_current_context().exit(BadInput.exit_code)
    elif ran and _is_ours(experiment):
        logger.error("no drill was begun: it lacks the control %s, so nothing passed", CONTROL)
        click.get_current_context().exit(BadInput.exit_code)


def _refuse_day(called: Invocation, experiment: Mapping[str, Any]) -> None:
    """Raises BadInput or DrillAborted for a day that could not begin as it is given."""
    day = day_in(called.source, experiment, called.given, called.flags)
    if called.runs:
        from muster.drill.game_day.outline import check_begins
        from muster.drill.game_day.rig import check_rig

        check_begins(day)
        for one in day.entries:
            check_rig(one.plan)


def _is_ours(experiment: Mapping[str, Any]) -> bool:
    """Whether a control or an activity is Muster's: such an experiment must be a whole drill."""
    keys = ("controls", "method", "rollbacks")
    parts = [one for key in keys for one in mappings_of(experiment, key)]
    modules = [str(mapping_of(one, "provider").get("module", "")) for one in parts]
    return any(module.startswith("muster.") for module in modules)
