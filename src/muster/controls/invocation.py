"""How Chaos Toolkit was called: its file, `--var`, and strategies that override the drill's own.

Chaos Toolkit passes none of this to a control, and drops a `--var` that no configuration declares.
It knows the exit codes 0 and 1 alone; a drill's verdict has one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click
from chaoslib import merge_vars

_EXIT_CODE = "muster.exit_code"


@dataclass(frozen=True)
class Invocation:
    """The command line of `chaos run` or `chaos validate`. `runs`: activities will be run."""

    source: str
    given: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, str | None] = field(default_factory=dict)
    runs: bool = False


def invocation() -> Invocation | None:
    """How this process was called; None if no command of Chaos Toolkit runs."""
    context = click.get_current_context(silent=True)
    while context is not None and "source" not in context.params:
        context = context.parent
    if context is None:
        return None
    params = context.params
    from_files, _ = merge_vars({}, list(params.get("var_file") or ()))
    return Invocation(
        source=str(params["source"]),
        given={**from_files, **(params.get("var") or {})},
        flags={
            "hypothesis": params.get("hypothesis_strategy"),
            "rollbacks": params.get("rollback_strategy"),
        },
        runs="dry" in params and params["dry"] is None,
    )


def exit_with(code: int) -> None:
    """Make the running command exit with `code`, whatever its own exit code would be.

    The last code counts. Does nothing if no command of Chaos Toolkit runs.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return

    def leave() -> None:
        raise SystemExit(context.meta[_EXIT_CODE])

    if _EXIT_CODE not in context.meta:
        context.call_on_close(leave)
    context.meta[_EXIT_CODE] = code
