"""`.venv`: everything in constraints.txt, hashes checked, and this clone installed editable.

Stamps in `.venv` say from which constraints.txt it was made, where, and from which pyproject.toml
the clone was installed. While the stamps fit nothing runs, and nothing needs a network.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from .console import SetupError, run, say

# Without these, one dependency that comes as source only would fetch its own unpinned build tools.
BUILD_TOOLS = ("packaging", "setuptools", "wheel")
PIP_FLAGS = (
    "--disable-pip-version-check",
    "--no-input",
    "--no-cache-dir",
    "--progress-bar=off",
)


def venv_package() -> str | None:
    """The Debian package that brings `python3 -m venv` to this Python, where it is missing."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    return None


def is_made(root: Path) -> bool:
    """Whether `.venv` works and belongs to this clone, in this place."""
    python = root / ".venv/bin/python"
    stamp = root / ".venv/muster-place"
    if not python.exists():
        return False
    if stamp.exists() and stamp.read_text() != str(root):
        return False
    answer = subprocess.run(
        [str(python), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return answer.returncode == 0


def provide(root: Path, log_dir: Path) -> None:
    """Make `.venv` what constraints.txt and pyproject.toml say. Raises SetupError."""
    constraints, project = root / "constraints.txt", root / "pyproject.toml"
    pinned, installed = root / ".venv/muster-pinned", root / ".venv/muster-installed"
    marks = {pinned: _mark(constraints), installed: _mark(project, str(root))}
    if (
        all(_says(stamp, mark) for stamp, mark in marks.items())
        and (root / ".venv/bin/chaos").exists()
    ):
        return
    if not is_made(root):
        if (root / ".venv").exists():
            say(".venv does not work in this place: making it anew")
        run(
            f"virtual environment with Python {sys.version_info[0]}.{sys.version_info[1]}",
            [sys.executable, "-m", "venv", "--clear", root / ".venv"],
            log_dir / "venv.log",
        )
    (root / ".venv/muster-place").write_text(str(root))
    if not _says(pinned, marks[pinned]):
        _install_pinned(root, constraints, log_dir)
        pinned.write_text(marks[pinned])
    if not _says(installed, marks[installed]):
        _pip(
            root,
            "this clone into .venv",
            log_dir / "clone.log",
            "--no-deps",
            "--no-build-isolation",
            "--editable",
            str(root),
        )
        installed.write_text(marks[installed])


def compile_once(root: Path) -> None:
    """Compile the clone's modules where the user keeps Python from doing so by itself.

    With PYTHONDONTWRITEBYTECODE every process of a drill or test would compile them again, for some
    0.4 s of CPU time each. What is compiled already is only looked at.
    """
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        # What cannot be compiled is told by whoever imports it; a clone that cannot be written to
        # is only slower.
        subprocess.run(
            [root / ".venv/bin/python", "-m", "compileall", "-qq", "src", "probes"],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )


def _install_pinned(root: Path, constraints: Path, log_dir: Path) -> None:
    text = constraints.read_text(encoding="utf-8")
    tools = root / ".venv/muster-build-tools.txt"
    tools.write_text("\n".join(block(text, name) for name in BUILD_TOOLS) + "\n", encoding="utf-8")
    _pip(
        root,
        "pinned build tools",
        log_dir / "pip-build.log",
        "--require-hashes",
        "--no-deps",
        "-r",
        str(tools),
    )
    total = len(re.findall(r"^[a-zA-Z0-9].*==", text, re.M))
    _pip(
        root,
        "pinned dependencies",
        log_dir / "pip.log",
        "--require-hashes",
        "--no-deps",
        "--no-build-isolation",
        "-r",
        str(constraints),
        total=total,
    )


def block(text: str, name: str) -> str:
    """The lines of a requirements file that pin one distribution, with their hashes."""
    found = re.search(rf"^{re.escape(name)}==(?:.*\\\n)*.*$", text, re.M)
    if not found:
        raise SetupError(f"constraints.txt: {name}: got nothing, expected a pin: run tools/pin")
    return found[0]


def _pip(root: Path, label: str, log: Path, *arguments: str, total: int | None = None) -> None:
    argv: list[str | Path] = [
        root / ".venv/bin/python",
        "-m",
        "pip",
        "install",
        *PIP_FLAGS,
        *arguments,
    ]
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in ("PIP_USER", "PIP_TARGET", "PYTHONPATH")
    }
    count = r"^\s*(Collecting|Requirement already satisfied)" if total else None
    run(label, argv, log, env=env, count=count, total=total)


def _says(stamp: Path, mark: str) -> bool:
    return stamp.exists() and stamp.read_text() == mark


def _mark(path: Path, more: str = "") -> str:
    return hashlib.sha256(path.read_bytes() + more.encode()).hexdigest()
