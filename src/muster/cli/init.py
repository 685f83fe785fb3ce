"""`chaos drill init`: a first target file from what the platform's Prometheus shows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("name")
@click.option(
    "--prometheus",
    multiple=True,
    metavar="URL",
    help="The platform's Prometheus, or REGION=URL; repeatable.",
)
@click.option("--region", "regions", multiple=True, help="A region's name; repeatable.")
@click.option("--public-url", metavar="URL", help="The URL that clients ask.")
@click.option("--model", help="The model that the load asks for.")
@click.option(
    "--ready", multiple=True, metavar="REGION=URL", help="A region's readiness; repeatable."
)
@click.option("--region-header", metavar="HEADER", help="Answer header that names the region.")
@click.option("--streams", type=int, help="Open streams of a profile of the target's own.")
@click.option("--bearer", metavar="VARIABLE", help="Environment variable with the token.")
@click.option("--basic", metavar="USER:VARIABLE", help="A user, and the variable of the password.")
@click.option("--sigv4", metavar="AWS_REGION", help="Sign as Amazon Managed Prometheus wants it.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="A header, for example X-Scope-OrgID; repeatable.",
)
@click.option("--ca-file", metavar="FILE", help="PEM of the authorities to trust.")
@click.option("--certificate-file", metavar="FILE", help="PEM of the client's certificate.")
@click.option("--key-file", metavar="FILE", help="PEM of its key.")
@click.option("--proxy-url", metavar="URL", help="An HTTP proxy.")
@click.option(
    "--drop-label",
    "drop_labels",
    multiple=True,
    metavar="LABEL",
    help="Label of the replicas of one pair; repeatable.",
)
@click.option(
    "--scrape-interval-s", type=float, help="Seconds between scrapes  [default: as they are seen]"
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="The file  [default: targets/NAME.yaml]"
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def init(output: Path | None, force: bool, **given: Any) -> None:
    """Write the target NAME from what the platform's Prometheus shows.

    Asks for what is not given where it is run at a terminal. Changes nothing on the platform and
    sends it no request.

    \b
    Example:
      chaos drill init staging --prometheus https://prometheus.example.com \\
        --region eu-west-1 --region eu-central-1 --model gpt-4o \\
        --public-url https://chat.example.com/v1/chat/completions
    """
    from muster import home
    from muster.errors import BadInput
    from muster.init.asked import Told, checked
    from muster.init.make import make, write

    path = output or home.root() / "targets" / f"{given['name']}.yaml"
    if path.exists() and not force:
        wanted = "a file that is not there yet, or --force to overwrite it"
        raise BadInput("--output", "", str(path), wanted)
    if _at_a_terminal():
        _ask(given)
    made = make(checked(Told(**given)))
    write(path, made.text, force=force)
    for line in _summary(made, path):
        click.echo(line)


def _at_a_terminal() -> bool:
    """Whether a person can answer."""
    return sys.stdin.isatty()


def _ask(given: dict[str, Any]) -> None:
    """Ask a person for what was not given. No answer to the regions: Prometheus is asked."""
    if not given["prometheus"]:
        given["prometheus"] = (click.prompt("URL of the platform's Prometheus"),)
    if not given["regions"]:
        shown = click.prompt("Regions, with commas (empty: as Prometheus shows them)", default="")
        given["regions"] = tuple(one.strip() for one in shown.split(",") if one.strip())
    for key, question in (
        ("public_url", "URL that clients ask"),
        ("model", "Model that the load asks for"),
    ):
        if not given[key]:
            given[key] = click.prompt(question)


def _summary(made: Any, path: Path) -> list[str]:
    """What was found and what is left, for the console."""
    named = ", ".join(
        one.preset.product + ("" if one.preset.seen else " (names from documentation)")
        for one in made.there
    )
    lines = [f"recognised: {named or 'no product: name every signal yourself (docs/signals.md)'}"]
    lines += [f"{signal}: {one.product}" for signal, one in made.combined.shown.items()]
    lines += [f"{signal}: declared none ({why})" for signal, why in made.combined.declared.items()]
    if made.advice:
        lines += ["", "What the platform must be set to:"]
        lines += [f"- {line}" for line in made.advice]
    lines += ["", f"Wrote {path}."]
    if made.edits:
        lines.append(f"{len(made.edits)} places to look at in it:")
        lines += [f"- {line}" for line in made.edits]
    if made.missing:
        lines.append("No drill starts before these are given:")
        lines += [f"- {line}" for line in made.missing]
    return lines
