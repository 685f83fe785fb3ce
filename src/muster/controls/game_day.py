"""The control of a game day: begins or continues it, stops it, ends it with its report.

As with the control of a drill, every refusal is an InterruptExecution, and signals set the day's
stop flag: the drill that runs is asked to restore and end, and no further one begins.
"""

from __future__ import annotations

import logging
from typing import Any

from chaoslib.exceptions import InterruptExecution
from chaoslib.types import Activity, Configuration, Experiment, Journal, Run, Secrets

from muster.controls.days import day_in
from muster.controls.invocation import exit_with, invocation
from muster.controls.run_end import deviate, end_run, last_line, take_signals
from muster.drill.game_day import current as days
from muster.errors import DrillAborted, MusterError
from muster.redact import quiet, redacted_data

logger = logging.getLogger("chaostoolkit")


def before_experiment_control(
    context: Experiment,
    configuration: Configuration = None,
    secrets: Secrets = None,
    day: str = "game_day",
    **_: Any,
) -> None:
    """Begin the day. Raises InterruptExecution with one clear line if it may not begin."""
    if days.installed() is not None:
        return
    days.control_is_asked()
    quiet(logger)
    try:
        # Imported here, because `chaos` itself must start fast.
        from muster.drill.game_day.outline import check_begins, outline
        from muster.drill.game_day.run import begin

        called = invocation()
        source = called.source if called is not None else str(context.get("title", day))
        given, flags = (called.given, called.flags) if called is not None else ({}, {})
        planned = day_in(source, context, given, flags, configuration)
        if context.get("dry"):
            for line in outline(planned).lines():
                print(line)
            raise InterruptExecution("dry run: nothing was started or changed, so nothing passed")
        for line in check_begins(planned).lines():
            logger.info("day: %s", line)
        run = begin(planned)
    except MusterError as error:
        exit_with(error.exit_code)
        raise InterruptExecution(str(error)) from error
    except InterruptExecution:
        raise
    except Exception as error:
        # Chaos Toolkit would ignore this error and run the activities without their control.
        logger.debug("the day could not begin", exc_info=True)
        exit_with(DrillAborted.exit_code)
        said = redacted_data(f"the day could not begin: {error!r}")
        raise InterruptExecution(said) from error
    days.install(run)
    _take_signals()


def before_activity_control(context: Activity, **_: Any) -> None:
    """Let a drill begin only if the day may go on; the probe that decides always may."""
    run = days.installed()
    if run is None:
        raise InterruptExecution("no day is running: its control did not begin it")
    if context.get("type") != "action":
        return
    step = run.must_stop()
    if step is not None:
        raise InterruptExecution(f"{step.by}: {step.detail}")


def after_activity_control(context: Activity, state: Run = None, **_: Any) -> None:
    """A drill that could not be run stops the day."""
    run = days.installed()
    if run is None or not isinstance(state, dict) or state.get("status") != "failed":
        return
    if context.get("type") == "action" and not run.stop.is_set:
        from muster.drill.stop import StopReason

        name, detail = f"action:{context.get('name', 'a drill')}", redacted_data(last_line(state))
        run.stop.set(StopReason(name, "ABORTED", detail, run.clock.now_s()))


def after_experiment_control(context: Experiment, state: Journal = None, **_: Any) -> None:
    """End the day, write its report, and mark the run as deviated for anything but PASS."""
    run = days.installed()
    if run is None:
        deviate(state)
        return

    def finished() -> int:
        from muster.drill.game_day.ending import finish

        return finish(run)

    end_run("day", state, DrillAborted.exit_code, finished, lambda: days.install(None))


def _take_signals() -> None:
    """A signal asks the day to stop; further ones change nothing."""
    run = days.current()
    from muster.drill.game_day.run import stop_for

    take_signals(lambda name: run.stop.set(stop_for(name, run.clock)))
