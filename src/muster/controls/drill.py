"""The one control of a Muster drill: begins it, stops it after a failure, ends it.

Chaos Toolkit ignores what a control raises, except InterruptExecution; it goes on to the next
activity after one failed; and it calls a control several times. Therefore every refusal is an
InterruptExecution, no activity starts after one failed or once the drill must stop, and every hook
may run twice. Signals set the drill's stop flag: an exception raised inside a Python activity would
only fail that activity, and the next fault would run.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chaoslib.control import get_global_controls
from chaoslib.exceptions import InterruptExecution
from chaoslib.types import Activity, Configuration, Experiment, Journal, Run, Secrets

from muster.controls.invocation import exit_with, invocation
from muster.controls.run_end import deviate, end_run, last_line, take_signals
from muster.drill import current as drills
from muster.drill.stop import StopReason
from muster.errors import BadInput, DrillAborted, MusterError
from muster.redact import quiet, redacted_data

if TYPE_CHECKING:
    from muster.drill.plan.plan import DrillPlan
    from muster.drill.session import Session

logger = logging.getLogger("chaostoolkit")
_phase_of_run = {"rollbacks": False}


def before_experiment_control(
    context: Experiment,
    configuration: Configuration = None,
    secrets: Secrets = None,
    drill: str = "drill",
    kind: str = "failover",
    gate: str = "M3",
    **_: Any,
) -> None:
    """Begin the drill. Raises InterruptExecution with one clear line if it may not begin."""
    if drills.installed() is not None:
        return
    _phase_of_run["rollbacks"] = False
    quiet(logger)
    try:
        # Imported here, because `chaos` itself must start fast.
        from muster.drill.plan.form import method_of
        from muster.drill.plan.permit import permit
        from muster.drill.plan.plan import make_plan
        from muster.drill.start import start

        _check(context)
        plan = make_plan(
            configuration or {},
            drill=drill,
            title=str(context.get("title", drill)),
            kind=kind,
            gate=gate,
            method=method_of(drill, context),
        )
        if context.get("dry"):
            _show(plan)
            raise InterruptExecution("dry run: nothing was started or changed, so nothing passed")
        permit(plan)
        session = start(plan)
    except MusterError as error:
        raise _not_begun(context, str(error), error.exit_code) from error
    except InterruptExecution:
        raise
    except Exception as error:
        # Chaos Toolkit would ignore this error and run the drill without its control.
        logger.debug("the drill could not begin", exc_info=True)
        said = redacted_data(f"the drill could not begin: {error!r}")
        raise _not_begun(context, said, DrillAborted.exit_code) from error
    _take_signals(session)


def _not_begun(context: Experiment, why: str, code: int) -> InterruptExecution:
    """What stops a drill that changed nothing: its rollbacks must not look as if it had."""
    exit_with(code)
    context["rollbacks"] = []
    return InterruptExecution(why)


def _check(experiment: Mapping[str, Any]) -> None:
    """Raises BadInput for an incomplete drill, or for a setting that nothing reads.

    `chaos run` has checked it before; whoever calls Chaos Toolkit as a library has not.
    """
    from muster.drill.plan.form import CONTROL, check_form, module_of

    called = invocation()
    file = called.source if called is not None else str(experiment.get("title", "the drill"))
    given, flags = (called.given, called.flags) if called is not None else ({}, {})
    check_form(file, experiment, given, os.environ, flags)
    name = next(one.get("name") for one in experiment["controls"] if module_of(one) == CONTROL)
    for one in get_global_controls():
        if one.get("name") == name or module_of(one) == CONTROL:
            # Of two controls with one name Chaos Toolkit asks the other one about activities.
            wanted = f"another name than {name}, and no second {CONTROL}"
            raise BadInput("controls of the settings", str(one.get("name")), one, wanted)


def _show(plan: DrillPlan) -> None:
    """Print the plan. In any kind of dry run no activity of a drill runs."""
    from muster.drill.plan.describe import describe

    for line in describe(plan).lines():
        print(line)


def before_activity_control(context: Activity, **_: Any) -> None:
    """Let an activity of the method begin only if the drill may go on."""
    if _phase_of_run["rollbacks"]:
        return
    session = drills.installed()
    if session is None:
        raise InterruptExecution("no drill is running: its control did not begin it")
    if session.activity_failed is not None:
        raise InterruptExecution(
            f"{session.activity_failed} failed: no further activity is started"
        )
    if session.stop.is_set and session.stop.reason is not None:
        raise InterruptExecution(f"{session.stop.reason.by}: {session.stop.reason.detail}")
    session.stop.allow(_pauses_s(context))


def _pauses_s(context: Activity) -> float:
    """How long Chaos Toolkit itself sleeps around the activity, which does not count as a hang."""
    pauses = context.get("pauses") or {}
    found = [value for value in pauses.values() if isinstance(value, (int, float))]
    return float(sum(found))


def after_activity_control(context: Activity, state: Run = None, **_: Any) -> None:
    """Remember that an activity failed, and why."""
    session = drills.installed()
    if session is None or not isinstance(state, dict) or state.get("status") != "failed":
        return
    for key in ("exception", "output"):
        if key in state:
            state[key] = redacted_data(state[key])
    if _phase_of_run["rollbacks"]:
        return
    name = str(context.get("name", "an activity"))
    session.activity_failed = name
    session.stop.set(
        StopReason(f"action:{name}", "ABORTED", last_line(state), session.clock.now_s())
    )


def before_rollback_control(context: Any, **_: Any) -> None:
    """From here on activities restore: they run whatever happened before."""
    _phase_of_run["rollbacks"] = True


def after_experiment_control(context: Experiment, state: Journal = None, **_: Any) -> None:
    """End the drill, judge it, and mark the run as deviated for anything but PASS."""
    session = drills.installed()
    if session is None:
        deviate(state)
        return
    from muster.judge.verdict import EXIT_CODES

    def finished() -> int:
        from muster.drill.finish import finish

        return finish(session, journal=state).exit_code

    code = EXIT_CODES["ROLLBACK_FAILED" if session.undo.pending else "INCONCLUSIVE"]
    end_run("drill", state, code, finished, lambda: drills.install(None))


def _take_signals(session: Session) -> None:
    """A signal asks the drill to stop; further ones change nothing."""

    def asked(name: str) -> None:
        reason = StopReason(f"signal:{name}", "ABORTED", f"{name} received", session.clock.now_s())
        session.stop.set(reason)

    take_signals(asked)
