"""How a terminal and a pipe show a drill: a block that is drawn again, or a line every 10 s."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import chaoslib.run
import pytest
from chaoslib.log import LogFormatter
from test_live import SHOWN

from muster.cli import console
from muster.cli.terminal import DRAW_S, LINE_S, Pace, block, drawable, follow, follow_drawn
from muster.drill import unwaited
from muster.drill.live.shown import Shown
from muster.drill.live.words import line, rows

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def looks(count: int) -> Callable[[], Shown]:
    """A drill that is over at the look with that number; looks are numbered from 0."""
    made = iter(range(count + 1))

    def look() -> Shown:
        number = next(made)
        over = number == count
        return replace(SHOWN, elapsed_s=float(number), over=over, verdict="PASS" if over else "")

    return look


def lines_of(every_s: float, count: int, *, says_end: bool = True) -> tuple[list[str], list[float]]:
    said: list[str] = []
    waited: list[float] = []
    pace = Pace(lambda s: bool(waited.append(s)), every_s)
    follow(looks(count), said.append, pace, says_end=says_end)
    found = [re.search(r"; ([^;]* so far[^;]*|took [^;]*);", one) for one in said]
    return [one.group(1) for one in found if one is not None], waited


def test_a_pipe_gets_a_line_every_ten_seconds_and_the_end() -> None:
    """However often the view looks; the end comes with its own look, not ten seconds later."""
    said, waited = lines_of(DRAW_S, 7)
    assert said[:2] == [f"{n} s so far, about 1 min 01 s left (ends at 14:16 UTC)" for n in (0, 5)]
    assert (said[2:], sum(waited)) == (["took 7 s"], 7 * DRAW_S)
    assert len(lines_of(LINE_S, 3)[0]) == 4


def test_the_drills_own_log_leaves_the_end_to_the_closing_lines() -> None:
    """They say more, and nothing is said twice."""
    assert lines_of(LINE_S, 2, says_end=False)[0] == lines_of(LINE_S, 2)[0][:2]


def test_a_view_that_is_ended_looks_once_more() -> None:
    """A verdict may have come with the end of the drill's processes."""
    said: list[str] = []
    follow(lambda: SHOWN, said.append, Pace(lambda s: True))
    assert said == [line(SHOWN)] * 2


def test_long_lines_of_the_log_are_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a path could not be copied."""
    path = "/tmp/" + "x" * 300
    assert path in drawn(monkeypatch, above=f"report: {path}\n")


def drawn(
    monkeypatch: pytest.MonkeyPatch, above: str = "a line of the log\n", **variables: str
) -> str:
    """What a terminal gets of three looks, with a line of the log in between."""
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "120", **variables}.items():
        monkeypatch.setenv(name, value)
    stream, waits = Terminal(), iter([False, False, True])
    follow_drawn(
        lambda: SHOWN,
        stream,
        Pace(lambda s: next(waits)),
        lambda stream: [stream.write(part) for part in (above[:5], above[5:])],
    )
    return stream.getvalue()


def test_the_block_is_drawn_below_the_log_and_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each row once a look; the log's line stays above it."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = drawn(monkeypatch)
    assert text.count("a line of the log") == 1
    assert text.count("phase 6 of 8: dark, judged by Tier G") >= 3
    assert text.index("a line of the log") < text.rindex("phase 6 of 8")
    assert "\x1b[33m" in text
    # The last rows are erased: one step up and one erased line for each.
    assert text.count("\x1b[2K") >= 3 * len(rows(SHOWN))


def test_no_color_leaves_the_colours_out_and_a_dumb_terminal_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cursor still moves with NO_COLOR."""
    assert not re.search(r"\x1b\[[0-9;]*3[1-7]m", drawn(monkeypatch, NO_COLOR="1"))
    assert drawable(Terminal())
    for term in ("dumb", ""):
        monkeypatch.setenv("TERM", term)
        assert not drawable(Terminal())
    assert not drawable(io.StringIO())


def test_text_of_the_platform_cannot_steer_the_terminal() -> None:
    """Control sequences are shown, not obeyed, in the block and in the line."""
    shown = replace(SHOWN, drill=HOSTILE, stopped_by=HOSTILE, stopped_why="[red]no markup[/red]")
    texts = [line(shown), *(text for _, text, _ in rows(shown))]
    assert not [text for text in texts if not text.isprintable()]
    assert [text for text in texts if r"\x1b]0;owned\x07\x1b[2J\u202e" in text]
    assert "[red]no markup[/red]" in block(shown, 200).plain


def test_long_rows_are_broken_beside_their_names() -> None:
    """Nothing is cut off, and no line is longer than the terminal is wide."""
    shown = replace(SHOWN, stopped_by="operator", stopped_why="because " * 40)
    lines = block(shown, 60).plain.splitlines()
    assert max(map(len, lines)) < 60
    assert sum(line.count("because") for line in lines) == 40
    assert [line[:10].strip() for line in lines if line[:10].strip()] == [
        name for name, _, _ in rows(shown)
    ]


# The log beside the block.


def record(path: str, level: int) -> logging.LogRecord:
    return logging.LogRecord("chaostoolkit", level, path, 1, "said", (), None)


def test_chaos_toolkits_own_lines_do_not_drown_the_block() -> None:
    """Its warnings stay, and so does everything of the drill, wherever Muster is installed."""
    theirs = str(chaoslib.run.__file__)
    assert not console._worth_a_line(record(theirs, logging.INFO))
    assert console._worth_a_line(record(theirs, logging.WARNING))
    assert console._worth_a_line(record(str(Path(console.__file__)), logging.INFO))
    assert console._worth_a_line(record("/somewhere/else/extension.py", logging.INFO))


def test_only_a_terminal_gets_coloured_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chaos Toolkit colours pipes and log files too."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    pipe, terminal = io.StringIO(), Terminal()
    file = logging.FileHandler(tmp_path / "log")
    handlers = [logging.StreamHandler(pipe), logging.StreamHandler(terminal), file]
    for handler in handlers:
        colours = {logging.INFO: "\x1b[32m"}
        handler.setFormatter(LogFormatter("%(color)s%(message)s", "%H:%M", colours))
    logger = logging.Logger("chaostoolkit")
    logger.handlers = list(handlers)
    monkeypatch.setattr(console, "logger", logger)
    console.without_colours()
    logger.info("said")
    file.close()
    assert ("\x1b" in pipe.getvalue(), "\x1b" in terminal.getvalue()) == (False, True)
    assert "\x1b" not in (tmp_path / "log").read_text()
    monkeypatch.setenv("NO_COLOR", "1")
    console.without_colours()
    terminal.truncate(0)
    logger.handlers = handlers[1:2]
    logger.info("said")
    assert "\x1b" not in terminal.getvalue()


def test_a_terminal_that_is_stopped_stops_no_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log is written by a thread of its own: Ctrl-S, a pager, a laptop that sleeps."""
    there, here = os.pipe()
    os.set_blocking(here, False)
    with suppress(BlockingIOError):
        while True:
            os.write(here, b".")
    os.set_blocking(here, True)
    logger = logging.Logger("chaostoolkit")
    monkeypatch.setattr(console, "logger", logger)
    monkeypatch.setattr(unwaited, "DRAIN_S", 0.1)
    with os.fdopen(there, "rb") as reader:
        with os.fdopen(here, "w") as stderr:
            monkeypatch.setattr(sys, "stderr", stderr)
            logger.addHandler(handler := logging.StreamHandler())
            with console.shown():
                logger.error("said")
            assert handler.stream is stderr
            assert reader.read(1 << 16) == b"." * (1 << 16)
            assert reader.read(5) == b"said\n", "it is not lost"


def test_a_log_without_a_terminal_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """`2>&-`: Python has no standard error then."""
    logger = logging.Logger("chaostoolkit")
    monkeypatch.setattr(console, "logger", logger)
    monkeypatch.setattr(sys, "stderr", None)
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(message)s", "%H:%M", {}))
    logger.addHandler(handler)
    console.without_colours()
    with console.shown():
        logger.debug("said")
