"""`python deaf_drill.py TARGET_FILE BUNDLE MODE`: a drill's process that does not do its part.

It has asked a region to drain, is guarded, and then `deaf` hears no order to stop, and `idle` does
as it should: nothing, until it is told to stop.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from floor_fixtures import REGION
from guarded_drill import configuration

from muster.drill.lock.runs import RunFiles
from muster.drill.stop import StopFlag
from muster.drill.watchdog.handle import Watchdog
from muster.ledger import Ledger
from muster.undo import UndoHeader, UndoLog


def main(target_file: str, bundle: Path, mode: str) -> int:
    """Run until killed, or until told to stop."""
    stop = StopFlag()
    watchdog = Watchdog(RunFiles(bundle.name), "it", stop)
    ledger = Ledger(bundle / "ledger.jsonl")
    ledger.append("drill_started", drill_id=bundle.name)
    undo = UndoLog(bundle / "undo.jsonl", UndoHeader(bundle.name, "it", target_file))
    undo.add("drain", f"drain {REGION}", {}, REGION)
    watchdog.configure(configuration(target_file, bundle), ledger.append)
    watchdog.arm()
    print("guarded", flush=True)
    while mode != "idle" or not stop.is_set:
        stop.allow(0)
        time.sleep(0.05)
    assert stop.reason is not None
    watchdog.act()
    print(stop.reason.by, flush=True)
    watchdog.stand_down()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
