"""`chaos drill report BUNDLE`."""

from __future__ import annotations

from pathlib import Path

import click

from muster.cli.judge import KEY, UNSEALED, UNSEALED_MARK


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@KEY
@UNSEALED
@click.option("--pdf", is_flag=True, help="Print the page as report.pdf too (with Chromium).")
@click.pass_context
def report(
    ctx: click.Context, bundle: Path, key_files: tuple[Path, ...], unsealed: bool, pdf: bool
) -> None:
    """Write the report of BUNDLE again, offline, and seal it again.

    Refuses evidence whose seal is broken (exit code 3).

    \b
    Example:
      chaos drill report --pdf reports/out/latest
    """
    from muster.cli.seal import look, rewrite

    if pdf:
        from muster.reports.pdf import browser

        browser()
    found = look(bundle, key_files)
    if not found.trusted and not unsealed:
        click.echo(f"{bundle}: {found.line()}", err=True)
        click.echo("use `--unsealed` to draw it anyway, with a mark on every page", err=True)
        ctx.exit(3)
    for path in rewrite(bundle, None, found, pdf=pdf):
        click.echo(path if found.trusted else f"{path} [{UNSEALED_MARK}]")
