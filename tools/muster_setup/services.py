"""Installing Debian packages that bring services: none is started, enabled or stopped by it.

Debian starts and enables a package's service as it installs it. A policy-rc.d that says no prevents
the starting, but not the enabling; so what this run enabled is disabled again, and nothing that was
there before is touched. A policy-rc.d of the user's own is moved aside and comes back, whatever
happens: a run that was killed outright is put right by the next one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLICY = "usr/sbin/policy-rc.d"
MARK = "# Muster's set-up: no service starts or stops while it installs packages"
ENABLED_IN = ("etc/systemd/system", "etc/systemd/user")
RUNLEVELS = ("2", "3", "4", "5", "S")


@contextmanager
def left_alone(root: Path = Path("/")) -> Iterator[None]:
    """While this is open packages may be installed; afterwards services stand as before."""
    mend(root)
    before = enabled(root)
    _deny(root)
    try:
        yield
    finally:
        try:
            mend(root)
        finally:
            disable(sorted(enabled(root) - before), root)


def mend(root: Path = Path("/")) -> None:
    """Put back the policy-rc.d that a run moved aside; nothing where there is nothing to mend."""
    policy, saved = root / POLICY, _saved(root)
    if saved.exists() or saved.is_symlink():
        saved.replace(policy)
    elif _is_ours(policy):
        policy.unlink()


def enabled(root: Path = Path("/")) -> set[str]:
    """Every link that enables a service, by its path under `root`."""
    found = set()
    for folder in ENABLED_IN:
        for path in (root / folder).rglob("*"):
            if path.is_symlink():
                found.add(str(path.relative_to(root)))
    for level in RUNLEVELS:
        for path in (root / "etc" / f"rc{level}.d").glob("S*"):
            found.add(str(path.relative_to(root)))
    return found


def disable(links: list[str], root: Path = Path("/")) -> None:
    """Take back the enabling that these links stand for: the system's own tools, then by hand."""
    names = sorted({name for name in map(_service, links) if name})
    if root == Path("/"):
        for name in names:
            _quietly("systemctl", "disable", f"{name}.service")
            _quietly("update-rc.d", name, "disable")
    for link in links:
        path = root / link
        if path.is_symlink():
            path.unlink()
    if root == Path("/") and Path("/run/systemd/system").is_dir():
        _quietly("systemctl", "daemon-reload")


def _service(link: str) -> str | None:
    """`redis-server` of `…wants/redis-server.service` and of `etc/rc2.d/S01redis-server`."""
    path = Path(link)
    if path.suffix == ".service":
        return path.stem
    if path.parent.name.startswith("rc") and path.name[:1] == "S":
        return path.name[3:]
    return None


def _deny(root: Path) -> None:
    policy, saved = root / POLICY, _saved(root)
    policy.parent.mkdir(parents=True, exist_ok=True)
    ours = policy.with_name("policy-rc.d.muster-new")
    ours.write_text(f"#!/bin/sh\n{MARK}\nexit 101\n")
    ours.chmod(0o755)
    if policy.exists() or policy.is_symlink():
        os.rename(policy, saved)
    os.rename(ours, policy)


def _saved(root: Path) -> Path:
    return (root / POLICY).with_name("policy-rc.d.muster-saved")


def _is_ours(policy: Path) -> bool:
    return policy.is_file() and MARK in policy.read_text(errors="replace")


def _quietly(*argv: str) -> None:
    if shutil.which(argv[0]):
        subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
