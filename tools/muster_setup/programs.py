"""The programs that Muster runs but Python does not bring: which, how old, how to get them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

MAC_BROWSERS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


@dataclass(frozen=True)
class Program:
    """A program: the names it goes by, the oldest version that will do, and its packages."""

    names: tuple[str, ...]
    oldest: tuple[int, ...]
    pattern: str
    apt: str | None
    brew: tuple[str, ...]

    @property
    def oldest_text(self) -> str:
        return ".".join(map(str, self.oldest))


REDIS = Program(("redis-server",), (6,), r"\bv=(\d[\d.]*)", "redis-server", ("redis",))
PROMETHEUS = Program(("prometheus",), (2, 40), r"version (\d[\d.]*)", "prometheus", ("prometheus",))
PROMTOOL = Program(("promtool",), (2, 40), r"version (\d[\d.]*)", "prometheus", ("prometheus",))
TOXIPROXY = Program(("toxiproxy-server",), (2, 12), r"version v?(\d[\d.]*)", None, ("toxiproxy",))
CHROMIUM = Program(
    ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    (100,),
    r"(\d+[\d.]*)",
    "chromium",
    ("--cask", "chromium"),
)

# `go install` leaves "git" as the program's own version; the module's stands in its build facts.
_GO_MODULE = re.compile(rb"github\.com/Shopify/toxiproxy/v2\tv(\d[\d.]*)")


@dataclass(frozen=True)
class Found:
    """A program on this machine. `version` is None where it would not tell."""

    path: Path
    version: tuple[int, ...] | None

    @property
    def version_text(self) -> str:
        return "unknown" if self.version is None else ".".join(map(str, self.version))

    def is_good(self, program: Program) -> bool:
        return self.version is not None and self.version >= program.oldest


def find(program: Program, first: Path | None = None) -> Found | None:
    """Where the program is: in the folder `first`, else on PATH (the browser also by $CHROMIUM)."""
    return _named_by_user(program) or _on_path(program, first)


def _named_by_user(program: Program) -> Found | None:
    chosen = os.environ.get("CHROMIUM") if program is CHROMIUM else None
    return ask(Path(chosen), program) if chosen else None


def _on_path(program: Program, first: Path | None) -> Found | None:
    folders = ([str(first)] if first else []) + [os.environ.get("PATH", os.defpath)]
    for name in program.names:
        located = shutil.which(name, path=os.pathsep.join(folders))
        if located:
            return ask(Path(located), program)
    if program is CHROMIUM:
        for place in MAC_BROWSERS:
            if os.access(place, os.X_OK):
                return ask(Path(place), program)
    return None


def ask(path: Path, program: Program) -> Found:
    """The program's version, by its own word or by what Go wrote into it."""
    try:
        answer = subprocess.run(
            [str(path), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return Found(path, None)
    said = re.search(program.pattern, answer.stdout + answer.stderr)
    if said:
        return Found(path, _parts(said[1]))
    if program is TOXIPROXY:
        built = _GO_MODULE.search(path.read_bytes())
        if built:
            return Found(path, _parts(built[1].decode()))
    return Found(path, None)


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part)
