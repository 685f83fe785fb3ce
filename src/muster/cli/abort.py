"""`chaos drill abort`: stop the running drill of a target, from any terminal."""

from __future__ import annotations

import json

import click

from muster.clock import SYSTEM_CLOCK

WAIT_S_MAX = 600.0
PROGRESS_S = 10.0
NOT_RESTORED = 5


@click.command()
@click.option(
    "--target", default="testbed", show_default=True, help="Target: a name in targets/, or a file."
)
@click.option(
    "--why", default="asked by an operator", show_default=True, help="Reason, for the report."
)
@click.option("--wait/--no-wait", default=True, help="Wait until everything is restored.")
def abort(target: str, why: str, wait: bool) -> None:
    """Stop the drill on a target and wait until all is restored.

    Exit code: 0 everything is restored (also if no drill runs), 5 something is not restored, or
    neither drill nor watchdog is left to restore it. Then run `chaos drill recover`.

    \b
    Example:
      chaos drill abort --target staging --why "wrong hour"
    """
    from muster import targets
    from muster.drill.lock.runs import runs_of

    name = targets.load(target).name
    running = runs_of(name)
    if not running:
        click.echo(f"target {name}: no drill runs")
        return
    code = 0
    for run in running:
        run.ask_abort(why)
        click.echo(f"{run.drill_id}: asked to stop")
        if wait:
            code = max(code, _await_end(run.drill_id, name))
    raise SystemExit(code)


def _await_end(drill_id: str, target: str) -> int:
    from muster.drill.lock.runs import ROLES, RunFiles

    run = RunFiles(drill_id)
    began = spoke = SYSTEM_CLOCK.monotonic_s()
    while not run.over:
        now = SYSTEM_CLOCK.monotonic_s()
        beats = [beat for role in ROLES if (beat := run.beat(role)) is not None]
        if now - began > WAIT_S_MAX or not any(beat.fresh for beat in beats):
            click.echo(
                f"{drill_id}: no process is left to restore it; run: chaos drill recover "
                f"--target {target}",
                err=True,
            )
            return NOT_RESTORED
        if now - spoke > PROGRESS_S:
            spoke = now
            click.echo(f"{drill_id}: still restoring ({now - began:.0f} s)")
        SYSTEM_CLOCK.sleep(0.2)
    return _say_verdict(drill_id)


def _say_verdict(drill_id: str) -> int:
    from muster import home

    bundle = home.out_dir() / drill_id
    try:
        verdict = json.loads((bundle / "verdict.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        click.echo(f"{drill_id}: ended before its first phase; nothing was changed")
        return 0
    click.echo(f"{drill_id}: {verdict['verdict']} ({verdict['stopped_by']}): {bundle}")
    return 0 if verdict["undo"]["pending"] == [] else NOT_RESTORED
