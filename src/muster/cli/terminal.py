"""Shows a running drill: in a terminal a block that is drawn again, else one line every 10 s.

A terminal that cannot be drawn on (`TERM=dumb`) is treated as a pipe. `NO_COLOR` leaves colours
out.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from muster.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from muster.drill.live.shown import Shown

DRAW_S = 2.0
LINE_S = 10.0
NAMES = 10
"""Width of the names of rows."""
STYLES = {"good": "green", "warn": "yellow", "bad": "bold red", "": ""}
Look = Callable[[], "Shown"]


def drawable(stream: IO[str] | None) -> bool:
    """Whether `stream` is a terminal on which lines can be drawn again; None: it was closed."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


@dataclass(frozen=True)
class Pace:
    """How long to wait between two looks: `wait` returns True if the view is to end."""

    wait: Callable[[float], bool]
    every_s: float = DRAW_S


def until(still: Callable[[], bool], clock: Clock = SYSTEM_CLOCK) -> Pace:
    """The pace of a view that goes on while `still`."""

    def wait(seconds: float) -> bool:
        clock.sleep(seconds)
        return not still()

    return Pace(wait)


def follow(look: Look, say: Callable[[str], object], pace: Pace, *, says_end: bool = True) -> Shown:
    """Say a line about every 10 s until the drill is judged or the view ends; the last look.

    `says_end`: the last look is said too, whenever it is.
    """
    from muster.drill.live.words import line

    looks = max(round(LINE_S / pace.every_s), 1)
    number, ended = 0, False
    while True:
        shown = look()
        ended = ended or shown.judged
        if says_end if ended else number % looks == 0:
            say(line(shown))
        if ended:
            return shown
        ended = pace.wait(pace.every_s)
        number += 1


def follow_drawn(
    look: Look,
    stream: IO[str],
    pace: Pace,
    begun: Callable[[IO[str]], object] = lambda above: None,
) -> Shown:
    """Draw a block on the terminal `stream`, until the drill is judged or the view ends.

    `begun` gets a stream that writes above the block. The block is gone at the end; returns the
    last look.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream)
    shown = look()
    with Live(
        block(shown, console.width),
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        begun(cast("IO[str]", _Above(console)))
        ended = shown.judged
        while not ended:
            ended = pace.wait(pace.every_s)
            shown = look()
            ended = ended or shown.judged
            live.update(block(shown, console.width), refresh=True)
    return shown


class _Above:
    """A stream whose whole lines stand above the block, as long as they are, with their colours."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = ""

    def write(self, text: str) -> int:
        from rich.text import Text

        *whole, self._begun = (self._begun + text).split("\n")
        for one in whole:
            self._console.print(Text.from_ansi(one), soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Every whole line is printed already."""


def print_block(shown: Shown) -> None:
    """How a drill stands, on standard output."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    console.print(block(shown, console.width), end="")


def block(shown: Shown, width: int) -> Text:
    """The rows, each name beside its text; every text is shown as it is, never as markup.

    Lines are broken here: rich's tables take several times as long.
    """
    from rich.text import Text

    from muster.drill.live.words import rows

    found = Text(no_wrap=True, overflow="crop")
    for name, text, state in rows(shown):
        for part in textwrap.wrap(text, max(width - NAMES - 1, NAMES)) or [""]:
            found.append(name.ljust(NAMES), "dim").append(part, STYLES[state]).append("\n")
            name = ""
    return found
