"""Children of the supervisor: started, watched, ended; none outlives it.

On Linux the kernel kills a child when its parent dies (PR_SET_PDEATHSIG), whatever killed the
parent. On other systems the Python parts watch their parent's pid themselves.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from muster.errors import MusterError
from muster.testbed.design.parts import ProcessSpec
from muster.testbed.rig.state import ProcessState

_PR_SET_PDEATHSIG = 1
_LOG_TAIL_BYTES = 2_000
_KILL_S_MAX = 5.0
_LOOK_S = 0.01
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StartError(MusterError):
    """A part of the testbed did not come up."""


class Child:
    """One process of the testbed and its log. `on_death` is called if it ends by itself."""

    def __init__(
        self, spec: ProcessSpec, logs: Path, on_death: Callable[[Child, int, int], None]
    ) -> None:
        self.spec = spec
        self.log_path = logs / f"{spec.name}.log"
        self._on_death = on_death
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._asked_to_end = False
        self._told_to_halt = False

    @property
    def pid(self) -> int | None:
        """The pid while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def state(self) -> ProcessState:
        """Its entry in `state.json`."""
        spec = self.spec
        return ProcessState(spec.name, spec.kind, self.pid, spec.region, spec.ports)

    async def start(self) -> None:
        """Start it, or let it go on if it is halted. Raises StartError if it cannot be executed.

        If it was asked to end and has not ended yet, this waits for that end first.
        """
        if self.pid is not None:
            if not self._asked_to_end:
                await self._halt(False)
                return
            await self.end()
        spec = self.spec
        if spec.config is not None and spec.config_path is not None:
            told = {**spec.config, "parent_pid": os.getpid()}
            write_private(spec.config_path, json.dumps(told))
        self._asked_to_end = False
        with open(self.log_path, "ab", buffering=0) as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *spec.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_environment(spec),
                    preexec_fn=_in_child(os.getpid(), spec.core) if _libc is not None else None,
                )
            except OSError as error:
                raise StartError(f"{spec.name}: {error}") from error
        self._watcher = asyncio.create_task(self._watch(self._process))

    async def end(self) -> None:
        """SIGTERM, then after its grace SIGKILL; returns when it is gone."""
        process = self._ask(signal.SIGTERM)
        if process is None:
            return
        self._send(signal.SIGCONT)  # a halted process would not see the other signal
        try:
            await asyncio.wait_for(process.wait(), self.spec.grace_s)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        process = self._ask(signal.SIGKILL)
        if process is not None:
            await asyncio.wait_for(process.wait(), _KILL_S_MAX)

    @property
    def halted(self) -> bool:
        """Whether it is stopped by SIGSTOP; where the kernel does not show it, as it was told."""
        with suppress(OSError, IndexError):
            stat = Path(f"/proc/{self.pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] == "T"
        return self._told_to_halt

    async def halt(self) -> None:
        """SIGSTOP; returns when it has stopped. Raises StartError if it does not run."""
        if self.pid is None:
            raise StartError(f"{self.spec.name}: it does not run, so it cannot be halted")
        await self._halt(True)

    def log_tail(self) -> str:
        """The last lines of its log, joined into one."""
        with suppress(OSError), open(self.log_path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _LOG_TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
            return " | ".join(line.strip() for line in lines[-3:])
        return ""

    def usage(self) -> dict[str, Any]:
        """CPU seconds and resident bytes so far, if /proc shows them; else empty."""
        with suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            return {
                "cpu_s": round(ticks / os.sysconf("SC_CLK_TCK"), 2),
                "rss_bytes": int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
            }
        return {}

    def _ask(self, number: signal.Signals) -> asyncio.subprocess.Process | None:
        process = self._process
        self._asked_to_end = True
        if process is None or process.returncode is not None:
            return None
        self._send(number)
        return process

    async def _halt(self, halted: bool) -> None:
        self._told_to_halt = halted
        self._send(signal.SIGSTOP if halted else signal.SIGCONT)
        async with asyncio.timeout(_KILL_S_MAX):
            while self.pid is not None and self.halted is not halted:
                await asyncio.sleep(_LOOK_S)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        exit_code = await process.wait()
        if not self._asked_to_end:
            self._on_death(self, process.pid, exit_code)


def death_of(child: Child, pid: int, exit_code: int) -> dict[str, Any]:
    """The record of a child that ended by itself."""
    return {
        "name": child.spec.name,
        "region": child.spec.region,
        "pid": pid,
        "exit_code": exit_code,
        "t": time.time(),
        "log_tail": child.log_tail(),
    }


def _environment(spec: ProcessSpec) -> dict[str, str]:
    """The parent's environment without variables that could connect a part to something else."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("AWS_") and not key.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **spec.environment}


def _in_child(parent: int, core: int | None) -> Callable[[], None]:
    """What the kernel is asked, on Linux: to end it with its parent, and to keep it on a core."""

    def ask_kernel() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent died between fork and here
        if core is not None and sys.platform == "linux":
            allowed = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {allowed[core % len(allowed)]})

    return ask_kernel


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that only its owner may read (or run): it may hold tokens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
