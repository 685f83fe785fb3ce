"""A drill's pod as processes of this machine: it darkens a region, and waits to be killed.

`python tests/pod_drill.py TARGET`: prints its watchdog's process id once the region is dark, and
why its lock was lost if it was.
"""

from __future__ import annotations

import signal
import sys

from floor_fixtures import REGION

from muster import home, targets
from muster.drill.lock.held import TargetLock
from muster.drill.lock.runs import RunFiles
from muster.drill.stop import StopFlag
from muster.drill.undo.store import open_undo
from muster.drill.watchdog.handle import Watchdog
from muster.faults.region_power import RegionPower
from muster.faults.traffic_shift import TrafficShift
from muster.platform import platform_of
from muster.undo import UndoHeader

DRILL = "20260101T000000Z-region_failover-ab12"


def main(file: str) -> None:
    """Take the lock, start the watchdog, log each inverse, move the traffic away, go dark."""
    target = targets.load(file)
    lock = TargetLock(target, DRILL)
    lock.acquire()
    lock.on_lost(lambda why: print(f"lost: {why}", flush=True))
    watchdog = Watchdog(RunFiles(DRILL), target.name, StopFlag())
    bundle = home.out_dir() / DRILL
    undo = open_undo(target, bundle / "undo.jsonl", UndoHeader(DRILL, target.name, file))
    platform = platform_of(targets.resolve(target))
    for fault in (TrafficShift(platform, REGION, 0), RegionPower(platform, REGION)):
        undo.add(fault.kind, fault.subject, fault.undo_params(), fault.region)
        fault.apply()
    print(watchdog.pid, flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
