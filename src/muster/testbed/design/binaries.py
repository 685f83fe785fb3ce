"""The programs that the testbed runs and that are not Python packages: their places and versions.

Each is taken from PATH, or from `.tools/bin`, where set-up puts what it builds. A missing or too
old program gives one line that says how to get it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from muster import home
from muster.errors import BadInput

_VERSION_S_MAX = 10.0


@dataclass(frozen=True)
class Wanted:
    """A program, the oldest version that works, and how to ask for its version."""

    name: str
    oldest: tuple[int, int]
    ask: str
    pattern: str


WANTED = (
    Wanted("redis-server", (6, 0), "--version", r"\bv=(\d+(?:\.\d+)+)"),
    Wanted("prometheus", (2, 40), "--version", r"version (\d+(?:\.\d+)+)"),
    Wanted("toxiproxy-server", (2, 12), "-version", r"version v?(\d+(?:\.\d+)+)"),
)
# `go install` leaves "git" as the program's own version; the build info holds the module's.
_GO_MODULE = re.compile(rb"github\.com/Shopify/toxiproxy/v2\tv(\d+(?:\.\d+)+)")


@dataclass(frozen=True)
class Binary:
    """A program that was found."""

    path: Path
    version: str


def find_all() -> dict[str, Binary]:
    """Every program by name. Raises BadInput for the first that is missing or too old."""
    return {wanted.name: find(wanted) for wanted in WANTED}


def find(wanted: Wanted) -> Binary:
    """One program, from PATH first. Raises BadInput if it is missing or too old."""
    oldest = ".".join(map(str, wanted.oldest))
    too_old: BadInput | None = None
    # Set-up builds its own if the one on PATH is too old: then that one is used.
    for search in (os.environ.get("PATH", ""), str(home.tools_dir() / "bin")):
        located = shutil.which(wanted.name, path=search) if search else None
        if located is None:
            continue
        version = _version(located, wanted)
        if tuple(int(part) for part in version.split(".")[:2]) >= wanted.oldest:
            return Binary(Path(located), version)
        expected = f"{oldest} or newer: run `make setup`"
        too_old = too_old or BadInput(located, "version", version, expected)
    raise too_old or BadInput(
        wanted.name,
        "",
        "nothing",
        f"version {oldest} or newer on PATH or in {home.tools_dir() / 'bin'}: run `make setup`",
    )


def at(path: Path, wanted: Wanted) -> Binary:
    """The program at `path`, however old. Raises BadInput if it does not tell its version."""
    return Binary(path, _version(str(path), wanted))


def _version(located: str, wanted: Wanted) -> str:
    try:
        answer = subprocess.run(
            [located, wanted.ask],
            capture_output=True,
            text=True,
            timeout=_VERSION_S_MAX,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(
            located, wanted.ask, str(error), "a program that tells its version"
        ) from error
    text = answer.stdout + answer.stderr
    found = re.search(wanted.pattern, text)
    if found:
        return found.group(1)
    if wanted.name == "toxiproxy-server":
        built = _GO_MODULE.search(Path(located).read_bytes())
        if built:
            return built.group(1).decode()
    raise BadInput(located, wanted.ask, text.strip()[:80], "a version number")
