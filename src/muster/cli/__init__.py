"""`chaos drill …`: commands found by name and imported when used.

Chaos Toolkit imports this module at every start, so it imports nothing but click; the lines that it
logs are kept plain from here on.
"""

from __future__ import annotations

import importlib
import logging
import unicodedata
from typing import Any

import click

COMMANDS = {
    "up": "testbed",
    "down": "testbed",
    "status": "testbed",
    "load": "load",
    "judge": "judge",
    "gate": "judge",
    "contract": "judge",
    "report": "report",
    "history": "report",
    "key": "key",
    "recover": "recover",
    "abort": "abort",
    "plan": "plan",
    "unlock": "unlock",
    "promotion": "promotion",
    "slo": "slo",
}
"""Command by the module of `muster.cli` that holds it."""


class PlainText(logging.Filter):
    """No line of Chaos Toolkit's carries a control sequence of a drill's text to a terminal.

    Its own lines name titles and activities as they are, some before any control is asked.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if any(unicodedata.category(sign) in ("Cc", "Cf") and sign not in "\n\t" for sign in text):
            record.msg = "".join(
                sign
                if sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cf")
                # An escape that shows what stood there, and does nothing.
                else repr(sign)[1:-1]
                for sign in text
            )
            record.args = ()
        return True


logging.getLogger("chaostoolkit").addFilter(PlainText())


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module_name = COMMANDS.get(cmd_name)
        if module_name is None:
            return None
        module = importlib.import_module(f"muster.cli.{module_name}")
        command = getattr(module, cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"muster.cli.{module_name}.{cmd_name} is no command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        from muster.errors import MusterError

        try:
            return super().invoke(ctx)
        except MusterError as error:
            click.echo(f"chaos drill: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=LazyGroup)
def drill() -> None:
    """Rehearse a regional failover and judge it."""
