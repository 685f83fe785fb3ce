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


class NotDone(Exception):
    """Why the child did not do it, in one line."""


def run_child(
    module: str, path: Path, seconds_max: float, command: Sequence[str] | None = None
) -> None:
    """Run `python -m MODULE PATH`, or `command` instead; raises NotDone if it fails."""
    own = [sys.executable, "-m", module, str(path.resolve()), str(os.getpid())]
    try:
        child = subprocess.Popen(
            list(command or own),
            cwd=home.root(),
            env={**os.environ, "MUSTER_HOME": str(home.root())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # A terminal's signals ask the drill to stop, but it has ended by now.
            start_new_session=True,
        )
    except OSError as error:
        raise NotDone(str(error)) from error
    try:
        _, said = child.communicate(timeout=seconds_max)
    except subprocess.TimeoutExpired as error:
        raise NotDone(f"not within {seconds_max:g} s") from error
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    if child.returncode:
        raise NotDone((said.strip().splitlines()[-1:] or [f"exit code {child.returncode}"])[0])


def bound_to(parent: int, seconds_max: float) -> None:
    """In the child: end with the process `parent`, and after `seconds_max`."""
    from muster.testbed.wire.process import die_with_parent

    # The kernel's alarm ends the process even while a library holds the interpreter's lock.
    signal.setitimer(signal.ITIMER_REAL, seconds_max)
    die_with_parent(parent)
