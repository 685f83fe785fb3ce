"""The watchdog's process: the loop around `watchdog_end`, and what it does in a drill's place.

SIGTERM, SIGINT and SIGHUP do not end it: to stop a drill, signal the drill or use `chaos drill
abort`. It ends when the drill says so, or after it has taken over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

from muster import contract as contracts
from muster import targets, testbed
from muster.clock import SYSTEM_CLOCK
from muster.drill.stop import StopReason
from muster.drill.unwaited import unwaited
from muster.drill.watchdog import patrol as patrols
from muster.drill.watchdog.channel import Channel
from muster.drill.watchdog.messages import FROM_DRILL, Configure, Hello
from muster.drill.watchdog.peer import Peer
from muster.drill.watchdog.protocol import Duty
from muster.drill.watchdog.silence import TICK_S
from muster.drill.watchdog.take_over import Place, clean_up, end_unbegun, take_over
from muster.drill.watchdog.watchdog_end import WatchdogEnd
from muster.errors import BadInput
from muster.faults import registered
from muster.platform import platform_of
from muster.redact import quiet
from muster.targets import Target


def guard(config: Configure) -> Place:
    """Begin to look at what that drill describes. Raises MusterError."""
    # Imported now: a take-over must not depend on files that change while the drill runs.
    registered()
    platform = platform_of(_reach(config.target_file))
    contract = contracts.load(config.contract_file)
    patrol = patrols.begin(platform, contract, config.gate, config.time_scale, config.records)
    return Place.of(config, platform, patrol)


def stand_in(
    duty: Duty,
    hello: Hello,
    place: Place | None,
    reason: StopReason,
    beat: Callable[[], None],
    *,
    confirmed: bool,
) -> int:
    """Do the drill's remaining work; return the exit code, 0 if everything is restored."""
    with _beating(beat):
        if duty is Duty.END_UNBEGUN or place is None:
            end_unbegun(hello)
            return 0
        end = clean_up if duty is Duty.CLEAN_UP else take_over
        return end(place, reason, confirmed=confirmed)


@contextlib.contextmanager
def _beating(beat: Callable[[], None]) -> Iterator[None]:
    """Keep beating, so that other processes see that this one works."""
    over = threading.Event()

    def run() -> None:
        while not SYSTEM_CLOCK.wait(over, TICK_S):
            beat()

    thread = threading.Thread(target=run, name="muster-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _reach(target_file: str) -> Target:
    target = targets.load(target_file)
    if target.class_ != "testbed":
        return targets.resolve(target)
    state = testbed.status(target.name)
    if state is None:
        raise BadInput(f"testbed {target.name}", "", "down", "a testbed that is up")
    return targets.resolve(target, testbed=state.endpoints)


def main(arguments: list[str]) -> int:
    """Guard the drill at the other end of descriptor `arguments[0]`."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.raiseExceptions = False  # its terminal may be gone: no line is worth dying for
    # Taken from the descriptor that the drill left open for this process alone.
    with unwaited(sys.stderr) as said, socket.socket(fileno=int(arguments[0])) as sock:
        form = "%(asctime)s %(levelname)s %(message)s"
        logging.basicConfig(level=logging.WARNING, format=form, stream=said)
        quiet(logging.getLogger("chaostoolkit"))
        channel = Channel(sock, FROM_DRILL)
        end = WatchdogEnd(channel, Peer(os.getppid()), guard, stand_in)
        while True:
            select.select([channel], [], [], TICK_S)
            code = end.turn()
            if code is not None:
                return code
