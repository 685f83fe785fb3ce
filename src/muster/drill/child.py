"""Runs a module of Muster in a separate process, which ends with its parent and after a time limit.

For what would hold the interpreter's lock, or would read much: in the drill's process that would
stop its beats, its progress and its signal handling.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from muster import home
from muster.child import run_to_end


class NotDone(Exception):
    """Why the child did not do it, in one line."""


def run_child(
    module: str, path: Path, seconds_max: float, command: Sequence[str] | None = None
) -> None:
    """Run `python -m MODULE PATH`, or `command` instead; raises NotDone if it fails."""
    own = [sys.executable, "-m", module, str(path.resolve()), str(os.getpid())]
    env = {**os.environ, "MUSTER_HOME": str(home.root())}
    try:
        # Of its own session: a terminal's signals ask the drill to stop, but it has ended by now.
        code, said = run_to_end(command or own, seconds_max, cwd=home.root(), env=env)
    except OSError as error:
        raise NotDone(str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise NotDone(f"not within {seconds_max:g} s") from error
    if code:
        raise NotDone(said)


def bound_to(parent: int, seconds_max: float) -> None:
    """In the child: end with the process `parent`, and after `seconds_max`."""
    from muster.testbed.wire.process import die_with_parent

    # The kernel's alarm ends the process even while a library holds the interpreter's lock.
    signal.setitimer(signal.ITIMER_REAL, seconds_max)
    die_with_parent(parent)
