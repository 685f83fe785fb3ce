"""Whole drills in parts, and healthy drills in a row."""

from __future__ import annotations

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


def collected(*arguments):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only"]
    command += ["-m", "drills", *arguments]
    done = subprocess.run(
        [*command, "-m", "drills", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, {line for line in done.stdout.splitlines() if "::" in line}, done


def test_the_parts_together_are_all_whole_drills():
    """As pytest collects them."""
    _, whole, _ = collected()
    assert len(whole) > 20
    parts = [collected("--part", f"{part}/3")[1] for part in (1, 2, 3)]
    assert set().union(*parts) == whole
    assert sum(map(len, parts)) == len(whole)
    code, _, done = collected("--part", "4/3")
    assert code != 0
    assert "expected K/N" in done.stderr


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
