"""Draws a drill's report in a separate process: `python -m muster.drill.drawing BUNDLE`.

The chart library holds the interpreter's lock for seconds. If the child cannot draw the report, the
verdict does not change.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from muster.drill.child import NotDone, bound_to, run_child
from muster.reports import sweep

DRAW_S_MAX = 300.0
"""Drawing two hours of evidence takes 10 s on a quiet machine."""


def draw(
    bundle: Path, seconds_max: float = DRAW_S_MAX, command: Sequence[str] | None = None
) -> str:
    """Draw the reports of `bundle` in a child process; return why that failed, or an empty text."""
    try:
        run_child("muster.drill.drawing", bundle, seconds_max, command)
    except NotDone as error:
        return f"it could not be drawn whole: {error}; chaos drill report {bundle} draws it"
    finally:
        sweep(bundle)
        sweep(bundle / "charts")
    return ""


def main(arguments: list[str]) -> int:
    """Compare the drill of bundle `arguments[0]` with earlier ones and draw its reports, for the
    process `arguments[1]`.
    """
    bound_to(int(arguments[1]), DRAW_S_MAX)
    from muster.errors import MusterError
    from muster.reports import write_reports
    from muster.reports.history.against import write_against
    from muster.signing import verify_keys

    bundle, status = Path(arguments[0]), 0
    try:
        write_against(bundle, verify_keys())
    except MusterError as error:
        print(f"comparison: {error}", file=sys.stderr)
        status = error.exit_code
    try:
        write_reports(bundle)
    except MusterError as error:
        print(error, file=sys.stderr)
        status = error.exit_code
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
