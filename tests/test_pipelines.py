"""The pipelines of a game day: what each must hold, whoever edits them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from floor_fixtures import await_true

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
GITHUB = ROOT / ".github/workflows/game_day.yml"
GITLAB = ROOT / "deploy/gitlab/game_day.gitlab-ci.yml"
UNITS = ROOT / "deploy/systemd"
SCRIPT = ROOT / "deploy/game_day"
PINNED = re.compile(r"^[\w./-]+@[0-9a-f]{40}$")


def github():
    return yaml.safe_load(GITHUB.read_text())


def gitlab():
    _, job = yaml.safe_load_all(GITLAB.read_text())
    return job["game day"]


def steps(word):
    return [s for s in github()["jobs"]["drill"]["steps"] if word in str(s.get("run", ""))]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(path):
    """A tag can be moved to other code, which would then get the secrets."""
    used = [
        step["uses"]
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job["steps"]
        if "uses" in step
    ]
    assert used
    assert [one for one in used if not PINNED.match(one)] == []


def test_one_game_day_at_a_time_and_none_is_cut_off():
    """A runner that is cancelled is killed, watchdog and all."""
    assert github()["concurrency"]["cancel-in-progress"] is False
    assert "inputs.target" in github()["concurrency"]["group"]
    assert (gitlab()["interruptible"], "target" in gitlab()["resource_group"]) == (False, True)


def test_restoring_runs_whatever_became_of_the_drill():
    """And with everything that it needs: the same variables as the drill."""
    (drill,), (recover,) = steps("game_day drill"), steps("game_day recover")
    assert recover["if"] == "always()"
    assert recover["env"] == drill["env"]
    assert "deploy/game_day recover" in gitlab()["after_script"]
    service = (UNITS / "muster-game-day@.service").read_text()
    assert re.search(r"^ExecStopPost=.*game_day recover$", service, re.M)


def test_each_variable_of_the_example_target_reaches_drill_and_recovery():
    """Also those that stand in its comments, for who needs them."""
    text = (ROOT / "targets/staging.example.yaml").read_text()
    named = set(re.findall(r"\$\{env\.(\w+)\}", text))
    assert len(named) > 5
    assert named - {"NAME"} - set(steps("game_day drill")[0]["env"]) == set()


def test_people_approve_by_the_environment_of_the_target():
    """Its reviewers, and its secrets alone."""
    assert "inputs.target" in github()["jobs"]["drill"]["environment"]
    assert "target" in gitlab()["environment"]["name"]


def test_no_shell_reads_an_input_as_code():
    """Inputs reach commands as variables; `$[[ ]]` of GitLab is text before the shell runs."""
    scripts = [
        step["run"] for job in github()["jobs"].values() for step in job["steps"] if "run" in step
    ]
    assert not [text for text in scripts if "${{" in text]
    lines = [*gitlab()["before_script"], *gitlab()["script"], *gitlab()["after_script"]]
    assert not [text for text in lines if "$[[" in text]


def fake(tmp_path: Path, chaos: str) -> Path:
    """A checkout with the script and a `chaos` that does as told."""
    (tmp_path / "deploy").mkdir()
    shutil.copy2(SCRIPT, tmp_path / "deploy/game_day")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "reports/out/old").mkdir(parents=True)
    (tmp_path / "reports/out/latest").symlink_to("old")
    file = tmp_path / ".venv/bin/chaos"
    file.write_text(f'#!/bin/bash\necho "$@" >> said\n{chaos}\n')
    file.chmod(0o755)
    return tmp_path


def game_day(place: Path, step: str, **variables: str):
    env = {"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(place), **variables}
    return subprocess.run(
        [place / "deploy/game_day", step], env=env, capture_output=True, text=True, timeout=60
    )


NEW = "mkdir -p reports/out/new; ln -sfn new reports/out/latest"


@pytest.mark.parametrize(
    ("chaos", "code"),
    [
        ("exit 0", 0),
        (f'case "$*" in *" run "*) {NEW}; exit 1;; *judge*) exit 3;; esac', 3),
        (f'case "$*" in *" run "*) {NEW}; exit 1;; *judge*) exit 5;; esac', 5),
        # `chaos run` exits by the verdict. A drill that may not begin now leaves no evidence.
        (f'case "$*" in *" run "*) {NEW}; exit 5;; *judge*) exit 1;; esac', 5),
        ('case "$*" in *" run "*) exit 4;; esac', 4),
        # A killed run: its watchdog wrote the evidence.
        (f'case "$*" in *" run "*) {NEW}; exit 137;; *judge*) exit 4;; esac', 4),
        # Judged again it passes, but Chaos Toolkit did not: the worse of the two counts.
        (f'case "$*" in *" run "*) {NEW}; exit 1;; esac', 1),
        ('case "$*" in *" run "*) exit 1;; esac', 2),
        ('case "$*" in *recover*) exit 5;; esac', 5),
    ],
)
def test_the_exit_code_is_the_verdict_of_this_drill(tmp_path, chaos, code):
    """Never that of an earlier one: a drill that left no evidence did not start."""
    assert game_day(fake(tmp_path, chaos), "drill").returncode == code


@pytest.mark.parametrize(
    ("chaos", "code"),
    [
        (
            f'case "$*" in *" run "*) {NEW.replace("latest", "latest_day")}; exit 1;; esac',
            1,
        ),
        ('case "$*" in *" run "*) exit 1;; esac', 2),
        ('case "$*" in *" run "*) exit 3;; esac', 3),
        # A killed day has no verdict, and no bundle of a drill is one of the day.
        (f'case "$*" in *" run "*) {NEW}; exit 137;; esac', 4),
        ('case "$*" in *judge*) exit 1;; esac', 0),
    ],
)
def test_the_exit_code_of_a_whole_day(tmp_path, chaos, code):
    """It is the day's, which has judged its drills itself."""
    place = fake(tmp_path, chaos)
    (place / "day.json").write_text((ROOT / "drills" / "game_day.json").read_text())
    assert game_day(place, "drill", GAME_DAY_DRILL="day.json").returncode == code


def test_the_summary_of_a_day_is_its_own_report(tmp_path):
    """Not that of its last drill."""
    place = fake(tmp_path, "exit 0")
    (place / "day.json").write_text((ROOT / "drills" / "game_day.json").read_text())
    for name, file in (("latest", "report.md"), ("latest_day", "day.md")):
        (place / "reports" / "out" / name).mkdir(exist_ok=True)
        (place / "reports" / "out" / name / file).write_text(name)
    summary = tmp_path / "summary.md"
    game_day(place, "summary", GAME_DAY_DRILL="day.json", GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text() == "latest_day"


def test_nothing_is_drilled_if_something_earlier_is_not_back(tmp_path):
    """It would drill a platform in an unknown state."""
    place = fake(tmp_path, 'case "$*" in *recover*) exit 5;; esac')
    game_day(place, "drill", MUSTER_TARGET="staging")
    assert (place / "said").read_text() == "--no-version-check drill recover --target staging\n"


def test_a_secret_text_becomes_a_private_file_and_is_not_handed_on(tmp_path):
    """Named by the variable that Muster and kubectl read."""
    place = fake(tmp_path, 'env > env; stat -c %a "$KUBECONFIG" > mode; cat "$KUBECONFIG" > text')
    game_day(place, "recover", KUBECONFIG_TEXT="a secret\nin lines")
    assert (place / "mode").read_text() == "600\n"
    assert (place / "text").read_text() == "a secret\nin lines\n"
    assert "KUBECONFIG_TEXT" not in (place / "env").read_text()


def test_a_game_day_is_due_in_every_nth_week(tmp_path):
    """Of three weeks in a row exactly one, by a `date` that is told what day it is."""
    place = fake(tmp_path, "exit 0")
    (place / "bin").mkdir()
    date = place / "bin/date"
    found = []
    for week in range(3):
        date.write_text(f"#!/bin/bash\necho {1793700000 + week * 7 * 86400}\n")
        date.chmod(0o755)
        path = f"{place / 'bin'}:/usr/bin:/bin"
        found.append(game_day(place, "due", GAME_DAY_EVERY_WEEKS="3", PATH=path).returncode)
    assert sorted(found) == [0, 1, 1]


@pytest.mark.parametrize(
    ("chaos", "code", "said"),
    [
        (f'case "$*" in *" run "*) {NEW}; touch reports/out/new/report.md;; esac', 0, ""),
        (f'case "$*" in *" run "*) {NEW}; exit 1;; *judge*) exit 3;; esac', 3, "No report"),
        ('case "$*" in *" run "*) exit 4;; esac', 4, "No new report: the drill did not start."),
        # All that was changed must be back, whatever the drill said.
        (
            f'case "$*" in *" run "*) touch begun; {NEW};; *recover*) [ ! -e begun ] || exit 5;;'
            " esac",
            5,
            "",
        ),
    ],
)
def test_a_pod_drills_and_restores_and_ends_by_the_verdict(tmp_path, chaos, code, said):
    """Recovery comes before the drill and after it; the journal is where it may be written."""
    place = fake(tmp_path, chaos)
    run = game_day(place, "pod", MUSTER_TARGET="staging")
    assert run.returncode == code
    assert said in run.stdout
    lines = (place / "said").read_text().splitlines()
    assert lines[0] == "--no-version-check drill recover --target staging"
    assert lines[1].startswith("--no-version-check --no-log-file run --journal-path reports/out/")
    assert lines.count(lines[0]) == 2


def told_to_end(place: Path, begun: str) -> int:
    """The exit code of a pod that gets SIGTERM once the file `begun` is there."""
    env = {"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(place)}
    child = subprocess.Popen([place / "deploy/game_day", "pod"], env=env, start_new_session=True)
    try:
        await_true((place / begun).exists, begun)
        child.terminate()
        # Only then may what it waits for go on.
        (place / "told").touch()
        return child.wait(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def test_a_pod_that_must_end_tells_its_drill_and_restores(tmp_path):
    """A container's first process alone gets SIGTERM: the drill gets it from there, and ends."""
    wait = "while :; do sleep 0.05; done"
    stop = f"trap '{NEW}; exit 4' TERM; touch begun; {wait}"
    place = fake(tmp_path, f'case "$*" in *" run "*) {stop};; esac')
    assert told_to_end(place, "begun") == 4
    assert "drill recover" in (place / "said").read_text().splitlines()[-1]


def test_a_pod_that_must_end_begins_no_drill(tmp_path):
    """SIGTERM while an earlier drill is restored: that is finished, and nothing is begun."""
    wait = "while [ ! -e told ]; do sleep 0.05; done"
    place = fake(tmp_path, f'case "$*" in *recover*) touch begun; {wait};; esac')
    assert told_to_end(place, "begun") == 4
    assert " run " not in (place / "said").read_text()


def test_a_summary_without_a_report_says_so(tmp_path):
    """And is no failure of its own."""
    run = game_day(fake(tmp_path, "exit 1"), "summary")
    assert (run.returncode, "the drill did not start" in run.stdout) == (0, True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path):
    """With the checkout where it is here, since systemd looks for the programs."""
    for unit in UNITS.iterdir():
        text = (
            unit.read_text().replace("/opt/muster", str(ROOT)).replace("User=muster", "User=root")
        )
        (tmp_path / unit.name.replace("@.", "@staging.")).write_text(text)
    run = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert (run.returncode, run.stderr) == (0, "")
