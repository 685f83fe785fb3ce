"""`python ending_drill.py TARGET_FILE BUNDLE MODE`: a drill's process at its end, guarded.

The bundle holds a whole drill but for the lines of its end. `hogs` keeps the interpreter's lock for
longer than a lease while it is guarded; `released` does so after the guard's duty has ended, and
then concludes; `decided` writes its verdict and waits to be killed; `complete` waits before it.
"""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path

from guarded_drill import configuration

from muster.drill import conclude as concluding
from muster.drill.lock.runs import RunFiles
from muster.drill.stop import StopFlag
from muster.drill.watchdog.handle import Watchdog
from muster.drill.watchdog.silence import LEASE_S
from muster.judge.verdict import judge, write_verdict
from muster.ledger import Ledger


def hog(seconds: float) -> None:
    """Hold the interpreter's lock: no thread of this process runs meanwhile."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


def main(target_file: str, bundle: Path, mode: str) -> int:
    """Run until killed, or to the end."""
    stop = StopFlag()
    watchdog = Watchdog(RunFiles(bundle.name), "it", stop)
    ledger = Ledger(bundle / "ledger.jsonl")
    watchdog.configure(configuration(target_file, bundle), ledger.append)
    watchdog.act()
    print("guarded", flush=True)
    if mode == "hogs":
        hog(2.5 * LEASE_S)
        time.sleep(60)
        return 1
    assert watchdog.release()
    ledger.append("watchdog", state="released")
    if mode == "complete":
        print("released", flush=True)
        time.sleep(600)
    ledger.append("drill_ended")
    ledger.close()
    if mode == "decided":
        write_verdict(bundle, judge(bundle))
        print("decided", flush=True)
        time.sleep(600)
    hog(2.5 * LEASE_S)
    concluding.draw = lambda bundle: ""  # what a report takes is another test's
    print(concluding.conclude(bundle).verdict, stop.reason, flush=True)
    watchdog.stand_down()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
