"""How Chaos Toolkit was called: its file, `--var`, and strategies that override the drill's own.

Chaos Toolkit passes none of this to a control, and drops a `--var` that no configuration declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from chaoslib import merge_vars
from chaoslib.loader import parse_experiment_from_file


@dataclass(frozen=True)
class Invocation:
    """The command line of `chaos run` or `chaos validate`."""

    source: str
    given: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, str | None] = field(default_factory=dict)

    def experiment(self) -> dict[str, Any] | None:
        """The drill in its file; None if there is no file, or it cannot be read as a drill."""
        try:
            found = parse_experiment_from_file(self.source) if Path(self.source).is_file() else None
        except Exception:  # Chaos Toolkit itself reports what is wrong with such a file
            return None
        return found if isinstance(found, dict) else None


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
    )


def exit_with(code: int) -> None:
    """Make the running command exit with `code`, whatever its own exit code would be."""
    context = click.get_current_context(silent=True)

    def leave() -> None:
        raise SystemExit(code)

    if context is not None:
        context.call_on_close(leave)
