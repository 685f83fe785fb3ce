"""Allows one drill per target at a time.

On this machine the kernel holds the lock, so a killed holder leaves none. If a target names a
shared store, a lease in it also excludes every other machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from muster import home
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.lock.lease import Seen, SharedLease
from muster.errors import DrillAborted
from muster.stores import store_of
from muster.targets import Target, resolve_shared

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class _Held:
    """A lock as a context manager."""

    def acquire(self) -> None:
        raise NotImplementedError

    def release(self) -> None:
        raise NotImplementedError

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


class FileLock(_Held):
    """An exclusive lock on a target's name among the processes of one state directory."""

    def __init__(self, target: str, holder: str) -> None:
        self.path = home.state_dir() / "locks" / f"{target}.lock"
        self.target = target
        self.holder = holder
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise DrillAborted naming the holder. Never waits."""
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
        """Release it; calling it again changes nothing."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None


class TargetLock(_Held):
    """The lock of a target, for `holder` (a drill's id, which its watchdog uses too)."""

    def __init__(self, target: Target, holder: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self.file = FileLock(target.name, holder)
        self.target = target.name
        self.holder = holder
        self.lease = _lease(target, holder, clock)

    @property
    def path(self) -> Path:
        """The lock file on this machine."""
        return self.file.path

    def acquire(
        self,
        *,
        patient: bool = False,
        say: Callable[[str], None] | None = None,
        seen: Seen | None = None,
    ) -> None:
        """Take the lock here and in the target's store, or raise DrillAborted naming the holder.

        `patient` waits to see whether another machine's holder still renews; `say` is told so.
        `seen`: what the caller has watched already; a store that shows another state is refused.
        """
        self.file.acquire()
        try:
            if self.lease is not None:
                self.lease.acquire(patient=patient, say=say, seen=seen)
        except BaseException:
            self.file.release()
            raise

    def doubt(self) -> str:
        """Why another machine may have taken the lock by now; empty if none can have (a file's).

        For the moment before an effect: a process that stood still may not know yet that it lost
        the lock.
        """
        if self.lease is None or self.lease.sure:
            return ""
        return "the lock was not renewed in time: another machine may restore already"

    @property
    def outlived(self) -> bool:
        """Whether another machine may hold the lock by now (never for a file lock)."""
        return self.lease is not None and self.lease.outlived

    def another(self) -> str:
        """Who else holds the lock now; empty: nobody (never for a file lock). Raises StoreError."""
        return "" if self.lease is None else self.lease.another()

    def on_lost(self, call: Callable[[str], None]) -> None:
        """Call `call` once, from a thread, if the lock cannot be kept (never for a file lock)."""
        if self.lease is not None:
            self.lease.on_lost(call)

    def release(self) -> None:
        """Release it; calling it again changes nothing."""
        if self.lease is not None:
            self.lease.release()
        self.file.release()


def holder_of(path: Path) -> dict[str, Any]:
    """What the lock file says of its holder; empty if it says nothing."""
    try:
        data = json.loads(path.read_text() or "{}")
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def place() -> str:
    """A name for this state directory in this boot of the machine.

    Two processes with the same place share its file locks: the process that has the file lock knows
    that every other holder from that place is gone.
    """
    path = home.state_dir() / "place"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_hex(8))
    # Left empty by a writer that died or by a full disk: no holder of that place is known.
    return f"{_text(_BOOT_ID)}/{_text(path) or secrets.token_hex(8)}"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _lease(target: Target, holder: str, clock: Clock) -> SharedLease | None:
    shared = resolve_shared(target)
    if shared is None:
        return None
    return SharedLease(
        store_of(shared),
        target.name,
        holder,
        place=place(),
        lease_s=shared.lease_s,
        clock_skew_s_max=shared.clock_skew_s_max,
        clock=clock,
    )
