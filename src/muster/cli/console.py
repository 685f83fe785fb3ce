"""What `chaos run` shows of a drill in its own terminal, beside the lines that are logged.

In a terminal the drill's state is one block below the log, drawn again every 2 s, and Chaos
Toolkit's own lines go to the log file alone; in a pipe it is one more line of the log every 10 s.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from muster.clock import SYSTEM_CLOCK
from muster.drill.unwaited import unwaited

logger = logging.getLogger("chaostoolkit")
THEIRS = ("chaoslib", "chaostoolkit")
LOOK_S = 0.5
JOIN_S = 5.0
FORMAT = "[%(asctime)s %(levelname)s] %(message)s"
FORMAT_FILE = "[%(asctime)s %(levelname)s] [%(module)s:%(lineno)d] %(message)s"
DATES = "%Y-%m-%d %H:%M:%S"


@contextmanager
def shown() -> Iterator[None]:
    """Show the drill that begins in this block, if one does, until the block ends."""
    end = threading.Event()
    with unwaited(sys.stderr) as to, ExitStack() as restores:
        # A terminal that is stopped must not stop the drill, which logs from its own thread.
        for handler in _console_handlers():
            if handler.stream is sys.stderr is not to:
                restores.callback(handler.setStream, handler.setStream(to))
        thread = threading.Thread(target=_show, args=(end, to), name="muster-console", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join(JOIN_S)


def _show(end: threading.Event, to: IO[str]) -> None:
    """Wait for the drill of this process, and follow it. What fails here stops no drill."""
    from muster.drill.current import installed

    while not end.is_set():
        session = installed()
        if session is not None:
            try:
                _follow(session.bundle, end, to)
            except Exception:
                logger.debug("the view of the drill ended", exc_info=True)
            return
        SYSTEM_CLOCK.wait(end, LOOK_S)


def _follow(bundle: Path, end: threading.Event, to: IO[str]) -> None:
    from muster.cli.terminal import LINE_S, Pace, drawable, follow, follow_drawn
    from muster.drill.live.shown import Follower

    def wait(seconds: float) -> bool:
        return SYSTEM_CLOCK.wait(end, seconds)

    look = Follower(bundle).look
    if drawable(to):
        with ExitStack() as restores:
            follow_drawn(look, to, Pace(wait), lambda above: _through(above, restores))
    else:
        # How it ended is said by the drill's closing lines.
        say = lambda text: logger.info("%s", text)  # noqa: E731
        follow(look, say, Pace(wait, LINE_S), says_end=False)


def _through(to: IO[str], restores: ExitStack) -> None:
    """Let the log go above the block, without Chaos Toolkit's own lines below a warning."""
    for handler in _console_handlers():
        before = handler.setStream(to)
        handler.addFilter(_worth_a_line)
        restores.callback(handler.setStream, before)
        restores.callback(handler.removeFilter, _worth_a_line)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Chaos Toolkit's lines below a warning say what the block shows."""
    packages = [sys.modules[name].__file__ for name in THEIRS if name in sys.modules]
    theirs = tuple(str(Path(one).parent) + os.sep for one in packages if one)
    return record.levelno >= logging.WARNING or not record.pathname.startswith(theirs)


def _console_handlers() -> list[logging.StreamHandler[Any]]:
    return [
        one
        for one in logger.handlers
        if isinstance(one, logging.StreamHandler) and not isinstance(one, logging.FileHandler)
    ]


def without_colours() -> None:
    """Chaos Toolkit colours its lines in pipes and log files too; only a terminal shows colours."""
    from muster.cli.terminal import drawable

    for handler in logger.handlers:
        if type(handler.formatter).__name__ != "LogFormatter":
            continue
        if isinstance(handler, logging.FileHandler):
            handler.setFormatter(logging.Formatter(FORMAT_FILE, DATES))
        elif isinstance(handler, logging.StreamHandler) and (
            os.environ.get("NO_COLOR") or not drawable(handler.stream)
        ):
            handler.setFormatter(logging.Formatter(FORMAT, DATES))
