"""The cgroups of a node: made before a kubelet wants them, and removed when it has ended.

cgroup v1 has one hierarchy for each controller, v2 one for all. Tried on v1.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

STEM = "muster-node-"
_HIERARCHIES = Path("/sys/fs/cgroup")
_LOOK_S = 0.05


def hierarchies(top: Path = _HIERARCHIES) -> Sequence[Path]:
    """Every hierarchy below `top`: that of v2, or those of v1."""
    if (top / "cgroup.controllers").exists():
        return [top]
    return sorted({one.parent for one in top.glob("*/cgroup.procs")})


def make(name: str, top: Path = _HIERARCHIES) -> None:
    """A cgroup `name` in each hierarchy, with all that its parent may hand down. Raises OSError."""
    for one in hierarchies(top):
        made = one / name
        made.mkdir()
        # A kubelet checks that these are there, and v1 leaves them empty.
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (made / setting).exists() and (one / "cgroup.clone_children").exists():
                (made / setting).write_text((one / setting).read_text())
        for setting, of_one in (("cpu.shares", 1024), ("cpu.weight", 100)):
            if (made / setting).exists():
                # On each core as much as one process outside, however many pods there are.
                (made / setting).write_text(str((os.cpu_count() or 1) * of_one))
        if (one / "cgroup.subtree_control").exists() and one == top:
            offered = (one / "cgroup.controllers").read_text().split()
            for controller in offered:
                with suppress(OSError):
                    (one / "cgroup.subtree_control").write_text(f"+{controller}")


def remove(name: str, until_s: float, top: Path = _HIERARCHIES) -> Sequence[Path]:
    """Remove the cgroups called `name` and those in them; what could not be removed in time.

    `until_s`: on the monotonic clock. A cgroup stays as long as a process in it is ending.
    """
    while True:
        left = [one for one in hierarchies(top) if not _removed(one / name)]
        if not left or time.monotonic() > until_s:
            return left
        time.sleep(_LOOK_S)


def sweep(alive: Callable[[int], bool], top: Path = _HIERARCHIES) -> None:
    """Remove the cgroups of nodes whose process has ended without doing so."""
    for one in hierarchies(top):
        for found in one.glob(f"{STEM}*"):
            owner = found.name.removeprefix(STEM)
            if owner.isdecimal() and not alive(int(owner)):
                _removed(found)


def _removed(folder: Path) -> bool:
    for inner, _, _ in os.walk(folder, topdown=False):
        # What is in it is removed with it; a process that is not gone keeps it.
        with suppress(OSError):
            os.rmdir(inner)
    return not folder.exists()
