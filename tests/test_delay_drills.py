"""Whole drills on a testbed whose Prometheus stands behind a stand-in that hides what is new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from drill_runner import Drill, drill
from late_prometheus import late
from test_drill_verdicts import changed_target

pytestmark = pytest.mark.drills
DELAY_S = 6.0
"""Over the 3 s that a scrape explains."""


@contextmanager
def late_drill(work: Path, declared_s: float) -> Iterator[Drill]:
    """A short drill on a testbed that is up; its target names the stand-in and `declared_s`."""
    with late("", DELAY_S) as stand, drill(work) as one:
        access = {"url": stand.url, "delay_s": declared_s}
        file = changed_target(work, lambda data: data["prometheus"].update(access))
        one.variables["MUSTER_TARGET"] = file
        up = one.command("up", "--target", file, "--profile", "test_short", "--scale", "1")
        assert up.returncode == 0, up.stdout + up.stderr
        stand.upstream = one.testbed()["endpoints"]["prometheus_url"]
        yield one


def test_a_declared_delay_changes_no_verdict(tmp_path):
    """The drill takes longer, and passes as on a server that is not late."""
    with late_drill(tmp_path / "declared", DELAY_S + 2) as one:
        one.start()
        assert one.wait(600.0) == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        assert one.unknown() == set()


def test_an_undeclared_delay_is_refused_before_any_effect(tmp_path):
    """Preflight stops the drill, with the figure to set; nothing was changed."""
    with late_drill(tmp_path / "undeclared", 0.0) as one:
        one.start()
        assert one.wait(600.0) != 0, one.output
        assert one.verdict["verdict"] != "PASS"
        (failed,) = [check for check in one.events("check") if not check["ok"]]
        assert failed["name"] == "prometheus"
        assert "set prometheus.delay_s: " in failed["detail"]
        assert one.events("undo") == []
