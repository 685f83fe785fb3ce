"""Whole drills in parts, and healthy drills in a row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import healthy
import pytest
from busy import busy
from drill_runner import ROOT
from floor_fixtures import await_true
from hypothesis import given
from hypothesis import strategies as st
from parts import of_part, parse_part

MARK = "mark." + "drills"
"""So that this file is not among those that have it."""


@given(names=st.sets(st.text()), parts=st.integers(1, 12))
def test_every_test_belongs_to_exactly_one_part(names, parts):
    """Whatever the order in which they were collected; no part is longer by more than one."""
    found = [of_part(sorted(names, reverse=True), part, parts) for part in range(1, parts + 1)]
    assert sorted(name for part in found for name in part) == sorted(names)
    assert max(map(len, found)) - min(map(len, found)) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "a/b", "-1/3", "1/3/5", "1/3 "])
def test_a_part_that_does_not_exist_is_refused(text):
    """One line with what was expected."""
    with pytest.raises(ValueError, match="expected K/N"):
        parse_part(text)
    assert parse_part("3/3") == (3, 3)


COLLECT = """
import contextlib, io, json, sys
import pytest
found = []
for arguments in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main(["-q", "-p", "no:cacheprovider", "--collect-only", *arguments])
    found.append([int(code), said.getvalue()])
print(json.dumps(found))
"""


def collected(*calls):
    """What pytest answers to each; all in one process, since importing the tests takes longest."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, json.dumps(calls)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        (code, {line for line in said.splitlines() if "::" in line}, said)
        for code, said in json.loads(done.stdout.splitlines()[-1])
    ]


def test_a_part_is_of_the_whole_drills_that_pytest_collects():
    """Chosen after `-m`; no other test runs in it. A part that does not exist ends pytest."""
    marked = [path for path in (ROOT / "tests").glob("test_*.py") if MARK in path.read_text()]
    files = sorted(str(path.relative_to(ROOT)) for path in marked)
    (_, whole, _), (code, part, _), (refused, none, said) = collected(
        ["-m", "drills", *files],
        ["-m", "drills", "--part", "2/3", *files],
        ["-m", "drills", "--part", "4/3", "tests/test_parts.py"],
    )
    assert len(whole) > 20
    assert code == 0
    assert part == of_part(sorted(whole), 2, 3)
    assert (refused != 0, none) == (True, set())
    assert "expected K/N" in said


def test_drills_in_a_row_stop_at_the_first_that_does_not_pass(tmp_path, capsys, monkeypatch):
    """Its evidence is kept, that of those before it goes."""
    monkeypatch.setattr(healthy.tempfile, "mkdtemp", lambda prefix: str(tmp_path / "work"))
    verdicts = iter([("PASS", ""), ("INCONCLUSIVE", "lag"), ("PASS", "")])

    def run(folder: Path):
        folder.mkdir(parents=True)
        return next(verdicts)

    assert healthy.main(["--runs", "3"], run) == 1
    said = capsys.readouterr()
    assert "1 of 3: PASS" in said.out
    assert "2 of 3: INCONCLUSIVE" in said.out
    assert "3 of 3" not in said.out
    assert str(tmp_path / "work") in said.err
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["run-2"]


def test_drills_in_a_row_that_all_pass_leave_nothing(tmp_path, monkeypatch):
    """Exit 0, and no folder."""
    work = tmp_path / "work"
    monkeypatch.setattr(healthy.tempfile, "mkdtemp", lambda prefix: str(work))

    def run(folder: Path):
        folder.mkdir(parents=True)
        return "PASS", ""

    assert healthy.main(["--runs", "2"], run) == 0
    assert not work.exists()


def test_busy_loops_end_with_their_block():
    """They are nice, and none is left."""
    with busy(2, 60) as pids:
        await_true(lambda: all(_nice(pid) == "19" for pid in pids), "nice loops")
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_busy_loops_end_by_their_own_time():
    """Whoever forgets them."""
    with busy(1, 0.0) as (pid,):
        await_true(lambda: _state(pid) == "Z", "its end")


def _stat(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _nice(pid):
    return _stat(pid)[16]


def _state(pid):
    return _stat(pid)[0]


def test_make_passes_parts_and_counts_without_a_shell_reading_them():
    """A value never becomes part of a command line."""

    def shown(*arguments):
        command = ["make", "--no-print-directory", "--dry-run", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    hostile = '1/3"; touch /tmp/x; "'
    assert "touch" not in shown("test-drills", f"PART={hostile}")
    assert "touch" not in shown("healthy", f"RUNS={hostile}", f"LOAD={hostile}")
    assert "touch" not in shown("test-defects", f"JOBS={hostile}")
    assert '${PART:+--part "$PART"}' in shown("test-drills")
    assert '--runs "${RUNS:-20}"' in shown("healthy")


def test_each_commit_runs_one_turn_of_what_takes_longer(tmp_path):
    """Chosen by its hash, printed, and overridden by MUSTER_TURN."""
    script = (ROOT / ".ci" / "run").read_text()
    start = script.index("TURNS=(")
    function = script[start : script.index("\n}\n", start) + 3]

    def chosen(commit, **environ):
        (tmp_path / "git").write_text(f"#!/bin/sh\necho {commit}\n")
        (tmp_path / "make").write_text('#!/bin/sh\necho "made $*"\n')
        for name in ("git", "make"):
            (tmp_path / name).chmod(0o755)
        path = f"{tmp_path}:/usr/bin:/bin"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{function}\nin_turn"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": path, **environ},
        )
        return (*done.stdout.splitlines(), done.returncode, done.stderr)

    made = [
        "test-foreign",
        *(f"test-drills PART={part}/3" for part in (1, 2, 3)),
        "test-faults",
        "test-defects",
        *(f"test-kubernetes PART={part}/2" for part in (1, 2)),
    ]
    # The last digit alone names one of eight turns.
    for commit, target in zip((*"0123456", "fffffff"), made, strict=True):
        said, whole, ran, status, _ = chosen(f"{commit:0>7}")
        assert (ran, status) == (f"made {target}", 0)
        assert said.startswith("turn ")
        assert "make test-drills test-faults test-defects test-foreign test-kubernetes" in whole
    assert chosen("0000001", MUSTER_TURN="kubernetes-1")[2] == "made test-kubernetes PART=1/2"
    assert chosen("0000001", MUSTER_TURN="defects")[2] == "made test-defects"
    *_, status, wrong = chosen("0000001", MUSTER_TURN="all")
    assert status == 2
    assert "MUSTER_TURN: got all, expected one of foreign drills-1" in wrong
