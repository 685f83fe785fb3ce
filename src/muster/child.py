"""Runs a program to its end, with a limit of time, and leaves none of its processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_to_end(
    command: Sequence[str],
    seconds_max: float,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run `command` without a shell: its exit code, and the last line of its standard error.

    It has a session of its own, so that the signals of a terminal do not reach it, and whatever it
    started is killed with it. Raises OSError if it cannot be started, TimeoutExpired (of
    `subprocess`) if it did not end by itself.
    """
    child = subprocess.Popen(
        list(command),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        _, said = child.communicate(timeout=seconds_max)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    return child.returncode, (said.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
