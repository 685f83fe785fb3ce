"""`chaos drill …`: finds a command by its name and imports it only when it is used.

Chaos Toolkit imports this module at every start, so it imports nothing but click. It also escapes
control sequences in the lines that Chaos Toolkit logs, and lets `chaos run` refuse bad input before
Chaos Toolkit reads it.
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys
import unicodedata
from typing import Any, NoReturn

import click

COMMANDS = {
    "up": "testbed",
    "down": "testbed",
    "status": "testbed",
    "watch": "watch",
    "load": "load",
    "judge": "judge",
    "gate": "judge",
    "contract": "judge",
    "report": "report",
    "history": "history",
    "compare": "compare",
    "annotate": "annotate",
    "schedule": "schedule",
    "key": "key",
    "recover": "recover",
    "standby": "standby",
    "abort": "abort",
    "plan": "plan",
    "doctor": "doctor",
    "unlock": "unlock",
    "init": "init",
    "promotion": "promotion",
    "slo": "slo",
}
"""The module of `muster.cli` that holds each command."""

GROUPS = {
    "Prepare a drill": ("init", "doctor", "plan", "schedule", "up", "down"),
    "Look": ("status", "watch"),
    "Stop and restore": ("abort", "recover", "standby", "unlock"),
    "Evidence": ("judge", "report", "annotate", "history", "compare", "gate", "key", "contract"),
    "Load": ("load",),
    "Real traffic": ("promotion", "slo"),
}
"""Commands by purpose, in the order of `chaos drill --help`."""


PLAN = "muster.plan"
"""Where a command of Chaos Toolkit keeps that only the plan is asked for."""


class PlainText(logging.Filter):
    """Escapes control sequences of a drill's text in the log lines of Chaos Toolkit.

    Chaos Toolkit logs titles and activity names unchanged, some before it calls any control.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if any(unicodedata.category(sign) in ("Cc", "Cf") and sign not in "\n\t" for sign in text):
            record.msg = "".join(
                sign
                if sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cf")
                # An escape that shows the character without its effect.
                else repr(sign)[1:-1]
                for sign in text
            )
            record.args = ()
        return True


class Uncoloured(logging.Filter):
    """Takes the colours from pipes and log files before their first line is written."""

    done = False

    def filter(self, record: logging.LogRecord) -> bool:
        if not self.done and logging.getLogger(record.name).handlers:
            from muster.cli.console import without_colours

            self.done = True
            without_colours()
        return True


logging.getLogger("chaostoolkit").addFilter(PlainText())
logging.getLogger("chaostoolkit").addFilter(Uncoloured())


# A group without arguments shows its help; older versions of click have no error for it.
_HELP_WANTED = getattr(click.exceptions, "NoArgsIsHelpError", ())


class LazyGroup(click.Group):
    """A group that imports a command only when it is used, and lists commands by purpose."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = formatter.width - 6 - max(map(len, COMMANDS))
        for title, names in GROUPS.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, one.get_short_help_str(width)) for name, one in found if one is not None]
            with formatter.section(title):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from muster.errors import nearest

            ctx.fail(f"No such command '{args[0]}'{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module_name = COMMANDS.get(cmd_name)
        if module_name is None:
            return None
        module = importlib.import_module(f"muster.cli.{module_name}")
        command = getattr(module, cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"muster.cli.{module_name}.{cmd_name} is not a command")
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            return _leave(ctx, error)

    def invoke(self, ctx: click.Context) -> Any:
        from muster.errors import MusterError

        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            _leave(ctx, error)
        except MusterError as error:
            click.echo(f"chaos drill: {error}", err=True)
            ctx.exit(error.exit_code)


def _leave(ctx: click.Context, error: click.UsageError) -> NoReturn:
    """Leave for wrong arguments as for any bad input: one line, exit code 2."""
    if isinstance(error, _HELP_WANTED):
        error.show()
    else:
        path = (error.ctx or ctx).command_path
        said = " ".join(error.format_message().split()).rstrip(".")
        click.echo(f"{path}: {said}; see {path} --help", err=True)
    ctx.exit(error.exit_code)


def _extend(command: click.Command) -> None:
    """Let Chaos Toolkit's `command` refuse bad input before it reads the drill, and show the drill.

    Its control is asked too late for this: after the file was loaded, and within a run.
    """
    original = command.callback
    if original is None:
        return

    @functools.wraps(original)
    def extended(*args: Any, **kwargs: Any) -> Any:
        context = click.get_current_context(silent=True)
        if context is not None and context.meta.get(PLAN):
            return _show_plan(context)
        from muster.cli.console import shown
        from muster.controls.before import refuse_bad_input, refuse_unbegun

        with shown():
            refuse_bad_input()
            result = original(*args, **kwargs)
            refuse_unbegun(result or {})
            return result

    command.callback = extended
    if command.name == "run":
        command.params.append(
            click.Option(
                ["--plan"],
                is_flag=True,
                expose_value=False,
                callback=_plan_asked,
                help="Show what a drill would change, or a game day in times. Runs nothing.",
            )
        )


def _plan_asked(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[PLAN] = bool(value)


def _show_plan(ctx: click.Context) -> None:
    """`chaos run --plan SOURCE`: what `chaos drill plan SOURCE` shows."""
    from muster.cli.plan import described
    from muster.controls.invocation import invocation
    from muster.errors import MusterError

    called = invocation()
    if called is None:
        return
    try:
        for line in described(called.source, called.given).lines():
            click.echo(line)
    except MusterError as error:
        click.echo(f"chaos run: {error}", err=True)
        ctx.exit(error.exit_code)


for _name in ("run", "validate"):
    # Chaos Toolkit loads its own commands before it asks for plug-ins, which may override them.
    if (_module := sys.modules.get(f"chaostoolkit.commands.{_name}")) is not None:
        _extend(getattr(_module, _name))


@click.group(cls=LazyGroup)
def drill() -> None:
    """Run, watch, restore and judge region-failover drills.

    A drill itself is started with `chaos run drills/region_failover.json`. Every command has --help
    with an example.
    """
