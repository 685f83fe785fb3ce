"""`chaos drill` itself: each command is there, and starting it stays cheap."""

from __future__ import annotations

import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from muster.cli import COMMANDS, GROUPS, drill

CHAOS = str(Path(sys.executable).with_name("chaos"))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_can_be_had(name: str) -> None:
    """Each command that is listed is there and says what it does."""
    command = drill.get_command(click.Context(drill), name)
    assert command is not None
    assert command.help
    assert "\b\nExample:\n  chaos drill" in cleandoc(command.help)


def test_help_lists_every_command_once() -> None:
    """The groups of `chaos drill --help` hold all commands; one in no group would not be shown."""
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(COMMANDS)
    shown = CliRunner().invoke(drill, ["--help"]).output
    for title, names in GROUPS.items():
        assert f"{title}:" in shown
        assert all(f"\n  {name} " in shown for name in names)


def test_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    """An unknown command is one line of usage and exit 2."""
    done = subprocess.run(
        [CHAOS, "--no-version-check", "drill", "evaporate"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "evaporate" in done.stderr
    assert "Traceback" not in done.stderr


def test_listing_commands_imports_nothing_heavy(tmp_path: Path) -> None:
    """The plug-in that Chaos Toolkit imports at every start brings none of the engine."""
    code = (
        "import sys; import muster.cli, muster.controls.drill, muster.actions.failover, "
        "muster.actions.fault, muster.actions.undo, probes.verdict, probes.series, "
        "probes.workloads; "
        # What Chaos Toolkit and the control do with a drill before any of it runs.
        "import inspect; inspect.getmembers(muster.actions.fault); "
        "import muster.drill.plan.form; from muster.drill.plan.steps import steps; steps(); "
        "print([m for m in "
        "('boto3', 'numpy', 'pydantic', 'httpx', 'redis', 'jinja2', 'moto', 'uvloop') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
