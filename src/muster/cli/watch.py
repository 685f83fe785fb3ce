"""`chaos drill watch`: shows a running drill from another terminal, or in a browser."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from muster.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from muster.drill.live.shown import Shown
    from muster.drill.lock.runs import RunFiles


@click.command()
@click.option(
    "--target", default="testbed", show_default=True, help="Target: a name in targets/, or a file."
)
@click.option(
    "--serve",
    "port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Also show it in a browser, at this port of 127.0.0.1 (0: any free one).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one look as JSON, and end.")
def watch(target: str, port: int | None, as_json: bool) -> None:
    """Show the drill that runs on a target, until it has its verdict.

    In a terminal a block that is drawn again every 2 s; in a pipe a line every 10 s. It reads the
    drill's evidence as it grows, and asks the drill nothing. Ctrl-C ends the view, not the drill.
    The address that --serve prints contains a token; whoever has it may look.

    Exit code: 0 the drill ended (whatever its verdict) or the view was ended, 2 no drill runs.

    \b
    Example:
      chaos drill watch --target staging --serve 0
    """
    import json

    from muster import home
    from muster.drill.live.shown import Follower

    run = _running(target)
    followed = Follower(home.out_dir() / run.drill_id)
    if as_json:
        click.echo(json.dumps(followed.look().as_json(), indent=2))
        return
    try:
        if port is None:
            _follow(followed.look, run)
        else:
            _serve(followed.look, run, port)
    except KeyboardInterrupt:
        click.echo("the view ended; the drill goes on", err=True)


def _follow(look: Callable[[], Shown], run: RunFiles) -> None:
    from muster.cli.terminal import drawable, follow, follow_drawn, print_block, until
    from muster.drill.lock.runs import is_running

    pace = until(lambda: is_running(run.drill_id))
    if drawable(sys.stdout):
        print_block(follow_drawn(look, sys.stdout, pace))
    else:
        follow(look, click.echo, pace)


def _serve(look: Callable[[], Shown], run: RunFiles, port: int) -> None:
    from muster.cli.terminal import DRAW_S
    from muster.drill.live.serve import LiveServer

    server = LiveServer(port)

    def sent() -> Shown:
        shown = look()
        server.put(shown)
        return shown

    try:
        click.echo(f"open {server.url}", err=True)
        _follow(sent, run)
        # Whoever has the page open still sees how it ended.
        SYSTEM_CLOCK.sleep(DRAW_S)
    finally:
        server.close()


def _running(target: str) -> RunFiles:
    """The newest drill that runs on `target`. Raises BadInput if none does."""
    from muster import targets
    from muster.drill.lock.runs import is_running, runs_of
    from muster.errors import BadInput

    running = [run for run in runs_of(targets.load(target).name) if is_running(run.drill_id)]
    if not running:
        wanted = f"a target on which a drill runs: chaos drill status --target {target}"
        raise BadInput("--target", "", target, wanted)
    return running[-1]
