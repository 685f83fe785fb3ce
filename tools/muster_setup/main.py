"""The order of set-up, and what it says at the end. Exit codes: 0 done, 2 something is missing."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import axe, environment, packages, toxiproxy
from .console import SetupError, say
from .programs import CHROMIUM, PROMETHEUS, PROMTOOL, REDIS

ROOT = Path(__file__).resolve().parent.parent.parent


def main(arguments: Sequence[str]) -> int:
    """Run set-up. `--test` adds Chromium and axe-core; `--as-root NAME…` is sudo's part."""
    parser = argparse.ArgumentParser(prog="tools/setup", description="Set up what is missing.")
    parser.add_argument(
        "--test", action="store_true", help="also what the tests need (Chromium, axe-core)"
    )
    parser.add_argument("--as-root", nargs="+", metavar="PACKAGE", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        if chosen.as_root:
            # Not in the clone, where it would be root's. What fails leaves its log there.
            folder = Path(tempfile.mkdtemp(prefix="muster-setup-"))
            packages.install_as_root(chosen.as_root, folder)
            shutil.rmtree(folder)
            return 0
        with _alone(ROOT / ".tools"):
            _provide(ROOT, with_browser=chosen.test)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr, flush=True)
        return 130
    say(f"ready ({time.monotonic() - began:.1f} s)")
    return 0


def _provide(root: Path, *, with_browser: bool) -> None:
    log_dir = root / ".tools/log"
    wanted = [REDIS, PROMETHEUS, PROMTOOL]
    if with_browser:
        wanted.append(CHROMIUM)
    # A Python that makes no environments matters only where one has to be made.
    missing = None if environment.is_made(root) else environment.venv_package()
    packages.provide(wanted, log_dir, venv_package=missing)
    environment.provide(root, log_dir)
    environment.compile_once(root)
    toxiproxy.provide(root, log_dir)
    if with_browser:
        axe.provide(root, log_dir)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two set-ups of one clone at once would write over each other: the second waits."""
    folder.mkdir(exist_ok=True)
    handle = os.open(folder / "setup.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up of this clone is at work: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
