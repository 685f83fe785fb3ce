"""`python stopped_drill.py BUNDLE`: a drill that waits for Ctrl-C, restores three lamps, and ends.

Signals, restoring, judging and the closing lines are the drill's own; its load and its watchdog are
stand-ins. Each revert says `reverting NAME` and waits for a line of standard input.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from floor_fixtures import REGION, a_target
from test_drill_finish import Made
from test_drill_restore import Lamp

from muster.clock import SYSTEM_CLOCK
from muster.controls.drill import _take_signals
from muster.drill import conclude as concluding
from muster.drill.finish import finish
from muster.faults import kinds
from muster.ledger import Ledger
from muster.platform import platform_of
from muster.platform.steering import Expected
from muster.undo import UndoHeader, UndoLog


class SlowLamp(Lamp):
    """It takes until somebody lets it go on."""

    on = dict.fromkeys("abc", True)

    def revert(self) -> None:
        print(f"reverting {self.name}", flush=True)
        sys.stdin.readline()
        super().revert()


def main(bundle: Path) -> int:
    """Run to the end; the exit code is the verdict's."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    logging.getLogger("chaostoolkit").setLevel(logging.INFO)
    kinds()["lamp"] = SlowLamp
    platform = platform_of(a_target())
    session = Made(started=False).session
    session.bundle, session.platform, session.clock = bundle, platform, SYSTEM_CLOCK
    session.undo = UndoLog(bundle / "undo.jsonl", UndoHeader(bundle.name, "it", "it.yaml"))
    session.ledger = Ledger(bundle / "ledger.jsonl")
    session.record = session.ledger.append
    session.plan = SimpleNamespace(target_file="it.yaml")
    session.expected, session.restored, session.owns_testbed = Expected(), False, False
    session.slow, session.allow_slow = lambda call: call(), lambda: None
    session.metrics = SimpleNamespace(close=lambda: None)
    session.lock = SimpleNamespace(release=lambda: None, outlived=False)
    session.target, session.drill_id = a_target(), bundle.name
    session.watchdog.stand_down = session.close_begun = lambda: None
    for name in "abc":
        lamp = SlowLamp(platform, REGION, name)
        entry = session.undo.add(lamp.kind, lamp.subject, lamp.undo_params(), REGION)
        session.record("undo", entry_id=entry.entry_id, subject=entry.subject, state="pending")
        lamp.apply()
    concluding.draw = lambda bundle: ""  # what a report takes is another test's
    _take_signals(session)
    print("running", flush=True)
    while not session.stop.is_set:
        time.sleep(0.02)
    return finish(session).exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
