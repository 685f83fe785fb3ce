"""The system's packages, by Homebrew or apt: only what is missing, and nothing is removed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import interrupts, services
from .console import SetupError, run, say
from .programs import PROMETHEUS, Program, find

APT = (
    "apt-get",
    "--option=DPkg::Lock::Timeout=300",
    "--option=Dpkg::Options::=--force-confold",
    "--assume-yes",
    "--no-install-recommends",
    "--no-remove",
)
# needrestart, on Ubuntu, would restart services that have nothing to do with us.
APT_ENV = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}


def provide(wanted: Sequence[Program], log_dir: Path, *, venv_package: str | None = None) -> None:
    """Install what of `wanted` is missing.

    Raises SetupError: one line that says what is missing and how to get it.
    """
    missing = []
    for program in wanted:
        found = find(program)
        if found is None:
            missing.append(program)
        elif not found.is_good(program):
            raise SetupError(
                f"{found.path}: version: got {found.version_text}, "
                f"expected {program.oldest_text} or newer: remove it or put a newer "
                f"{program.names[0]} first on PATH ({_how([program], None)})"
            )
    if not missing and venv_package is None:
        return
    if shutil.which("brew") and os.geteuid() != 0:
        _brew(missing, log_dir)
    elif shutil.which("apt-get") and as_root() is not None:
        names = [program.apt for program in missing if program.apt]
        _apt_as_root([*dict.fromkeys(names), *([venv_package] if venv_package else [])], log_dir)
    else:
        raise SetupError(_line(missing, venv_package))
    for program in missing:
        found = find(program)
        if found is None or not found.is_good(program):
            got = "nothing" if found is None else f"{found.version_text} at {found.path}"
            raise SetupError(
                f"{program.names[0]}: version: got {got} from the system's packages, "
                f"expected {program.oldest_text} or newer on PATH"
            )


def as_root() -> list[str] | None:
    """What runs a command as root: nothing, sudo, or None where neither will do."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    ready = subprocess.run(
        ["sudo", "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if ready.returncode == 0:
        return ["sudo", "-n"]
    return ["sudo"] if sys.stdin.isatty() else None


def install_as_root(names: Sequence[str], log_dir: Path) -> None:
    """The part of set-up that runs as root: apt, with every service left as it was."""
    log = log_dir / "apt.log"
    env = {**os.environ, **APT_ENV}
    with interrupts.held("installing packages"), services.left_alone():
        if any(_candidate(name) is None for name in names):
            run("apt-get update", [*APT, "update"], log, env=env, shielded=True)
        for name in names:
            _check_candidate(name)
        command = [*APT, "install", *names]
        label = f"apt-get install {' '.join(names)}"
        try:
            run(label, command, log, env=env, shielded=True)
        except SetupError:
            say("the lists of packages may be old: once more after an update")
            run("apt-get update", [*APT, "update"], log, env=env, shielded=True)
            run(label, command, log, env=env, shielded=True)


def _apt_as_root(names: Sequence[str], log_dir: Path) -> None:
    before = as_root()
    if not before:
        install_as_root(names, log_dir)
        return
    script = Path(__file__).resolve().parent.parent / "setup"
    argv = [*before, sys.executable, "-B", str(script), "--as-root", *names]
    with interrupts.held("installing packages"):
        process = subprocess.Popen(argv)
        status = process.wait()
    if status:
        raise SetupError(f"apt-get install {' '.join(names)}: failed, see above")


def _brew(missing: Sequence[Program], log_dir: Path) -> None:
    env = {
        **os.environ,
        "HOMEBREW_NO_INSTALL_UPGRADE": "1",
        "HOMEBREW_NO_INSTALL_CLEANUP": "1",
        "HOMEBREW_NO_ENV_HINTS": "1",
        "HOMEBREW_NO_ANALYTICS": "1",
    }
    for arguments in dict.fromkeys(program.brew for program in missing):
        text = " ".join(arguments)
        run(f"brew install {text}", ["brew", "install", *arguments], log_dir / "brew.log", env=env)


def _candidate(name: str) -> str | None:
    """The version that apt would install, or None where its lists do not know the package."""
    answer = subprocess.run(
        ["apt-cache", "policy", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    found = re.search(r"Candidate: (\S+)", answer.stdout)
    return None if found is None or found[1] == "(none)" else found[1]


def _check_candidate(name: str) -> None:
    """Refuse to install what would be too old anyway (Ubuntu 22.04 has Prometheus 2.31)."""
    candidate = _candidate(name)
    version = re.match(r"(?:\d+:)?(\d+)\.(\d+)", candidate or "")
    if name != PROMETHEUS.apt or not version:
        return
    if (int(version[1]), int(version[2])) < PROMETHEUS.oldest:
        raise SetupError(
            f"prometheus: version: got {candidate} in this system's packages, expected "
            f"{PROMETHEUS.oldest_text} or newer: put one on PATH (Homebrew has it)"
        )


def _line(missing: Sequence[Program], venv_package: str | None) -> str:
    names = [program.names[0] for program in missing]
    if venv_package:
        names.append(venv_package)
    verb = "is" if len(names) == 1 else "are"
    return f"{', '.join(names)} {verb} missing: {_how(missing, venv_package)}"


def _how(missing: Sequence[Program], venv_package: str | None) -> str:
    apt = [program.apt for program in missing if program.apt] + (
        [venv_package] if venv_package else []
    )
    brew = dict.fromkeys(" ".join(program.brew) for program in missing)
    ways = []
    if apt:
        ways.append(f"as root: apt-get install {' '.join(dict.fromkeys(apt))}")
    if brew:
        ways.append(f"with Homebrew: {' && '.join(f'brew install {name}' for name in brew)}")
    return "; or ".join(ways)
