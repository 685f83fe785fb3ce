"""Draws a drill's report in a separate process: `python -m muster.drill.drawing BUNDLE`.

The chart library holds the interpreter's lock for seconds. In the drill's process that would stop
its beats, its progress and its signal handling. The child ends with its parent and after a time
limit; if it cannot draw the report, the verdict does not change.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from muster import home

logger = logging.getLogger("chaostoolkit")
DRAW_S_MAX = 300.0
"""Drawing two hours of evidence takes 10 s on a quiet machine."""


def draw(
    bundle: Path, seconds_max: float = DRAW_S_MAX, command: Sequence[str] | None = None
) -> str:
    """Draw the reports of `bundle` in a child process; return why that failed, or an empty text."""
    own = [sys.executable, "-m", "muster.drill.drawing", str(bundle.resolve()), str(os.getpid())]
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
        return f"it could not be drawn: {error}"
    try:
        _, said = child.communicate(timeout=seconds_max)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return f"it was not drawn within {seconds_max:g} s: chaos drill report {bundle} draws it"
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
        _sweep(bundle)
    if child.returncode == 0:
        return ""
    last = said.strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
    return f"it could not be drawn: {last[0]}"


def _sweep(bundle: Path) -> None:
    """Remove half-written files of a killed child: they are no evidence."""
    for left in bundle.rglob(".report-*"):
        left.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    """Draw the reports of bundle `arguments[0]` for the process `arguments[1]`."""
    from muster.testbed.wire.process import die_with_parent

    # The kernel's alarm ends the process even while a library holds the interpreter's lock.
    signal.setitimer(signal.ITIMER_REAL, DRAW_S_MAX)
    die_with_parent(int(arguments[1]))
    from muster.errors import MusterError
    from muster.reports import write_reports

    try:
        write_reports(Path(arguments[0]))
    except MusterError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
