"""Reports drawn by a child process: bounded, ended with its parent, and no part of the verdict."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from bundle_maker import make_bundle
from floor_fixtures import await_true

from muster.bundle import check_seal
from muster.drill import conclude as concluding
from muster.drill import drawing, listing
from muster.drill.conclude import conclude
from muster.judge.verdict import judge, write_verdict


def python(code, *arguments):
    return [sys.executable, "-c", code, *arguments]


def test_a_child_draws_the_reports_of_a_bundle(tmp_path):
    """Every file of the report is there."""
    bundle = make_bundle(tmp_path / "a")
    write_verdict(bundle, judge(bundle))
    assert drawing.draw(bundle) == ""
    assert (bundle / "report.html").exists()
    assert list((bundle / "charts").glob("*.svg"))


def test_a_report_that_cannot_be_drawn_is_told_in_its_last_line(tmp_path):
    """A bundle without a verdict has nothing to show; nothing is raised."""
    bundle = make_bundle(tmp_path / "a")
    assert "verdict.json" in drawing.draw(bundle)
    assert drawing.draw(bundle, command=["/no/such/program"]).startswith("it could not be drawn")


def test_a_report_that_hangs_is_given_up(tmp_path):
    """It is killed at its bound, and half a file of it is swept away."""
    bundle = make_bundle(tmp_path / "a")
    code = "import sys,time;open(sys.argv[1]+'/.report-half','w').write('x');time.sleep(600)"
    said = drawing.draw(bundle, 1.0, python(code, str(bundle)))
    assert "not within 1 s" in said
    assert not list(bundle.glob(".report-*"))


def test_a_hanging_report_takes_no_verdict(tmp_path, monkeypatch):
    """The verdict is decided before it, and the seal comes after it."""
    bundle = make_bundle(tmp_path / "a")
    hangs = python("import time; time.sleep(600)")
    monkeypatch.setattr(concluding, "draw", lambda one: drawing.draw(one, 0.5, hangs))
    assert conclude(bundle).verdict == "PASS"
    assert json.loads((bundle / "verdict.json").read_text())["verdict"] == "PASS"
    assert check_seal(bundle).intact


def test_the_drawing_process_ends_with_its_parent(tmp_path):
    """Also while a library holds the interpreter's lock."""
    code = (
        "import os, sys, time, ctypes, subprocess\n"
        "child = '''import ctypes,os,sys\n"
        "from muster.testbed.wire.process import die_with_parent\n"
        "die_with_parent(int(sys.argv[1]))\n"
        "print(os.getpid(), flush=True)\n"
        "ctypes.PyDLL(None).sleep(600)'''\n"
        "subprocess.Popen([sys.executable, '-c', child, str(os.getpid())])\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    await_true(lambda: not _lives(pid), "the child's end")


def test_the_drawing_process_has_a_bound_of_its_own(tmp_path, monkeypatch):
    """The kernel's alarm ends it, whatever holds the interpreter's lock."""
    code = (
        "import ctypes, os, sys\n"
        "from muster.drill import drawing\n"
        "import muster.reports as reports\n"
        "drawing.DRAW_S_MAX = 0.5\n"
        "reports.write_reports = lambda bundle: ctypes.PyDLL(None).sleep(600)\n"
        "drawing.main(['x', str(os.getppid())])\n"
    )
    child = subprocess.Popen(python(code))
    try:
        assert child.wait(60) < 0
    finally:
        child.kill()
        child.wait()


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_drawing_holds_up_no_thread_of_its_caller(tmp_path):
    """A beat of the calling process goes on while the child holds its own interpreter's lock."""
    import threading

    bundle = make_bundle(tmp_path / "a")
    beats = []
    over = threading.Event()

    def beat():
        while not over.wait(0.05):
            beats.append(time.monotonic())

    thread = threading.Thread(target=beat)
    thread.start()
    hogs = python("import ctypes; ctypes.PyDLL(None).usleep(1500000)")
    try:
        assert drawing.draw(bundle, 60, hogs) == ""
    finally:
        over.set()
        thread.join()
    assert len(beats) > 5


def test_a_drill_that_ends_is_compared_and_listed(tmp_path):
    """The comparison lies under the seal, and the index shows the sealed verdict."""
    bundle = make_bundle(tmp_path / "a")
    conclude(bundle)
    assert json.loads((bundle / "comparison.json").read_text())["last_passed"] == ""
    assert check_seal(bundle).intact
    assert "✓ PASS" in (tmp_path / "index.html").read_text()
    assert not list(tmp_path.glob(".report-*"))


def test_an_index_that_cannot_be_written_takes_no_verdict(tmp_path):
    """It says so, and the bundle is sealed all the same."""
    bundle = make_bundle(tmp_path / "a")
    (tmp_path / "index.html").mkdir()
    assert "index.html" in listing.list_drills(tmp_path)
    assert conclude(bundle).verdict == "PASS"
    assert check_seal(bundle).intact


def test_a_comparison_that_cannot_be_made_takes_no_report(tmp_path):
    """A directory stands where its file belongs."""
    bundle = make_bundle(tmp_path / "a")
    write_verdict(bundle, judge(bundle))
    (bundle / "comparison.json").mkdir()
    assert "comparison" in drawing.draw(bundle)
    assert (bundle / "report.html").exists()
