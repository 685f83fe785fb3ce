"""Writes `index.html` beside the bundles: `python -m muster.drill.listing DIRECTORY`.

In a separate process: where a key is at hand, it reads every bundle. If it fails, the drill and its
evidence are as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

from muster.drill.child import NotDone, bound_to, run_child
from muster.reports import sweep

LIST_S_MAX = 60.0


def list_drills(out_dir: Path) -> str:
    """Write the index of `out_dir` in a child process; return why that failed, or an empty text."""
    try:
        run_child("muster.drill.listing", out_dir, LIST_S_MAX)
    except NotDone as error:
        return f"it could not be written: {error}; chaos drill history --html writes it"
    finally:
        sweep(out_dir)
    return ""


def main(arguments: list[str]) -> int:
    """Write the index of the directory `arguments[0]`, for the process `arguments[1]`."""
    bound_to(int(arguments[1]), LIST_S_MAX)
    from muster.drill.lock.runs import is_running
    from muster.errors import MusterError
    from muster.reports.history.read import history
    from muster.reports.trends.page import write_index
    from muster.signing import verify_keys

    out_dir = Path(arguments[0])
    try:
        write_index(out_dir, history(out_dir, verify_keys(), is_running))
    except MusterError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
