"""Every verdict of a whole drill, both ways, through `chaos run` and real processes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from drill_runner import FAILOVER, ROOT, TARGET, Drill, drill
from floor_fixtures import await_true

pytestmark = pytest.mark.drills


def changed_target(work: Path, change: Callable[[dict], None]) -> str:
    """A copy of the test target with one change."""
    data = yaml.safe_load(TARGET.read_text())
    change(data)
    work.mkdir(parents=True, exist_ok=True)
    path = work / "target.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return str(path)


def changed_drill(work: Path, change: Callable[[dict], None]) -> Path:
    """A copy of the failover drill with one change."""
    data = json.loads(FAILOVER.read_text())
    change(data)
    work.mkdir(parents=True, exist_ok=True)
    path = work / "drill.json"
    path.write_text(json.dumps(data))
    return path


def weights_are_back(one: Drill) -> bool:
    """Whether the drill's own read-back, from the API, shows everything as before."""
    looks = one.events("verify")
    return bool(looks) and looks[-1]["verified"] is True and not looks[-1]["pending"]


def test_healthy_platform_passes(tmp_path: Path) -> None:
    """A healthy platform passes with exit 0, everything known, and nothing left changed."""
    with drill(tmp_path) as one:
        one.start()
        one.await_phase("baseline")
        endpoints = one.testbed()["endpoints"]
        secrets = [endpoints[key] for key in ("load_token", "canary_token", "control_token")]
        assert one.wait() == 0, one.output
        verdict = one.verdict
        assert verdict["verdict"] == "PASS"
        assert {f["status"] for f in verdict["findings"]} <= {"pass", "not_judged"}
        held = {f["phase"] for f in verdict["findings"] if f["slo"] == "streams_held"}
        assert held == {"evacuate", "drain", "dark", "restore"}
        assert verdict["unknowns"] == []
        assert verdict["evidence"] == "testbed"
        undo = {"changed_by_another": [], "commands": [], "pending": [], "verified": True}
        assert verdict["undo"] == undo
        for name in ("report.html", "report.md", "junit.xml", "journal.json", "manifest.json"):
            assert (one.bundle / name).stat().st_size > 0
        assert (one.work / "out" / "latest").resolve() == one.bundle.resolve()
        assert not (one.work / "state" / "testbed-test" / "state.json").exists()
        kept = [path for path in one.work.rglob("*") if path.is_file()]
        assert not [p for p in kept for secret in secrets if secret.encode() in p.read_bytes()]


@pytest.mark.parametrize(
    ("defect", "slos"),
    [
        ("undersized_survivor", {"rate_429", "success_2xx"}),
        ("cold_survivor", {"first_token_p95"}),
        ("cuts_streams_on_drain", {"streams_cut"}),
        ("sheds_too_much", {"rate_429"}),
        ("queue_stuck", {"queue_age"}),
    ],
)
def test_planted_defect_fails_for_its_reason(tmp_path: Path, defect: str, slos: set[str]) -> None:
    """A planted defect makes the drill FAIL, by the finding or limit that names it."""
    with drill(tmp_path, defect=defect) as one:
        one.start()
        assert one.wait() == 1, one.output
        assert one.verdict["verdict"] == "FAIL", one.output
        named = one.failures() | {(one.verdict["stopped_by"] or "").partition(":")[2]}
        assert named & slos, (named, one.output)
        assert weights_are_back(one)


def test_ignored_weights_fail_before_dark(tmp_path: Path) -> None:
    """Traffic that does not leave stops the drill as the platform's fault, never darkened."""
    with drill(tmp_path, defect="ignores_weights") as one:
        one.start()
        assert one.wait() == 1
        assert one.verdict["verdict"] == "FAIL"
        assert one.verdict["stopped_by"] == "platform:traffic_would_not_leave"
        assert not one.events("region_dark")
        assert weights_are_back(one)


def test_slo_without_data_is_inconclusive(tmp_path: Path) -> None:
    """An SLO whose counter never moves is unknown, and the drill INCONCLUSIVE."""

    def blind(data: dict) -> None:
        data["signals"]["client_canaries"] = "muster_load_dns_failures_total"

    with drill(tmp_path, target=changed_target(tmp_path / "target", blind)) as one:
        one.start()
        assert one.wait() == 3
        assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
        assert "availability" in one.unknown()


def test_prometheus_stopped_aborts(tmp_path: Path) -> None:
    """Prometheus gone in mid-drill is data lost: ABORTED, and everything is put back."""
    with drill(tmp_path) as one:
        one.start()
        one.await_phase("dark")
        (pid,) = [p["pid"] for p in one.testbed()["processes"] if p["kind"] == "prometheus"]
        os.kill(pid, signal.SIGKILL)
        assert one.wait() == 4
        assert one.verdict["verdict"] == "ABORTED", one.output
        assert one.verdict["stopped_by"] == "data_lost"
        assert weights_are_back(one)


def test_fault_that_does_not_bite_is_inconclusive(tmp_path: Path) -> None:
    """A region that still answers after it was stopped proves nothing."""

    def elsewhere(data: dict) -> None:
        regions = data["regions"]
        regions["eu-west-1"]["ready_url"] = regions["eu-central-1"]["ready_url"]

    with drill(tmp_path, target=changed_target(tmp_path / "target", elsewhere)) as one:
        one.start()
        assert one.wait() == 3
        assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
        assert "fault_proof" in one.unknown()


def test_load_short_of_its_schedule_is_inconclusive(tmp_path: Path) -> None:
    """A load that offered less than its schedule proves nothing."""

    def short(data: dict) -> None:
        data["signals"]["client_offered"] = "muster_load_late_total"

    with drill(tmp_path, target=changed_target(tmp_path / "target", short)) as one:
        one.start()
        assert one.wait() == 3
        assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
        assert "load_offered" in one.unknown()


def test_dead_load_stops_the_drill(tmp_path: Path) -> None:
    """A load process that dies stops the drill at once; the verdict blames the rig."""
    with drill(tmp_path) as one:
        one.start()
        one.await_phase("baseline")
        (started,) = one.events("load_started")
        os.kill(started["pids"][0], signal.SIGKILL)
        assert one.wait() == 3
        assert one.verdict["verdict"] == "INCONCLUSIVE", one.output
        assert one.verdict["stopped_by"] == "load_died"


def test_a_load_that_stands_still_in_the_dark_blames_nobody(tmp_path: Path) -> None:
    """The load does not run for 10 s: what that does to the platform is no FAIL.

    Windows of 6 s: the pause is shorter than what the guard allows to be missing.
    """

    def patient(data: dict) -> None:
        data["prometheus"]["missing_s_max"] = 30

    target = changed_target(tmp_path / "target", patient)
    with drill(tmp_path, target=target, time_scale="10") as one:
        one.start()
        one.await_event("fault_proof")
        (started,) = one.events("load_started")
        for pid in started["pids"]:
            os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(10)
        finally:
            for pid in started["pids"]:
                os.kill(pid, signal.SIGCONT)
        one.wait()
        assert one.verdict["verdict"] in ("PASS", "INCONCLUSIVE"), one.output
        assert not one.failures()
        assert weights_are_back(one)


def test_raising_action_aborts(tmp_path: Path) -> None:
    """An action that raises ends the drill: nothing more is tried, everything is put back."""

    def absurd(data: dict) -> None:
        for activity in data["method"]:
            if activity["name"] == "evacuate":
                activity["provider"]["arguments"] = {"shares_pct": [25, 250, 0]}

    with drill(tmp_path) as one:
        one.start(changed_drill(tmp_path / "drill", absurd))
        assert one.wait() == 4
        assert one.verdict["verdict"] == "ABORTED", one.output
        assert one.verdict["stopped_by"] == "action:evacuate"
        assert not one.events("region_dark")
        assert weights_are_back(one)


def test_failing_rollback_is_told_with_commands(tmp_path: Path) -> None:
    """What cannot be put back makes ROLLBACK_FAILED, with the commands to run by hand."""
    with drill(tmp_path) as one:
        one.start()
        one.await_event("region_dark")
        (pid,) = [p["pid"] for p in one.testbed()["processes"] if p["name"] == "route53"]
        os.kill(pid, signal.SIGKILL)
        assert one.process is not None
        one.process.send_signal(signal.SIGTERM)
        assert one.wait() == 5
        assert one.verdict["verdict"] == "ROLLBACK_FAILED", one.output
        assert any("route53" in line for line in one.verdict["undo"]["commands"])
        # The others are back all the same.
        assert any(e["state"] == "done" and "region" in e["subject"] for e in one.events("undo"))


def test_sigterm_in_the_dark_aborts_and_restores(tmp_path: Path) -> None:
    """SIGTERM in mid-drill: ABORTED, region and weights back, trip to restored measured."""
    with drill(tmp_path) as one:
        one.start()
        one.await_event("region_dark")
        assert one.process is not None
        one.process.send_signal(signal.SIGTERM)
        one.process.send_signal(signal.SIGTERM)
        assert one.wait() == 4
        assert one.verdict["verdict"] == "ABORTED", one.output
        assert one.verdict["stopped_by"] == "signal:SIGTERM"
        assert weights_are_back(one)
        assert one.verdict["timings_s"]["trip_to_restored_s"] > 0


def test_second_drill_refuses_and_touches_nothing(tmp_path: Path) -> None:
    """The same drill started twice: the second one refuses, the first one passes."""
    with drill(tmp_path / "one") as first, drill(tmp_path / "one") as second:
        first.start()
        first.await_phase("baseline")
        second.work = tmp_path / "one"
        result = second.command("status", "--target", str(TARGET))
        assert result.returncode == 0
        (tmp_path / "two").mkdir()
        again = Drill(tmp_path / "two")
        again.variables = {
            "MUSTER_STATE_DIR": str(tmp_path / "one" / "state"),
            "MUSTER_OUT_DIR": str(tmp_path / "two" / "out"),
        }
        again.start()
        assert again.wait(30) == 4
        assert "is held by" in again.output
        assert not again.bundles
        assert first.wait() == 0, first.output


def await_over(one: Drill) -> None:
    """Until whoever is left has restored, judged and cleaned up."""
    runs = one.work / "state" / "drills"
    await_true(lambda: not any(runs.glob("*/target")), "the end of the drill", 90)


def test_the_watchdog_restores_after_kill_in_the_dark(tmp_path: Path) -> None:
    """`kill -9` in the dark: region and weights are back unasked, and how long it took is known."""
    with drill(tmp_path) as one:
        one.start()
        one.await_event("fault_proof")
        assert one.process is not None
        one.process.kill()
        one.process.wait()
        await_over(one)
        assert weights_are_back(one), one.output
        assert one.verdict["verdict"] == "ABORTED"
        assert one.verdict["stopped_by"] == "lost_lease"
        assert one.verdict["timings_s"]["trip_to_restored_s"] > 0
        assert [e["state"] for e in one.events("watchdog")] == ["started", "took_over"]
        again = one.command("recover", "--target", str(TARGET))
        assert again.returncode == 0
        assert "nothing is left changed" in again.stdout


def test_recover_after_both_were_stopped_in_the_dark(tmp_path: Path) -> None:
    """Drill and watchdog stand still: `chaos drill recover` ends both and restores."""
    with drill(tmp_path) as one:
        one.start()
        pid = one.await_event("watchdog")["pid"]
        one.await_event("fault_proof")
        assert one.process is not None
        os.kill(pid, signal.SIGSTOP)
        one.process.send_signal(signal.SIGSTOP)
        refused = one.command("recover", "--target", str(TARGET))
        assert refused.returncode != 0, "they may still be awake"
        assert "is held by" in refused.stderr
        await_true(
            lambda: one.command("recover", "--target", str(TARGET)).returncode == 0, "recover"
        )
        assert one.process.wait(10) == -signal.SIGKILL
        assert weights_are_back(one)
        assert one.verdict["verdict"] == "ABORTED"
        assert one.verdict["stopped_by"] == "lost_lease"


def test_a_watchdog_that_stands_still_aborts_the_drill(tmp_path: Path) -> None:
    """Without a live guard a drill does not go on: ABORTED, everything back."""
    with drill(tmp_path) as one:
        one.start()
        pid = one.await_event("watchdog")["pid"]
        one.await_event("region_dark")
        os.kill(pid, signal.SIGSTOP)
        assert one.wait() == 4
        assert one.verdict["verdict"] == "ABORTED", one.output
        assert one.verdict["stopped_by"] == "lost_watchdog"
        assert weights_are_back(one)
        assert one.events("watchdog")[-1]["state"] == "lost"


def test_abort_from_another_terminal_restores(tmp_path: Path) -> None:
    """`chaos drill abort` stops the drill, waits until all is back, and says the verdict."""
    with drill(tmp_path) as one:
        nothing = one.command("abort", "--target", str(TARGET))
        assert (nothing.returncode, "no drill runs" in nothing.stdout) == (0, True)
        one.start()
        one.await_event("region_dark")
        said = one.command("abort", "--target", str(TARGET), "--why", "smoke in the hall")
        assert said.returncode == 0, said.stdout + said.stderr
        assert "ABORTED (operator)" in said.stdout
        assert one.wait() == 4
        assert one.events("stopped")[0]["detail"] == "smoke in the hall"
        assert weights_are_back(one)
        assert one.verdict["timings_s"]["trip_to_restored_s"] > 0


@pytest.mark.parametrize("name", ["redis_outage", "provider_latency", "region_evacuation"])
def test_experiment_passes_on_a_healthy_platform(tmp_path: Path, name: str) -> None:
    """Each experiment passes on a healthy platform, its fault seen to bite."""
    with drill(tmp_path) as one:
        one.start(ROOT / "experiments" / f"{name}.json")
        assert one.wait() == 0, one.output
        assert one.verdict["verdict"] == "PASS"
        assert all(fault["proven"] for fault in one.verdict["faults"])


@pytest.mark.parametrize(
    ("name", "defect"),
    [("provider_latency", "slow_fallback_provider"), ("redis_outage", "no_redis_fallback")],
)
def test_experiment_fails_on_its_defect(tmp_path: Path, name: str, defect: str) -> None:
    """A platform whose fallback does not hold fails the experiment that needs it."""
    with drill(tmp_path, defect=defect) as one:
        one.start(ROOT / "experiments" / f"{name}.json")
        assert one.wait() == 1
        assert one.verdict["verdict"] == "FAIL", one.output
        assert weights_are_back(one)
