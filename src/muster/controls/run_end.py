"""What the controls of a drill and of a day share: signals that ask to stop, and the end of a run.

Whatever goes wrong at the end, the run is marked as deviated and does not exit 0.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from muster.controls.invocation import exit_with

logger = logging.getLogger("chaostoolkit")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SAID_MAX = 500
_handlers_before: dict[signal.Signals, Any] = {}


def deviate(state: Any) -> None:
    """Mark the run, of which `state` is the journal, as deviated."""
    if isinstance(state, dict):
        state["deviated"] = True


def last_line(state: dict[str, Any]) -> str:
    """The last line of what a failed activity raised; empty if it raised nothing."""
    trace = state.get("exception") or [""]
    return (str(trace[-1]).strip().splitlines()[-1:] or [""])[0][:SAID_MAX]


def take_signals(asked: Callable[[str], object]) -> None:
    """SIGTERM, SIGINT and SIGHUP call `asked` with their name; further ones call it again.

    Under `nohup` SIGHUP is ignored, and stays so. Outside of the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def handler(number: int, frame: FrameType | None) -> None:
        asked(signal.Signals(number).name)

    for number in SIGNALS:
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        _handlers_before[number] = signal.signal(number, handler)


def give_signals_back() -> None:
    """Restore the handlers from before `take_signals`."""
    for number, handler in list(_handlers_before.items()):
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        del _handlers_before[number]


def end_run(
    what: str, state: Any, code: int, finish: Callable[[], int], forget: Callable[[], None]
) -> None:
    """End the drill or the day: `finish` gives the exit code, `forget` uninstalls it.

    `what`: which of the two, for the log; `code`: the exit code if `finish` raises.
    """
    try:
        code = finish()
    except Exception as error:  # whatever goes wrong here, the run must not exit 0
        logger.error("the %s could not be ended cleanly: %s", what, error)
        logger.debug("ending the %s", what, exc_info=True)
    finally:
        forget()
        if code:
            deviate(state)
            exit_with(code)
        # Last of all: Chaos Toolkit's own handler raises, which it would ignore here.
        give_signals_back()
