"""One drill a target at a time. The kernel holds the lock, so that a killed holder leaves none."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from muster import home
from muster.errors import DrillAborted


class TargetLock:
    """An exclusive lock on a target, with its holder's name inside."""

    def __init__(self, target: str, holder: str) -> None:
        self.path = home.state_dir() / "locks" / f"{target}.lock"
        self.target = target
        self.holder = holder
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise DrillAborted naming who holds it. Never waits."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Not inherited: a testbed or load process must not keep its drill's lock alive.
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            holder = holder_of(self.path)
            raise DrillAborted(
                "preflight:lock",
                f"target {self.target} is held by {holder.get('holder', 'another drill')} "
                f"(process {holder.get('pid', 'unknown')}); nothing was touched",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"holder": self.holder, "pid": os.getpid()}).encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Let go; calling it again changes nothing."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def holder_of(path: Path) -> dict[str, Any]:
    """What the lock file says of its holder; empty when it says nothing."""
    try:
        data = json.loads(path.read_text() or "{}")
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
