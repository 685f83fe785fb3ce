"""`python -m muster.testbed.rig.supervisor --config FILE.json`: the parent of a testbed's parts.

1. It holds a lock on the testbed's directory for as long as it lives; `state.json` says what runs.
2. It writes JSON lines for its parent to stdout, until it is ready or has failed.
3. A part that dies by itself is recorded and not started again: a drill must see it.
4. SIGINT, SIGTERM, POST /shutdown and the end of its lifetime end it cleanly: no process, port or
   temporary file is left. Logs stay only if a part died or did not come up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from muster.documents import parse
from muster.errors import BadInput, MusterError
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.rig.parts_up import DEATHS, LOGS, Rig
from muster.testbed.rig.state import lock_directory


class Reporter:
    """Lines to the parent process. Raises BrokenPipeError once no process reads them."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = os.dup(descriptor)

    def __call__(self, **line: Any) -> None:
        if self._descriptor is not None:
            os.write(self._descriptor, json.dumps(line).encode() + b"\n")

    def failed(self, error: Exception) -> None:
        """Why there will be no testbed; bad input is sent in its parts, so that it arrives as
        such.
        """
        if isinstance(error, BadInput):
            self(bad_input=[error.file, error.key, str(error.value), error.expected])
        else:
            self(error=str(error))

    def close(self) -> None:
        """Detach: from now on all news is in `state.json` and the logs."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Signals:
    """SIGINT, SIGTERM and SIGHUP ask for the end, and never interrupt it once it has begun.

    Not with the event loop's own handlers: it removes them when it closes, and the files are
    removed after that.
    """

    def __init__(self) -> None:
        self._asked = False
        self._wake: Callable[[], object] | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def follow(self, stop: asyncio.Event) -> None:
        """Set `stop` of the running loop if a signal has come or comes."""
        loop = asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(stop.set)
        if self._asked:
            stop.set()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._wake is not None:
            with suppress(RuntimeError):  # the loop is closed: the end has begun
                self._wake()


async def supervise(
    config: SupervisorConfig,
    report: Reporter,
    signals: Signals,
    made_of: Callable[[SupervisorConfig, asyncio.Event], Rig],
) -> None:
    """Start the testbed, keep it until it is asked to end, and stop it."""
    stop = asyncio.Event()
    signals.follow(stop)
    rig = made_of(config, stop)
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(rig.start(lambda text: report(progress=text)))
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            report(ready=True)
            report.close()
            asyncio.get_running_loop().call_later(config.spec.lifetime_s_max, stop.set)
            await stopping
    finally:
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        await rig.end()


def main(
    made_of: Callable[[SupervisorConfig, asyncio.Event], Rig] = Rig,
    program: str = "muster.testbed.rig.supervisor",
) -> int:
    """Run one testbed; the exit code is 0 for a clean end, 2 for wrong input."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--config", required=True, metavar="FILE.json", help="- reads stdin")
    source: str = parser.parse_args().config
    report = Reporter(sys.stdout.fileno())
    signals = Signals()
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        config = parse(SupervisorConfig, json.loads(text), source)
    except (OSError, ValueError, MusterError) as error:
        report.failed(error)
        return 2
    directory = Path(config.directory)
    lock = lock_directory(directory)
    if lock is None:
        report.failed(BadInput(f"testbed {config.name}", "", "already up", "none"))
        return 2
    failed = True
    try:
        _prepare(directory)
        _raise_open_files(config.fds_max)
        asyncio.run(supervise(config, report, signals, made_of))
        failed = False
    except BrokenPipeError:
        return 1  # the parent was gone before the testbed was ready: no process would end it
    except MusterError as error:
        with suppress(BrokenPipeError):
            report.failed(error)
        return error.exit_code
    finally:
        _empty(directory, keep_logs=_worth_reading(directory, failed))
        with suppress(OSError):  # logs are kept: so is the directory
            directory.rmdir()
        os.close(lock)
    return 0


def _prepare(directory: Path) -> None:
    """Empty the directory of what a killed supervisor left, and send the own output to a log."""
    _empty(directory, keep_logs=False)
    (directory / LOGS).mkdir(parents=True, exist_ok=True)
    log = os.open(
        directory / LOGS / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
    )
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    os.close(log)
    os.close(nothing)


def _empty(directory: Path, *, keep_logs: bool) -> None:
    """Remove what is in the directory, but not the directory itself: the lock is on it."""
    for entry in directory.iterdir():
        if keep_logs and entry.name == LOGS:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _worth_reading(directory: Path, failed: bool) -> bool:
    """Whether the logs show that something went wrong."""
    if not failed and not (directory / DEATHS).exists():
        return False
    return any(log.stat().st_size for log in (directory / LOGS).glob("*.log"))


def _raise_open_files(needed: int) -> None:
    """Allow as many open files as this machine does, for every part. Raises BadInput if too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BadInput("open files (ulimit -Hn)", "", hard, f"at least {needed} for this load")
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
