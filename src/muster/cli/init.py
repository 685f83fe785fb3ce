"""`chaos drill init`: writes a first target file from the series of the platform's Prometheus."""

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
@click.option("--public-url", metavar="URL", help="The URL to which clients send requests.")
@click.option("--model", help="The model that the load requests.")
@click.option(
    "--ready",
    multiple=True,
    metavar="REGION=URL",
    help="URL that answers 2xx while the region is ready; repeatable.",
)
@click.option("--region-header", metavar="HEADER", help="Answer header that names the region.")
@click.option(
    "--streams", type=int, help="Also write the profile `own`, with this many open streams."
)
@click.option("--bearer", metavar="VARIABLE", help="Environment variable with the token.")
@click.option(
    "--basic", metavar="USER:VARIABLE", help="User, and environment variable with the password."
)
@click.option(
    "--sigv4", metavar="AWS_REGION", help="Sign requests for Amazon Managed Prometheus (SigV4)."
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="A header, for example X-Scope-OrgID; repeatable.",
)
@click.option("--ca-file", metavar="FILE", help="PEM file of the certificate authorities to trust.")
@click.option("--certificate-file", metavar="FILE", help="PEM file of the client certificate.")
@click.option("--key-file", metavar="FILE", help="PEM file of the client key.")
@click.option("--proxy-url", metavar="URL", help="An HTTP proxy.")
@click.option(
    "--drop-label",
    "drop_labels",
    multiple=True,
    metavar="LABEL",
    help="Label that differs between the replicas of a pair; repeatable.",
)
@click.option(
    "--scrape-interval-s", type=float, help="Seconds between scrapes  [default: as observed]"
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="The file  [default: targets/NAME.yaml]"
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(output: Path | None, force: bool, **given: Any) -> None:
    """Write the target file NAME from the series of the platform's Prometheus.

    At a terminal, it prompts for missing options. It changes nothing on the platform and sends no
    request to it.

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
    if output is not None and not output.parent.is_dir():
        raise BadInput("--output", "", str(path), "a file in a directory that exists")
    if path.exists() and not force:
        wanted = "a file that does not exist yet, or --force to overwrite it"
        raise BadInput("--output", "", str(path), wanted)
    if _at_a_terminal():
        _ask(given)
    made = make(checked(Told(**given)))
    write(path, made.text, force=force)
    for line in _summary(made, path):
        click.echo(line)


def _at_a_terminal() -> bool:
    """Whether standard input is a terminal."""
    return sys.stdin.isatty()


def _ask(given: dict[str, Any]) -> None:
    """Prompt for missing options. Without regions, those of Prometheus are used."""
    if not given["prometheus"]:
        given["prometheus"] = (click.prompt("URL of the platform's Prometheus"),)
    if not given["regions"]:
        shown = click.prompt(
            "Regions, separated by commas (empty: read them from Prometheus)", default=""
        )
        given["regions"] = tuple(one.strip() for one in shown.split(",") if one.strip())
    for key, question in (
        ("public_url", "URL to which clients send requests"),
        ("model", "Model that the load requests"),
    ):
        if not given[key]:
            given[key] = click.prompt(question)


def _summary(made: Any, path: Path) -> list[str]:
    """The recognised signals and the remaining edits, for the console."""
    named = ", ".join(
        one.preset.product + ("" if one.preset.seen else " (names from documentation)")
        for one in made.there
    )
    lines = [f"recognised: {named or 'no product: map every signal by hand (docs/signals.md)'}"]
    lines += [f"{signal}: {one.product}" for signal, one in made.combined.shown.items()]
    lines += [f"{signal}: declared none ({why})" for signal, why in made.combined.declared.items()]
    if made.advice:
        lines += ["", "Settings that the platform needs:"]
        lines += [f"- {line}" for line in made.advice]
    lines += ["", f"Wrote {path}."]
    if made.edits:
        lines.append(f"{len(made.edits)} places to check in it:")
        lines += [f"- {line}" for line in made.edits]
    if made.missing:
        lines.append("No drill starts without these keys:")
        lines += [f"- {line}" for line in made.missing]
    return lines
