"""The pins, the plug-in, the Makefile, the pipelines: what a fresh clone is held together by."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement

from muster.contract import load
from muster.judge import rig_fault
from muster.judge.findings import Finding
from muster.judge.rig import Rig
from muster.samples.series import Samples

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)==([^ ;]+)(?: ; ([^\\]+?))?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$",
    re.M,
)


def pins(text: str) -> list[tuple[str, str, str]]:
    return [(m[1], m[2], m[3] or "") for m in PIN.finditer(text)]


def requirements(path: Path) -> list[str]:
    """The lines of a requirements file that begin a requirement."""
    return [line for line in path.read_text().splitlines() if line and line[0] not in " #"]


@pytest.mark.parametrize("name", ["constraints.txt", "tools/go.txt", "bench/locust.txt"])
def test_every_line_is_an_exact_pin_with_hashes(name: str) -> None:
    """No option, no address, no pin without a hash."""
    path = ROOT / name
    assert len(pins(path.read_text())) == len(requirements(path)) > 0
    assert "://" not in path.read_text()


def test_a_pin_without_a_hash_would_be_seen() -> None:
    """The pattern above refuses what pip would fetch unchecked."""
    assert pins("six==1.17.0\n") == []
    assert pins("six>=1.17.0 \\\n    --hash=sha256:" + "0" * 64 + "\n") == []


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    ("system", "machine"),
    [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("darwin", "x86_64")],
)
def test_each_python_and_platform_gets_one_version_of_everything(
    python: str, system: str, machine: str
) -> None:
    """What pyproject.toml asks for is pinned once, in a range that it accepts."""
    here = {
        "python_version": python,
        "python_full_version": f"{python}.4",
        "sys_platform": system,
        "platform_machine": machine,
    }
    chosen: dict[str, str] = {}
    for name, version, marker in pins((ROOT / "constraints.txt").read_text()):
        if marker and not Marker(marker).evaluate(here):
            continue
        assert name not in chosen, f"{name} is pinned twice"
        chosen[name] = version
    wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["dev"]
    for text in wanted:
        requirement = Requirement(text)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert requirement.specifier.contains(chosen[name]), text


def test_chaos_finds_the_drill_commands() -> None:
    """The plug-in group that the installed Chaos Toolkit reads holds `drill`."""
    (found,) = entry_points(group="chaostoolkit.cli_plugins", name="drill")
    assert found.value == "muster.cli:drill"


def test_engine_and_probes_import_from_anywhere(tmp_path: Path) -> None:
    """`muster` and `probes` are those of this clone, whatever the working directory."""
    answer = subprocess.run(
        [sys.executable, "-c", "import muster, probes; print(muster.__file__, probes.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = (ROOT / "src/muster/__init__.py", ROOT / "probes/__init__.py")
    assert answer.stdout.split() == [str(path) for path in expected]


def test_the_plug_in_loads_nothing_that_every_chaos_start_would_pay_for() -> None:
    """`chaos` imports the plug-in at every start: none of the heavy libraries may come with it."""
    heavy = "boto3 pydantic numpy jinja2 httpx redis moto uvloop rich"
    code = (
        "import sys, muster.cli; "
        f"print([name for name in {heavy!r}.split() if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def make(*arguments: str, **variables: str) -> str:
    """What make would run."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    answer = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**clean, **variables},
    )
    return answer.stdout


def test_make_drill_sets_up_and_runs_the_drill() -> None:
    """One command: what is missing first, then `chaos run`."""
    lines = make("drill").splitlines()
    assert any("tools/setup" in line for line in lines)
    assert lines[-1].endswith("run drills/region_failover.json")


def test_what_make_is_told_reaches_the_drill_as_environment_only() -> None:
    """A value is never part of a command line, so no shell reads it; what is unset stays unset."""
    hostile = '0.2"; touch /tmp/x; "'
    assert "touch" not in make("drill", f"SCALE={hostile}", f"TARGET={hostile}")
    show = ["-f", "Makefile", "--eval=show: ; @env | grep ^MUSTER_ || true", "show"]
    answer = subprocess.run(
        ["make", "-s", *show, "SCALE=0.2", "SEED=7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert sorted(answer.stdout.split()) == ["MUSTER_SCALE=0.2", "MUSTER_SEED=7"]


def workflow(name: str) -> dict[str, Any]:
    """A workflow; YAML 1.1 reads the key `on` as True."""
    data = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
    data["on"] = data.pop(True)
    return dict(data)


def game_day_faults(data: dict[str, Any]) -> list[str]:
    """What is wrong with a game-day pipeline, a line each."""
    faults = []
    steps = data["jobs"]["drill"]["steps"]
    if "schedule" not in data["on"]:
        faults.append("no schedule")
    if not {"target", "scale"} <= set(data["on"]["workflow_dispatch"]["inputs"]):
        faults.append("target or scale is no input")
    if data["concurrency"].get("cancel-in-progress") is not False:
        faults.append("a second run would cut off the first")
    after = [step.get("run", "") for step in steps].index("deploy/game_day drill")
    recovers = [step for step in steps[after:] if "game_day recover" in step.get("run", "")]
    if not recovers or any(step.get("if") != "always()" for step in recovers):
        faults.append("what follows the drill does not always recover")
    uploads = [step for step in steps if "upload-artifact" in step.get("uses", "")]
    if not uploads or any(step.get("if") != "always()" for step in uploads):
        faults.append("the evidence of a failed drill is lost")
    if not any("reports/out/*/" in step["with"]["path"].split() for step in uploads):
        faults.append("the bundle is no artifact")
    summaries = [step for step in steps if "game_day summary" in step.get("run", "")]
    if not summaries or any(step.get("if") != "always()" for step in summaries):
        faults.append("no summary of a failed drill")
    faults += [
        f"a shell reads an expression: {s['run']}" for s in steps if "${{" in s.get("run", "")
    ]
    return faults


def test_the_game_day_pipeline_keeps_its_promises() -> None:
    """Schedule, inputs, one drill at a time, evidence always kept, recovery always tried."""
    assert game_day_faults(workflow("game_day.yml")) == []


def only(steps: list[dict[str, Any]], word: str) -> list[dict[str, Any]]:
    """The steps that call `deploy/game_day` with that word."""
    return [step for step in steps if f"game_day {word}" in step.get("run", "")]


@pytest.mark.parametrize(
    ("break_it", "fault"),
    [
        (lambda d, s: d["on"].pop("schedule"), "no schedule"),
        (lambda d, s: d["on"]["workflow_dispatch"]["inputs"].pop("scale"), "is no input"),
        (lambda d, s: d["concurrency"].update({"cancel-in-progress": True}), "cut off the first"),
        (lambda d, s: only(s, "recover")[0].pop("if"), "does not always recover"),
        (lambda d, s: s.remove(only(s, "recover")[0]), "does not always recover"),
        (lambda d, s: [x.pop("if", 0) for x in s if "uses" in x], "evidence of a failed drill"),
        (lambda d, s: s[1].update(run="make setup ${{ inputs.target }}"), "reads an expression"),
        (lambda d, s: only(s, "summary")[0].pop("if"), "no summary"),
    ],
)
def test_a_game_day_pipeline_with_a_hole_is_found(break_it: Any, fault: str) -> None:
    """Each promise is shown broken once."""
    data = workflow("game_day.yml")
    break_it(data, data["jobs"]["drill"]["steps"])
    assert any(fault in line for line in game_day_faults(data))


EXCUSED = "over 2.5 s; the rig: load lagged: p99 at or under 50 ms"


def bundle(folder: Path, **changes: Any) -> Path:
    """A folder with one bundle, INCONCLUSIVE for the rig's own lag alone unless changed."""
    late = {"slo": "first_token_p95", "status": "unknown", "reason": EXCUSED}
    verdict = {
        "verdict": "INCONCLUSIVE",
        "stopped_by": None,
        "findings": [late, {"slo": "rate_5xx", "status": "pass", "reason": ""}],
        "unknowns": ["unknown: first_token_p95 dark"],
        "undo": {"pending": [], "verified": True},
        **changes,
    }
    (folder / "a").mkdir(parents=True)
    (folder / "a/verdict.json").write_text(json.dumps(verdict))
    (folder / "latest").symlink_to("a")
    return folder


def rig_lag_alone(folder: Path) -> bool:
    return subprocess.run([sys.executable, ROOT / "tools/rig_lag_alone", folder]).returncode == 0


def test_the_judge_marks_what_the_rig_excuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words that tools/rig_lag_alone looks for are those that the judge writes."""
    late = Finding(
        slo="first_token_p95",
        tier="G",
        phase="dark",
        region="eu-central-1",
        source="client",
        window=(0.0, 60.0),
        threshold=2.5,
        measured=2.7,
        margin=-0.2,
        unit="s",
        samples=9000,
        status="fail",
        reason="over 2.5 s",
    )
    lagging = Rig((), "load lagged: p99 at or under 50 ms")
    monkeypatch.setattr(rig_fault, "judge_rig", lambda *arguments: lagging)
    faults = rig_fault.RigFaults(Samples({}), load().load_validity, 4.0)
    (excused,) = rig_fault.excused(faults, [], [late])
    assert (excused.status, excused.reason) == ("unknown", EXCUSED)


def test_a_drill_is_run_again_for_the_rigs_own_lag_alone(tmp_path: Path) -> None:
    """A latency that only the rig's lag keeps from being judged is worth a second drill."""
    assert rig_lag_alone(bundle(tmp_path / "out"))


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "FAIL"},
        {"verdict": "PASS"},
        {"stopped_by": "operator"},
        {"findings": []},
        {"unknowns": ["ledger.jsonl: a line is torn", "one more"]},
        {"undo": {"pending": ["x"], "verified": False}},
        {"findings": [{"slo": "availability", "status": "unknown", "reason": "no data"}]},
        {"findings": [{"slo": "rate_5xx", "status": "fail", "reason": "x; the rig: lagged"}]},
        {"findings": None},
    ],
)
def test_a_drill_is_not_run_again_for_anything_else(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Any other cause beside it, or instead of it, stands as it is."""
    assert not rig_lag_alone(bundle(tmp_path / "out", **changes))


def test_a_drill_without_evidence_is_not_run_again(tmp_path: Path) -> None:
    """No verdict, or a torn one, is no excuse."""
    assert not rig_lag_alone(tmp_path)
    folder = bundle(tmp_path / "out")
    (folder / "a/verdict.json").write_text("{")
    assert not rig_lag_alone(folder)


def test_ci_runs_everything_and_needs_no_terminal() -> None:
    """Set-up, checks, tests, drills and one short drill, in that order; a failure ends it."""
    text = (ROOT / ".ci/run").read_text()
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "set -euo pipefail" in text
    stages = re.findall(r"^stage \"([^\"]+)\"", text, re.M)
    assert stages[:3] == ["make setup", "make check", "make pipelines"]
    assert stages[3:6] == ["make test", "what takes longer, by turns", "one short drill"]
