"""Bad input to a drill: one clear line, exit 2, nothing started and nothing left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from drill_runner import FAILOVER, TARGET, Drill, drill
from floor_fixtures import stand_in

from muster import home
from muster.drill.plan.form import method_of
from muster.drill.plan.plan import make_plan
from muster.errors import BadInput


def refused(one: Drill, *words: str, code: int = 2) -> None:
    """The drill refused in one line with those words, and started nothing."""
    assert one.wait(180) == code, one.output
    lines = [line for line in one.output.splitlines() if "CRITICAL" in line or "ERROR" in line]
    assert len(lines) == 1, one.output
    for word in words:
        assert word in lines[0], lines[0]
    assert "Traceback" not in one.output
    assert not one.bundles
    assert not list((one.work / "state").glob("testbed-*"))


def written(work: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The failover drill with something changed."""
    data = json.loads(FAILOVER.read_text())
    change(data)
    path = work / "changed.json"
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("scale", "0", ("scale", "'0'", "over 0")),
        ("target", "nowhere", ("target", "'nowhere'", "testbed")),
        ("defect", "gremlins", ("defect", "'gremlins'", "cold_survivor")),
    ],
)
def test_bad_setting_is_refused(
    tmp_path: Path, key: str, value: str, words: tuple[str, ...]
) -> None:
    """A bad setting is refused with its key, its value and what was expected."""
    with drill(tmp_path, **{key: value}) as one:
        one.start()
        refused(one, *words)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("scale", "-1", ("scale", "'-1'", "over 0")),
        ("scale", "many", ("scale", "'many'", "number")),
        ("scale", "nan", ("scale", "'nan'", "number")),
        ("time_scale", "0", ("time_scale", "'0'", "over 0")),
        ("time_scale", "100", ("time_scale", "100", "at most 30")),
        ("seed", "1.5", ("seed", "'1.5'", "whole number")),
        ("profile", "m9_nothing", ("profile", "'m9_nothing'", "m3_20k")),
    ],
)
def test_no_plan_is_made_of_a_bad_setting(key: str, value: str, words: tuple[str, ...]) -> None:
    """Making the plan is the first step of every drill: before it nothing is touched."""
    configuration = {"target": str(TARGET), "profile": "test_short", "scale": "1", key: value}
    method = method_of("region_failover", json.loads(FAILOVER.read_text()))
    with pytest.raises(BadInput) as caught:
        make_plan(
            configuration,
            drill="region_failover",
            title="Failover",
            kind="failover",
            gate="M3",
            method=method,
        )
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", ["../../x", "..", "", "a b", "a/b", ".a", "a" * 65, "['x']"])
def test_a_name_that_is_no_files_name_is_refused(name: str) -> None:
    """Bundle and run would lie elsewhere: no other command would find the drill."""
    method = method_of("region_failover", json.loads(FAILOVER.read_text()))
    with pytest.raises(BadInput, match=r"controls\.muster\.drill"):
        make_plan(
            {"target": str(TARGET)}, drill=name, title="", kind="failover", gate="M3", method=method
        )


def test_typed_variables_are_accepted_and_checked(tmp_path: Path) -> None:
    """A typed `--var` is read like its text."""
    with drill(tmp_path) as one:
        one.start(FAILOVER, "--var", "scale:float=0")
        refused(one, "scale", "0.0", "over 0")


def test_more_streams_than_the_machine_holds_are_refused(tmp_path: Path) -> None:
    """The line names what was asked, what fits, why, and the largest scale that does."""
    rules = yaml.safe_load((home.root() / "contract" / "phase5.yaml").read_text())
    data = yaml.safe_load(TARGET.read_text())
    data["profiles"] = {"huge": {**rules["profiles"]["m3_20k"], "streams": 1_000_000}}
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data))
    with drill(tmp_path, target=str(path), profile="huge", scale="1") as one:
        one.start()
        refused(one, "scale", "at most 0.0", "1,000,000 streams of huge", " fit (")


@pytest.mark.parametrize("key", ["method", "rollbacks"])
def test_a_drill_at_an_address_that_lacks_its_control_is_refused(tmp_path: Path, key: str) -> None:
    """Chaos Toolkit runs it, every activity of it fails, and by itself it would exit with 0."""
    document = json.loads(FAILOVER.read_text())
    document = {"title": "x", "description": "x", "method": [], key: document[key][:1]}
    with stand_in(lambda call: (200, document)) as server, drill(tmp_path) as one:
        one.start(f"{server.url}/drill.json")
        assert one.wait(180) == 2, one.output
        assert "lacks the control muster.controls.drill" in one.output


@pytest.mark.parametrize(
    ("name", "module"), [("muster", "mine"), ("mine", "muster.controls.drill")]
)
def test_a_global_control_in_the_place_of_the_drills_is_refused(
    tmp_path: Path, name: str, module: str
) -> None:
    """Its own would not be asked before an activity, or the other one would name the gate."""
    (tmp_path / "mine.py").write_text("def before_activity_control(context, **_): ...")
    controls = tmp_path / "controls.json"
    provider = {"type": "python", "module": module}
    controls.write_text(json.dumps({name: {"provider": provider}}))
    with drill(tmp_path) as one:
        path = os.environ.get("PYTHONPATH", "")
        one.variables["PYTHONPATH"] = os.pathsep.join([str(tmp_path), path])
        one.start(FAILOVER, "--control-file", str(controls))
        refused(one, "controls of the settings", name, "another name than muster")


def test_unknown_key_of_a_target_is_refused(tmp_path: Path) -> None:
    """A target file with an unknown key names the file and the key."""
    data = yaml.safe_load(TARGET.read_text())
    data["prometheus"]["uri"] = "http://127.0.0.1:1"
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data))
    with drill(tmp_path / "work", target=str(path)) as one:
        one.start()
        refused(one, str(path), "prometheus.uri", "known keys")


def test_threshold_that_is_no_edge_is_refused(tmp_path: Path) -> None:
    """A contract whose threshold is not an edge of its histogram is refused."""
    text = (TARGET.parents[2] / "contract" / "phase5.yaml").read_text()
    contract = tmp_path / "contract.yaml"
    contract.write_text(text.replace("first_token_p95_s_max: 2.5", "first_token_p95_s_max: 2.6"))
    data = yaml.safe_load(TARGET.read_text())
    data["contract"] = str(contract)
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data))
    with drill(tmp_path / "work", target=str(path)) as one:
        one.start()
        refused(one, str(contract), "2.6", "edge")


def test_unreachable_prometheus_is_refused(tmp_path: Path) -> None:
    """A target whose Prometheus does not answer is refused before anything is touched."""
    data = yaml.safe_load(TARGET.read_text())
    data["prometheus"]["url"] = "http://127.0.0.1:9"
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data))
    with drill(tmp_path / "work", target=str(path)) as one:
        one.start()
        refused(one, "prometheus.url", "http://127.0.0.1:9")


def test_missing_activity_is_refused(tmp_path: Path) -> None:
    """A drill that names an activity that does not exist is refused before it is validated."""
    data = json.loads(FAILOVER.read_text())
    data["method"][2]["provider"]["func"] = "no_such_phase"
    path = tmp_path / "drill.json"
    path.write_text(json.dumps(data))
    with drill(tmp_path / "work") as one:
        one.start(path)
        refused(one, "no_such_phase", "an activity of muster.actions")


def test_missing_control_cannot_pass(tmp_path: Path) -> None:
    """Without its control a drill touches nothing and exits non-zero."""
    data = json.loads(FAILOVER.read_text())
    data["controls"][0]["provider"]["module"] = "muster.controls.no_such_module"
    path = tmp_path / "drill.json"
    path.write_text(json.dumps(data))
    with drill(tmp_path / "work") as one:
        one.start(path)
        refused(one, "controls: got 0, expected the control muster.controls.drill once")


def test_a_misspelt_variable_is_refused_with_exit_code_2(tmp_path: Path) -> None:
    """Chaos Toolkit would drop it, and the drill would run on the testbed."""
    with drill(tmp_path) as one:
        one.start(FAILOVER, "--var", "tagret=staging")
        refused(one, "--var: tagret: got 'staging'", "did you mean target?")
        assert "Running experiment" not in one.output


def test_a_misspelt_variable_is_refused_without_validation_too(tmp_path: Path) -> None:
    """Where Chaos Toolkit was told not to validate, the control refuses before it begins."""
    with drill(tmp_path) as one:
        one.start(FAILOVER, "--no-validation", "--var", "tagret=staging")
        refused(one, "--var: tagret: got 'staging'", "did you mean target?")


def test_a_misspelt_key_in_a_file_of_variables_is_refused(tmp_path: Path) -> None:
    """They are dropped in the same way."""
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"configuration": {"scael": "1"}}))
    with drill(tmp_path) as one:
        one.start(FAILOVER, "--var-file", str(file))
        refused(one, "scael", "did you mean scale?")


def test_a_misspelt_environment_variable_is_refused(tmp_path: Path) -> None:
    """Nobody would read it."""
    with drill(tmp_path, tagret="staging") as one:
        one.start()
        refused(one, "MUSTER_TAGRET", "did you mean MUSTER_TARGET?")


def test_a_drill_that_does_not_drain_is_refused(tmp_path: Path) -> None:
    """Nothing is locked; the plan says the same, with the same exit code."""
    path = written(tmp_path, lambda data: data["method"].pop(5))
    with drill(tmp_path / "work") as one:
        one.start(path)
        refused(one, str(path), "dark instead of drain", "evacuate, drain, dark")
        plan = one.command("plan", str(path))
        assert plan.returncode == 2
        assert plan.stderr.count("dark instead of drain") == 1
        assert plan.stdout == ""


def test_a_strategy_that_proves_nothing_is_refused(tmp_path: Path) -> None:
    """The command line would win over the drill's own."""
    with drill(tmp_path) as one:
        one.start(FAILOVER, "--rollback-strategy", "never")
        refused(one, "--rollback-strategy", "always")


@pytest.mark.parametrize("options", [(), ("--no-validation",)])
def test_a_title_with_control_sequences_never_reaches_the_terminal(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """It is bad input before Chaos Toolkit's own line, which otherwise shows it escaped."""

    def paint(data: dict[str, Any]) -> None:
        data["title"] = "Failover\x1b]0;owned\x07\x1b[2J"

    with drill(tmp_path / "work") as one:
        one.start(written(tmp_path, paint), *options)
        refused(one, "title: got", "control characters")
        assert "]0;owned" in one.output
        assert "\x1b]" not in one.output
        assert "\x1b[2J" not in one.output
        assert "\x07" not in one.output
        if not options:
            assert "Running experiment" not in one.output


def test_an_activitys_name_with_control_sequences_stays_plain(tmp_path: Path) -> None:
    """Also where Chaos Toolkit's own validation complains about it first."""

    def paint(data: dict[str, Any]) -> None:
        data["method"][2]["name"] = "base\x1b[2Jline"
        data["method"][2]["provider"]["func"] = "no_such_phase"

    with drill(tmp_path / "work") as one:
        one.start(written(tmp_path, paint))
        assert one.wait(180) in (1, 2)
        assert "\x1b[2J" not in one.output
