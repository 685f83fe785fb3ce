"""Plain lines about long work, and programs run to their end with their output kept in a log.

A pipe gets a line when work begins, one every ten seconds while it lasts, and one when it is done.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

HEARTBEAT_S = 10.0
TAIL_LINES = 15


class SetupError(Exception):
    """Set-up cannot go on. The text is one line for the user: what is missing and how to get it."""


def say(text: str) -> None:
    """One line to the user, at once even into a pipe."""
    print(f"setup: {text}", flush=True)


def run(
    label: str,
    argv: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    count: str | None = None,
    total: int | None = None,
    shielded: bool = False,
) -> None:
    """Run a program with its output in `log`, telling how it gets on.

    `count` is a pattern: lines that match are counted against `total`. A `shielded` program sits in
    its own session, so that Ctrl-C does not cut it off half way. Raises SetupError and shows the
    log's end when it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    say(f"{label} ...")
    seen = 0
    with log.open("w", encoding="utf-8", errors="replace") as out:
        process = subprocess.Popen(
            [os.fspath(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            text=True,
            errors="replace",
            start_new_session=shielded,
        )
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(HEARTBEAT_S):
                progress = f"{seen} of about {total}, " if count and total else ""
                say(f"{label}: {progress}{time.monotonic() - began:.0f} s")

        beating = threading.Thread(target=beat, daemon=True)
        beating.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                out.write(line)
                if count and re.search(count, line):
                    seen += 1
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            stop.set()
            beating.join()
    if status:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]:
            print(f"    {line}", file=sys.stderr)
        raise SetupError(f"{label}: failed with exit code {status}; all of it is in {log}")
    say(f"{label}: done in {time.monotonic() - began:.0f} s")
