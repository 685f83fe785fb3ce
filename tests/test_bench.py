"""The comparison of load engines: what is measured is known, and what is not known is no figure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))

import engines  # noqa: E402
import page  # noqa: E402
import rivals  # noqa: E402
import server  # noqa: E402
import usage  # noqa: E402

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="figures come from /proc")


def row(engine="Muster", streams=1000, **changes):
    return {
        "engine": engine, "version": "1", "streams": streams, "achieved_streams": 1000.0,
        "requests_per_s": 140.0, "cpu_percent": 2.0, "resident_bytes": 100e6,
        "server_cpu_percent": 3.0, "server_lag_p99_ms": 2.0, "machine_busy_percent": 10.0,
        "whole_share": 1.0, "error_p95_ms": 5.0, "cpu": "a CPU, 2 cores", "python": "3.11.7",
        "system": "Linux 6", **changes,
    }  # fmt: skip


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(rivals, "RAMP_S", 1.0)
    monkeypatch.setattr(rivals, "SETTLE_S", 1.0)
    monkeypatch.setattr(engines, "HOLD_S", 2.0)


@LINUX
def test_our_engine_is_measured_on_the_server_itself(quick):
    """Streams as the server counts them, CPU and memory of all its processes, its own error."""
    found = engines.measured(rivals.Ours(), 2000)
    assert all(found[key] is not None for key in page.FIGURES)
    assert found["achieved_streams"] > 0
    assert found["resident_bytes"] > 10e6
    assert found["whole_share"] is None or 0 <= found["whole_share"] <= 1
    assert found["error_p95_ms"] is None or found["error_p95_ms"] >= 0
    assert page.cpu_a_stream(found) > 0


@LINUX
def test_an_engine_that_dies_has_no_figures(quick, capsys):
    """Unknown in every cell, never 0, and no multiple is made of it."""

    class Dead(rivals.Ours):
        name = "Locust"

        def command(self, run, stay_s):
            return [sys.executable, "-c", "print('no such option')"], {}

    found = engines.measured(Dead(), 1000)
    assert all(found[key] is None for key in (*page.FIGURES, "whole_share", "error_p95_ms"))
    assert "no such option" in capsys.readouterr().err
    (line,) = [one for one in page.text([found]).splitlines() if "Locust " in one[:20]]
    assert line.count("not known") == 10
    assert page.compared([row(), found]) == []


def test_figures_taken_beside_other_work_say_so():
    """Over the limit a row is named; at it, or where it is not known, it is not."""
    rows = [row(machine_busy_percent=35.1), row("k6", machine_busy_percent=35.0)]
    assert page.other_percent(rows[1]) == page.OTHER_PERCENT_MAX
    assert page.disturbed(rows)[1].endswith("alone): Muster at 1,000.")
    assert page.disturbed(rows[1:]) == []
    assert page.other_percent(row(machine_busy_percent=None)) is None


def test_the_multiple_is_of_cpu_a_stream():
    """Twice the CPU on half the streams is four times the cost."""
    rows = [row(), row("k6", cpu_percent=4.0, achieved_streams=500.0)]
    assert page.compared(rows)[1].endswith("k6 at 1,000: 4.0.")
    assert page.compared(rows[1:]) == []
    grown = [row(streams=5000), row(streams=20_000, cpu_percent=2.5)]
    assert page.compared(grown)[1].endswith("at 5,000: 1.25.")


def test_rows_are_kept_by_engine_and_streams_of_one_machine(tmp_path, monkeypatch):
    """A new row takes the place of its older self; another machine's rows go."""
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "benchmarks.md")
    page.PAGE.write_text(f"before\n{page.BEGIN}\n{page.END}\nafter\n")
    page.keep(row("Locust"))
    page.keep(row())
    page.keep(row(cpu_percent=3.0))
    assert [(one["engine"], one["cpu_percent"]) for one in page.kept()] == [
        ("Muster", 3.0),
        ("Locust", 2.0),
    ]
    text = page.PAGE.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "30.0" in text
    page.keep(row(streams=5000, cpu="another"))
    assert [one["streams"] for one in page.kept()] == [5000]
    page.PAGE.write_text("no marks")
    with pytest.raises(SystemExit, match="no marks"):
        page.keep(row())


def test_the_page_in_the_repository_is_that_of_its_rows():
    """No figure in docs/benchmarks.md that the kept rows do not give."""
    text = page.PAGE.read_text(encoding="utf-8")
    shown = text.partition(page.BEGIN)[2].partition(page.END)[0].strip()
    assert shown == page.text(page.kept()).strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [("BENCH_STREAMS", "many"), ("BENCH_STREAMS", "0"), ("BENCH_ENGINES", "ab")],
)
def test_what_cannot_be_measured_is_refused(monkeypatch, name, value):
    """One line that names the setting and the value."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=f"{name}: got '{value}'"):
        engines._asked()


def test_a_percentile_is_counted():
    """95 of 100 at or under it; of nothing there is none."""
    assert rivals.percentile({1: 94, 2: 1, 3: 5}, 0.95) == 2
    assert rivals.percentile({1: 94, 3: 6}, 0.95) == 3
    assert rivals.percentile({}, 0.95) is None


def test_the_servers_lag_is_that_of_the_window():
    """Only beats between the readings count; without any it is not known."""
    inf = float("inf")
    before = server.Reading(0, 0, {0.01: 100, 0.1: 100, inf: 200})
    after = server.Reading(0, 0, {0.01: 100, 0.1: 200, inf: 300})
    assert server.lag_p99_ms(before, after) == 100
    assert server.lag_p99_ms(before, before) is None


@LINUX
def test_children_are_part_of_an_engines_use():
    """A process below the one that was started is counted with it."""
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "input()\nchild.communicate(b'x')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        pids = usage.tree(parent.pid)
        assert set(pids) == {parent.pid, child}
        cpu_s, resident = usage.used(pids)
        assert resident > usage.used([parent.pid])[1] > 0
        assert cpu_s >= 0
        parent.communicate("x")
    assert usage.used(pids) == (0.0, 0)


def test_the_rivals_get_the_window_and_the_lengths(tmp_path):
    """Both draw from the profile's quantiles and count in the same seconds as ours."""
    run = rivals.Run(5000, "http://127.0.0.1:20000/v1/chat/completions", 53, tmp_path, 100.0, 120.0)
    one = rivals.K6()
    one.program = "k6"
    _, locust = rivals.Locust().command(run, 63)
    k6, _ = one.command(run, 63)
    for name in ("QUANTILES", "HOLD_FROM_S", "HOLD_UNTIL_S", "RESULT"):
        assert f"{name}={locust[name]}" in k6
    assert json.loads(locust["QUANTILES"])[-1] == [1.0, 1000.0]
    assert one.told(run) == rivals.Locust().told(run) == rivals.Told(0, 0, None)
