"""Which Python `make setup` makes .venv with, told from stand-ins that answer as such ones do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOO_OLD = "exit 1"


def chosen(folder: Path, *answers: str) -> str:
    """The name that is chosen when the candidates, a, b and so on, answer like this."""
    names = [chr(ord("a") + number) for number in range(len(answers))]
    for name, answer in zip(names, answers, strict=True):
        (folder / name).write_text(f"#!/bin/sh\ncat >/dev/null\n{answer}\n")
        (folder / name).chmod(0o755)
    run = subprocess.run(
        [ROOT / "tools/python", *(folder / name for name in names)],
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(run.stdout.strip()).name


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        (("echo optimised", "echo optimised"), "a"),
        (("echo plain", "echo optimised"), "b"),
        ((TOO_OLD, "echo plain", "echo plain"), "b"),
        ((TOO_OLD, "echo plain", "echo optimised"), "c"),
        (("echo plain", TOO_OLD), "a"),
    ],
)
def test_an_optimised_python_comes_before_the_first(tmp_path, answers, name) -> None:
    """The first optimised one; without any, the first that is new enough."""
    assert chosen(tmp_path, *answers) == name


def test_where_none_will_do_the_first_is_named(tmp_path) -> None:
    """Set-up itself then refuses it, in one line."""
    assert chosen(tmp_path, TOO_OLD, TOO_OLD) == "a"
    run = subprocess.run([ROOT / "tools/python", "nothing"], capture_output=True, text=True)
    assert run.stdout == "nothing\n"


def test_a_real_python_is_asked(tmp_path) -> None:
    """The question runs in the interpreter that these tests run in, from whatever place."""
    shell = shutil.which("sh")
    run = subprocess.run(
        [shell, "-x", ROOT / "tools/python", sys.executable],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.stdout.strip() == sys.executable
    assert "+ answer=optimised" in run.stderr or "+ answer=plain" in run.stderr
