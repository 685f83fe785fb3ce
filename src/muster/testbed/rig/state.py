"""The state of a running testbed: `state.json` in its directory.

The supervisor holds a lock on the directory for as long as it lives. A file left behind by a killed
supervisor is therefore never taken for a running testbed, even if another process has its pid.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from muster import home

STATE_FILE = "state.json"


@dataclass(frozen=True)
class ProcessState:
    """One process of the testbed. `pid` is None while it is stopped or after it died."""

    name: str
    kind: str
    pid: int | None
    region: str | None
    ports: tuple[int, ...]


@dataclass(frozen=True)
class State:
    """A running testbed. `started_at` is seconds since the epoch.

    `endpoints` is nested as the placeholders `${testbed.KEY}` of a target file name it; `deaths`
    lists processes that ended by themselves ({name, pid, exit_code, t, log_tail}).
    """

    name: str
    ready: bool
    pid: int
    started_at: float
    owner: str
    profile: str
    scale: float
    seed: int
    defect: str | None
    endpoints: Mapping[str, Any]
    processes: tuple[ProcessState, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    shape: Mapping[str, Any] = field(default_factory=dict)
    deaths: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> str:
        """The text of `state.json`."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def directory_of(target_name: str) -> Path:
    """The directory for the state, logs and data of that target's testbed while it runs."""
    return home.state_dir() / f"testbed-{target_name}"


def write_state(directory: Path, state: State) -> None:
    """Replace `state.json` in one step; only its owner may read it, because it holds tokens."""
    temporary = directory / f".{STATE_FILE}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(state.to_json())
    os.replace(temporary, directory / STATE_FILE)


def read_state(directory: Path) -> State | None:
    """The state of the testbed that runs there now; None if none does."""
    if not is_locked(directory):
        return None
    try:
        data = json.loads((directory / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    data["processes"] = tuple(
        ProcessState(**{**entry, "ports": tuple(entry["ports"])}) for entry in data["processes"]
    )
    data["deaths"] = tuple(data["deaths"])
    return State(**data)


def lock_directory(directory: Path) -> int | None:
    """Lock `directory` (created if missing) for this process; its descriptor, or None if it is
    locked.

    The lock ends with the process, however it ends.
    """
    while True:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # The previous holder may have removed the directory between the open and the lock.
        if _same(descriptor, directory):
            return descriptor
        os.close(descriptor)


def is_locked(directory: Path) -> bool:
    """Whether a supervisor holds `directory`."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A shared lock, so that two processes that ask at the same time never take each other for a
        # supervisor.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _same(descriptor: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
