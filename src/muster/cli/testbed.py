"""`chaos drill up`, `down` and `status`: runs the testbed without a drill."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from muster import testbed
from muster.errors import BadInput, one_of

if TYPE_CHECKING:
    from muster.targets.model import Target
    from muster.testbed.design.shape import LoadProfile

STATUS_S_MAX = 10.0


@click.command()
@click.option(
    "--target", default="testbed", show_default=True, help="Target: a name in targets/, or a file."
)
@click.option(
    "--profile",
    default="m3_20k",
    show_default=True,
    help="Load profile that the testbed must be able to hold.",
)
@click.option("--scale", default="0.1", show_default=True, help="Share of the profile's streams.")
@click.option("--seed", default="1", show_default=True, help="Seed of all random choices.")
@click.option("--defect", default=None, help="Name of a defect to plant.")
def up(target: str, profile: str, scale: str, seed: str, defect: str | None) -> None:
    """Start the testbed and return when it is ready.

    \b
    Example:
      chaos drill up --scale 0.05
    """
    from muster import targets

    wanted = targets.load(target)
    running = testbed.status(wanted.name)
    if running is not None:
        click.echo(
            f"testbed {wanted.name} is already up (pid {running.pid}, {running.profile} at "
            f"{running.scale:g}{', ' + running.defect if running.defect else ''})"
        )
        return
    state = testbed.up(
        wanted,
        _profile(wanted, profile),
        scale=_number("--scale", scale, "a number above 0, for example 0.1"),
        seed=int(_number("--seed", seed, "a whole number", whole=True)),
        defect=defect,
        progress=lambda line: click.echo(line, err=True),
    )
    _show(state, None)


@click.command()
@click.option(
    "--target", default="testbed", show_default=True, help="Target: a name in targets/, or a file."
)
def down(target: str) -> None:
    """Stop the testbed and remove everything that it started.

    \b
    Example:
      chaos drill down
    """
    from muster import targets

    name = targets.load(target).name
    ended = testbed.down(name)
    click.echo(f"testbed {name} {'is down' if ended else 'was not up'}")


@click.command()
@click.option(
    "--target", default="testbed", show_default=True, help="Target: a name in targets/, or a file."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON (contains tokens).")
def status(target: str, as_json: bool) -> None:
    """Show whether a drill may start now, and who holds the target.

    For a testbed also its processes, ports and regions.

    \b
    Example:
      chaos drill status --target staging
    """
    from muster import targets

    wanted = targets.load(target)
    name = wanted.name
    if not as_json:
        for line in _drill_lines(name):
            click.echo(line)
        from muster.drill.lock.readiness import readiness

        for line in readiness(wanted, str(targets.path_of(target))):
            click.echo(line)
        if wanted.class_ != "testbed":
            return
    state = testbed.status(name)
    if as_json:
        shown = None if state is None else (_live(state) or json.loads(state.to_json()))
        click.echo(json.dumps(shown, indent=1, sort_keys=True))
    elif state is None:
        click.echo(f"testbed {name} is not up")
    else:
        _show(state, _live(state))


def _drill_lines(target: str) -> list[str]:
    """How far the drills on that target are: phase, expected end, guard, watchdog."""
    from muster import home
    from muster.drill.live.shown import Follower
    from muster.drill.live.words import status_lines
    from muster.drill.lock.runs import runs_of

    bundles = [home.out_dir() / run.drill_id for run in runs_of(target)]
    return [line for one in bundles for line in status_lines(Follower(one).look())]


def _profile(target: Target, name: str) -> LoadProfile:
    """Find the profile of that name; the target's own profiles come first. Raises BadInput."""
    from muster import contract

    rules = contract.load()
    found = contract.find_profile(name, target.profiles, rules, f"target {target.name}")
    if found is not None:
        return found
    known = [*rules.profiles, *target.profiles]
    raise BadInput("--profile", "", name, one_of(name, known))


def _number(option: str, text: str, expected: str, *, whole: bool = False) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError as error:
        raise BadInput(option, "", text, expected) from error


def _live(state: testbed.State) -> dict[str, Any] | None:
    """Ask the supervisor for its state; None if it does not answer."""
    import httpx

    try:
        answer = httpx.get(
            f"{state.endpoints['control_url']}/status",
            headers={"Authorization": f"Bearer {state.endpoints['control_token']}"},
            timeout=STATUS_S_MAX,
            trust_env=False,
        )
        shown: dict[str, Any] = answer.raise_for_status().json()
    except (httpx.HTTPError, KeyError, ValueError):
        return None
    return shown


def _show(state: testbed.State, live: dict[str, Any] | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # In a pipe, make the table as wide as its words so that no value is cut.
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    defect = f", planted defect {state.defect}" if state.defect else ""
    ready = "ready" if state.ready else "coming up"
    console.print(
        Text(
            f"testbed {state.name}: {ready}, {state.profile} at {state.scale:g}, seed {state.seed}"
            f"{defect}, pid {state.pid}, started by {state.owner}"
        )
    )
    if live is not None:
        regions = Table("region", "power", "ready", "gateways", "drain", "weight", "DNS health")
        for name, facts in live["regions"].items():
            keys = ("power", "ready", "gateways", "drain", "weight", "healthy")
            regions.add_row(name, *(_word(facts.get(key)) for key in keys))
        console.print(regions)
    parts = Table("part", "pid", "ports", "CPU s", "MB")
    usage = live["usage"] if live is not None else {}
    for process in state.processes:
        used = usage.get(process.name, {})
        parts.add_row(
            process.name,
            str(process.pid) if process.pid is not None else "not running",
            " ".join(map(str, process.ports)),
            f"{used['cpu_s']:.1f}" if used else "",
            f"{used['rss_bytes'] / 1e6:.0f}" if used else "",
        )
    console.print(parts)
    for key in ("prometheus_url", "route53_url", "dns_server", "control_url"):
        if key in state.endpoints:
            console.print(Text(f"{key.removesuffix('_url'):12} {state.endpoints[key]}"))
    for death in state.deaths:
        console.print(Text(f"died unexpectedly: {death['name']} (exit {death['exit_code']})"))


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)
