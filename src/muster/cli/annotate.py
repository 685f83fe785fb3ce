"""`chaos drill annotate BUNDLE`."""

from __future__ import annotations

from pathlib import Path

import click

from muster.cli.judge import BUNDLE, KEY


@click.command()
@click.argument("bundle", type=BUNDLE)
@KEY
def annotate(bundle: Path, key_files: tuple[Path, ...]) -> None:
    """Print BUNDLE's verdict, misses and regressions as workflow commands.

    GitHub and Forgejo show them beside the run. Evidence without an intact seal gets one error.

    \b
    Example:
      chaos drill annotate reports/out/latest
    """
    from muster.cli.seal import look
    from muster.reports.annotations import annotation, annotations_of
    from muster.reports.evidence import read_verdict
    from muster.reports.history.kept import read_against

    found = look(bundle, key_files)
    if found.trusted:
        lines = annotations_of(read_verdict(bundle), read_against(bundle))
    else:
        lines = [annotation("error", "UNSEALED", f"{bundle}: {found.line()}")]
    for line in lines:
        click.echo(line)
