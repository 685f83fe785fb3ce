"""Linux namespaces of a node, by the calls that Python has no functions for.

`apart` begins them; `hide` is for the first process in them.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_CLONE_NEWPID = 0x20000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_PR_SET_PDEATHSIG = 1
KEPT = ("/var/lib", "/var/log")
"""Written to by a kubelet, and needed by others: what is written there stays within the node."""
SYSCTLS: Mapping[str, str] = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What a kubelet wants of the kernel. It is shown these, and the machine keeps its own."""


def children_apart() -> None:
    """The next child is the first process of a new PID namespace. Raises OSError."""
    _call("unshare", _CLONE_NEWPID)


def mounts_apart() -> None:
    """In a child before it is executed: its mounts are its own, and it ends with its parent."""
    with_parent(signal.SIGKILL)
    _call("unshare", _CLONE_NEWNS)


def with_parent(number: signal.Signals) -> None:
    """Send this process `number` when its parent ends."""
    _call("prctl", _PR_SET_PDEATHSIG, number, 0, 0, 0)


def hide(place: Path, shown: Mapping[str, Path]) -> None:
    """Within the namespaces: no mount is seen outside, nor what is written to the machine's places.

    `place`: an empty folder for what is written. `shown`: folders, by the paths that show them.
    Raises OSError.
    """
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    place.mkdir(parents=True, exist_ok=True)
    _mount("tmpfs", str(place), "tmpfs", 0, "mode=0755")
    for number, path in enumerate(KEPT):
        upper, work = place / f"upper-{number}", place / f"work-{number}"
        upper.mkdir()
        work.mkdir()
        _mount("overlay", path, "overlay", 0, f"lowerdir={path},upperdir={upper},workdir={work}")
    for path, value in SYSCTLS.items():
        said = place / path.replace("/", "-")
        said.write_text(f"{value}\n")
        _mount(str(said), f"/proc/sys/{path}", None, _MS_BIND)
    _mount("tmpfs", "/run", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755")
    for path, folder in shown.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        _mount(str(folder), path, None, _MS_BIND)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    _call(
        "mount",
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() or None,
        said=f"mount {target}",
    )


def _call(name: str, *arguments: object, said: str = "") -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{said or name}: {os.strerror(code)}")


_LIBC = ctypes.CDLL(None, use_errno=True)
