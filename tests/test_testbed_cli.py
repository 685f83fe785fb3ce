"""`chaos drill up`, `down` and `status` as they are typed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from muster import testbed
from muster.cli import drill


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State below tmp_path."""
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))


def say(*arguments: str) -> Result:
    """Run one command of `chaos drill`."""
    return CliRunner().invoke(drill, arguments)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--scale", "0"], "--scale: got 0.0, expected a number above 0"),
        (["--scale", "-2"], "--scale: got -2.0, expected a number above 0"),
        (["--scale", "nan"], "--scale: got nan, expected a number above 0"),
        (["--scale", "much"], "--scale: got 'much', expected a number above 0"),
        (["--scale", "50"], "--scale: got 50.0, expected at most"),
        (["--seed", "x"], "--seed: got 'x', expected a whole number"),
        (["--profile", "m9"], "--profile: got 'm9', expected one of m1_1k, m2_5k, m3_20k"),
        (["--target", "mars"], "target: got 'mars', expected"),
        (["--defect", "gremlin"], "--defect: got 'gremlin', expected one of"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: list[str], line: str) -> None:
    """Nothing is started, and the line says what was expected."""
    result = say("up", *arguments)
    assert result.exit_code == 2
    assert line in result.output
    assert result.output.count("\n") == 1
    assert testbed.status("testbed") is None


def test_down_and_status_with_nothing_up_say_so() -> None:
    """Exit 0 both."""
    for command, line in (("down", "was not up"), ("status", "is not up")):
        result = say(command)
        assert (result.exit_code, line in result.output) == (0, True)
    assert json.loads(say("status", "--json").output) is None


@pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("prometheus") is None,
    reason="redis-server or prometheus is missing: make setup",
)
def test_up_status_down(tmp_path: Path) -> None:
    """A person's whole path: up, up again, status as a table and as JSON, down."""
    import yaml

    from muster import home

    data = yaml.safe_load((home.root() / "targets" / "testbed.yaml").read_text())
    data["name"] = "by-hand"
    data["testbed"]["port_base"] = 0
    path = tmp_path / "by-hand.yaml"
    path.write_text(yaml.safe_dump(data))
    target = ("--target", str(path))
    first = say("up", *target, "--scale", "0.002", "--defect", "queue_stuck")
    try:
        assert first.exit_code == 0, first.output
        again = say("up", *target, "--scale", "0.002")
        assert again.exit_code == 0
        assert "is already up" in again.output
        assert again.output.count("\n") == 1
        table = say("status", *target).output
        for word in ("gateway-eu-west-1-0", "redis-eu-central-1", "serving", "queue_stuck", "50"):
            assert word in table
        shown = json.loads(say("status", *target, "--json").output)
        assert shown["regions"]["eu-west-1"]["ready"] is True
        assert shown["regions"]["eu-west-1"]["weight"] == 50
        assert shown["usage"]["prometheus"]["rss_bytes"] > 0
    finally:
        ended = say("down", *target)
    assert "is down" in ended.output
    with pytest.raises(ProcessLookupError):
        os.kill(shown["pid"], 0)
