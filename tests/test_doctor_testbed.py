"""The doctor on a real testbed: it ends 0 and changes nothing; then all that is broken shows."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
import yaml
from click.testing import CliRunner
from drill_runner import TARGET
from testbed_peers import until

from muster import contract, targets, testbed
from muster.cli import drill
from muster.cli.plan import plan_of
from muster.drill.doctor import registry, resolving
from muster.drill.doctor.examined import examined
from muster.drill.doctor.registry import BY_USE, checks_of
from muster.drill.doctor.run import examine
from muster.drill.phases.preflight import CHECKS
from muster.errors import MusterError
from muster.faults.proxies import proxy_of
from muster.platform.steering import shares_of

REGION, OTHER = "eu-west-1", "eu-central-1"
SETTINGS = ("profile=test_short", "scale=1")
DRILL = "drills/region_failover.json"


@pytest.fixture(scope="module")
def bed(tmp_path_factory):
    """A testbed that is up, under a target file of its own."""
    place = tmp_path_factory.mktemp("doctor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSTER_STATE_DIR", str(place / "state"))
        patch.setenv("MUSTER_OUT_DIR", str(place / "out"))
        # Each check gets as long as a slow machine needs: how long is no part of these tests.
        patch.setattr(resolving, "ASKING_S_MAX", 300.0)
        patch.setattr(registry, "checks_of", patient_checks)
        data = yaml.safe_load(TARGET.read_text())
        data["name"] = "doctored"
        file = place / "doctored.yaml"
        file.write_text(yaml.safe_dump(data, sort_keys=False))
        target = targets.load(str(file))
        profile = contract.parse_profile("test_short", target.profiles["test_short"], "it")
        state = testbed.up(target, profile, scale=1, seed=1, owner="test")
        try:
            plan = plan_of(DRILL, (*SETTINGS, f"target={file}"))
            yield SimpleNamespace(file=file, state=state, plan=plan, place=place)
        finally:
            testbed.down("doctored")


def patient_checks(one):
    """Every check, each with ten minutes."""
    return tuple(replace(check, seconds_max=600.0) for check in checks_of(one))


def doctor(bed, *words):
    """The command as it is typed."""
    given = [word for setting in SETTINGS for word in ("--var", setting)]
    return CliRunner().invoke(drill, ["doctor", str(bed.file), *given, *words])


def counted(one):
    """What the platform has counted of requests, by region and code."""
    return {
        (series.labels["region"], series.labels["code"]): series.v[-1]
        for series in one.metrics.raw("requests", "http_server_requests_total", 5.0)
    }


def test_it_ends_0_changes_nothing_and_costs_a_request_a_region(bed, tmp_path):
    """On the testbed as it is up; table, JSON and metrics tell the same."""
    metrics = tmp_path / "m.prom"
    before = examined(bed.plan)
    records, proxies = before.steering.shown(), proxy_of(before.target, REGION, "redis").state()
    until(lambda: len(counted(before)) >= 2)
    asked = sum(counted(before).values())
    result = doctor(bed, "--json", "--textfile", str(metrics))
    document = json.loads(result.stdout)
    assert (result.exit_code, document["findings"]) == (0, [])
    assert document["ready"] is True
    assert " 1\n" in metrics.read_text().partition("TYPE muster_doctor_ready gauge")[2][:80]
    streams = [document["looked_at"][f"stream:{region}"][0] for region in (REGION, OTHER)]
    assert [(row["status"], row["token"]) for row in streams] == [
        ("200", "token"),
        ("200", "canary_token"),
    ]
    assert all(row["body"].startswith("data: {") for row in streams)
    signals = {row["signal"]: row for row in document["looked_at"]["signals"]}
    assert signals["streams_limit"]["value"] == "300"
    assert signals["first_token"]["missing edges"] == "none"
    assert signals["queue_age"]["unit"] == "s by name"
    # The canaries' request is in no figure of the platform.
    until(lambda: sum(counted(before).values()) == asked + 1)
    assert before.steering.shown() == records
    assert proxy_of(before.target, REGION, "redis").state() == proxies
    assert not list((bed.place / "out").glob("*"))
    table = doctor(bed)
    assert table.exit_code == 0
    assert table.output.startswith("READY: region_failover on target doctored (testbed)")
    for heading in ("streams", "signals", "DNS answers against weights", "clocks"):
        assert f"\n\n{heading}\n" in table.output


def test_all_that_is_broken_is_listed_at_once(bed):
    """A toxic, a draining region, a weight of 0 and another scale: what preflight refuses, each."""
    one = examined(bed.plan)
    steering, drain = one.steering, one.platform.drain[OTHER]
    proxy = one.target.regions[REGION].toxiproxy
    assert proxy is not None
    toxics = f"{proxy.url}/proxies/{proxy.proxies['redis']}/toxics"
    body = {"name": "slow", "type": "latency", "attributes": {"latency": 1}}
    httpx.post(toxics, json=body, trust_env=False).raise_for_status()
    steering.set_weights({REGION: 0, OTHER: 50})
    drain.ask("closing")
    try:
        until(lambda: drain.shown() != "serving")
        found = examine(one, patient_checks(one))
        refused = {(line.check, line.text) for line in found.of("refused")}
        assert found.exit_code == 1
        for name in ("steering", "toxics", "drain_state"):
            assert f"preflight:{name}" in {check for check, _ in refused}
        again = examined(bed.plan)
        for check in CHECKS:
            if check.name not in BY_USE:
                wrong = refusal(check, again)
                for line in wrong.splitlines():
                    assert (f"preflight:{check.name}", line) in refused
        result = doctor(bed, "--var", "scale=0.5")
        assert "blocking: testbed: testbed doctored (already up): scale: got 1" in (result.output)
        assert "preflight:toxics" in result.output
    finally:
        drain.ask("serving")
        steering.set_weights({REGION: 50, OTHER: 50})
        httpx.delete(f"{toxics}/slow", trust_env=False).raise_for_status()
        until(lambda: drain.shown() == "serving")
    assert shares_of(steering.weights()) == {REGION: 50.0, OTHER: 50.0}


def refusal(check, one):
    """What a check of preflight says, as preflight itself takes it."""
    try:
        return check.look(one)
    except MusterError as error:
        return str(error)


def test_a_testbed_that_runs_is_held_against_the_drill_that_would_hold_its_lock(bed):
    """Another process has the target: named, and the doctor takes nothing away from it."""
    other = examined(bed.plan).lock
    with other:
        result = doctor(bed)
    assert result.exit_code == 1
    assert "blocking: lock: target doctored is held by" in result.output
