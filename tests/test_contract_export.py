"""What the contract becomes for other tools, held by those tools where they are at hand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from muster import home
from muster.cli import drill
from muster.cli.export import exported, stale
from muster.contract import load
from muster.guard.triggers import Guard

CONTRACT = load()
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
STEP_S = 15
MINUTES = 14


def test_the_exported_files_are_those_of_the_contract():
    """After a change: `chaos drill contract export`."""
    assert stale(None, None) == []


def test_export_writes_and_checks(tmp_path):
    """A stale file is named, and exits 1."""
    out = tmp_path / "out"
    assert CliRunner().invoke(drill, ["contract", "export", str(out)]).exit_code == 0
    assert CliRunner().invoke(drill, ["contract", "export", str(out), "--check"]).exit_code == 0
    (out / "openslo.yaml").write_text("old")
    result = CliRunner().invoke(drill, ["contract", "export", str(out), "--check"])
    assert (result.exit_code, result.output) == (1, "out of date: openslo.yaml\n")


# Prometheus rules


@needs_promtool
def test_promtool_accepts_the_rules(tmp_path):
    """Every expression parses."""
    rules = tmp_path / "rules.yml"
    rules.write_text(exported(CONTRACT)["prometheus_rules.yml"])
    subprocess.run([PROMTOOL, "check", "rules", str(rules)], check=True, capture_output=True)


def counter(bad_from, per_step, until=None):
    """A counter that grows from the step `bad_from` on."""
    steps = MINUTES * 60 // STEP_S + 1
    value, values = 0.0, []
    for step in range(steps):
        if step >= bad_from and (until is None or step < until):
            value += per_step
        values.append(value)
    return values


def gauge(since, value):
    return [value if step >= since else 0.0 for step in range(MINUTES * 60 // STEP_S + 1)]


def platform(**changed):
    """Series by Prometheus' notation; gaps are None."""
    labels = 'region="r",instance="a"'
    found = {
        f'http_server_requests_total{{code="200",{labels}}}': counter(1, 1000),
        f'http_server_requests_total{{code="500",{labels}}}': counter(1, 0),
        f'http_server_requests_total{{code="429",{labels}}}': counter(1, 0),
        f"chat_streams_broken_total{{{labels}}}": counter(1, 0),
        f'chat_provider_circuit_open{{route="primary",{labels}}}': gauge(0, 0.0),
        f"chat_queue_oldest_job_age_seconds{{{labels}}}": gauge(0, 0.0),
        f'chat_admission_failures_total{{reason="token_validation",{labels}}}': counter(1, 0),
    }
    for key, values in changed.items():
        name = next(name for name in found if key in name)
        found[name] = values
    return found


SIGNALS = {
    "http_server_requests_total": "requests",
    "chat_streams_broken_total": "streams_broken",
    "chat_provider_circuit_open": "circuit_open",
    "chat_queue_oldest_job_age_seconds": "queue_age",
    "chat_admission_failures_total": "admission_failures",
}


def detected(series):
    """Minute (its end) in which each of our triggers fires; M3's limits, the platform's count."""
    gate = CONTRACT.gates["M3"]
    guard = Guard(CONTRACT, gate, CONTRACT.tiers["X"], 1.0, ("r",), stale_s=20.0)
    fired = {}
    for step in range(MINUTES * 60 // STEP_S + 1):
        t = float(step * STEP_S)
        fresh = []
        for name, values in series.items():
            metric, text = re.fullmatch(r"(\w+)\{(.*)\}", name).groups()
            labels = dict(re.findall(r'(\w+)="(.*?)"', text))
            if values[step] is not None:
                fresh.append((SIGNALS[metric], metric, labels, (t,), (values[step],)))
        for trip in guard.push(fresh, t, rotation=frozenset({"r"}), declared=[]):
            # The load counts nothing here: its missing data is not what is compared.
            if trip.kind == "trigger":
                fired.setdefault(trip.name.split(":")[0], -(-trip.t_trip_s // 60))
    return fired


ALERTS = {
    "rate_5xx": "MusterRate5xx",
    "success_2xx": "MusterSuccess2xx",
    "circuit_open": "MusterCircuitOpen",
    "queue_age": "MusterQueueAge",
    "hard_failure": "MusterHardFailure",
}


def fires(tmp_path, series, alert, minute):
    """Whether promtool says that the alert of M3 fires at that minute."""
    (tmp_path / "rules.yml").write_text(exported(CONTRACT)["prometheus_rules.yml"])
    labels = {"gate": "M3", "tier": "X", "severity": "rollback", "region": "r"}
    labels |= {"MusterCircuitOpen": {"instance": "a"}}.get(alert, {})
    labels |= {"MusterHardFailure": {"reason": "token_validation"}}.get(alert, {})
    rule = next(
        rule
        for rule in yaml.safe_load(exported(CONTRACT)["prometheus_rules.yml"])["groups"][0]["rules"]
        if rule.get("alert") == alert and rule["labels"]["gate"] == "M3"
    )
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": f"{STEP_S}s",
                "input_series": [
                    {
                        "series": name,
                        "values": " ".join("_" if v is None else f"{v:g}" for v in values),
                    }
                    for name, values in series.items()
                ],
                "alert_rule_test": [
                    {
                        "eval_time": f"{minute:g}m",
                        "alertname": alert,
                        "exp_alerts": [
                            {"exp_labels": labels, "exp_annotations": rule["annotations"]}
                        ],
                    }
                ],
            }
        ],
    }
    if alert != "MusterDataLost":
        # Other gates' alerts of the same name fire too; they are not what is asked.
        rules = yaml.safe_load((tmp_path / "rules.yml").read_text())
        group = rules["groups"][0]
        group["rules"] = [
            r for r in group["rules"] if r.get("labels", {}).get("gate", "M3") == "M3"
        ]
        (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 or "exp:[" in done.stdout + done.stderr, done.stdout + done.stderr
    return done.returncode == 0


@needs_promtool
@pytest.mark.parametrize(
    ("alert", "ready", "stamp", "minute", "fires"),
    [
        ("MusterNotReady", "0x200", "0+60x200", 59, False),
        ("MusterNotReady", "0x200", "0+60x200", 61, True),
        ("MusterNotReady", "1x200", "0+60x200", 199, False),
        # Not ready for one look of every three, as while drills hold the lock.
        ("MusterNotReady", "0x29 1x60 0x29 1x60", "0+60x200", 120, False),
        ("MusterDoctorSilent", "1x200", "0x200", 89, False),
        ("MusterDoctorSilent", "1x200", "0x200", 91, True),
        ("MusterDoctorSilent", "1x200", "0+60x200", 199, False),
    ],
)
def test_a_target_that_is_not_ready_and_a_doctor_that_is_silent_alert(
    tmp_path, alert, ready, stamp, minute, fires
):
    """By promtool, on what the textfile holds: two looks in a row, and three that did not come."""
    (tmp_path / "rules.yml").write_text(exported(CONTRACT)["prometheus_rules.yml"])
    labels = 'target="staging",drill="region_failover"'
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f"muster_doctor_ready{{{labels}}}", "values": ready},
                    {"series": f"muster_doctor_timestamp_seconds{{{labels}}}", "values": stamp},
                ],
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                        "eval_time": f"{minute}m",
                        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                    }
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("answered", "unavailable", "share"),
    [(30, 10, 0.75), (40, 0, 1.0), (None, 40, 0.0), (None, None, None)],
)
def test_availability_is_recorded_of_the_canaries(tmp_path, answered, unavailable, share):
    """None answered is 0, and none sent is no data."""
    (tmp_path / "rules.yml").write_text(exported(CONTRACT)["prometheus_rules.yml"])
    name = "muster_load_canaries_total"
    grown = {"answered": answered, "unavailable_5xx": unavailable}
    series = [
        {"series": f'{name}{{outcome="{outcome}",region="r"}}', "values": f"0+{n}x20"}
        for outcome, n in grown.items()
        if n is not None
    ]
    samples = [{"labels": "muster:availability:ratio1m", "value": share}]
    asked = {
        "expr": "muster:availability:ratio1m",
        "eval_time": "5m",
        "exp_samples": [] if share is None else samples,
    }
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "15s", "input_series": series, "promql_expr_test": [asked]}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


GOLDEN = {
    "rate_5xx": platform(**{'code="500"': counter(1, 3.5)}),
    "success_2xx": platform(**{'code="429"': counter(1, 60)}),
    "circuit_open": platform(circuit_open=gauge(1, 1.0)),
    "queue_age": platform(oldest_job_age=gauge(1, 31.0)),
    "hard_failure": platform(admission_failures=counter(1, 1)),
}


@needs_promtool
@pytest.mark.parametrize("name", ALERTS)
def test_without_gaps_an_alert_fires_in_the_same_minute_as_our_detector(tmp_path, name):
    """And not in the minute before."""
    series = GOLDEN[name]
    minute = detected(series)[name]
    assert fires(tmp_path, series, ALERTS[name], minute)
    assert not fires(tmp_path, series, ALERTS[name], minute - 1)


@needs_promtool
def test_below_the_limit_neither_fires(tmp_path):
    """0.29 % of 5xx under Tier X."""
    series = platform(**{'code="500"': counter(1, 2.9)})
    assert detected(series) == {}
    assert not fires(tmp_path, series, "MusterRate5xx", 12)


@needs_promtool
def test_with_a_gap_the_alert_starts_over_and_our_detector_does_not(tmp_path):
    """The difference that the rules' head lists: two minutes without samples."""
    series = {
        name: [None if 14 <= step < 22 else value for step, value in enumerate(values)]
        for name, values in GOLDEN["rate_5xx"].items()
    }
    minute = detected(series)["rate_5xx"]
    assert minute <= 9
    assert not fires(tmp_path, series, "MusterRate5xx", minute)
    assert fires(tmp_path, series, "MusterRate5xx", minute + 2)
    assert (
        "starts the `for:` of a rate or a hard failure over"
        in exported(CONTRACT)["prometheus_rules.yml"]
    )


@needs_promtool
@pytest.mark.parametrize(
    ("name", "gap", "later"),
    [
        # A rate's alert starts over, far beyond ours.
        ("success_2xx", range(14, 22), (False, False)),
        # A gauge stands on for five minutes: ours leaves the two out of sight out.
        ("queue_age", range(14, 22), (True, True)),
        # Both take the circuit for open all the time.
        ("circuit_open", range(5, 8), (False, True)),
        # A minute out of sight starts the alert over; ours goes on from where it was.
        ("hard_failure", range(3, 8), (False, False)),
        # A shorter one counts for the alert, and is left out of ours.
        ("hard_failure", range(2, 4), (True, True)),
    ],
)
def test_with_a_gap_alert_and_detector_differ_as_listed(tmp_path, name, gap, later):
    """Whether the alert fires in the minute before ours, and in ours."""
    series = {
        key: [None if step in gap else value for step, value in enumerate(values)]
        for key, values in GOLDEN[name].items()
    }
    minute = detected(series)[name]
    assert minute <= MINUTES
    found = tuple(fires(tmp_path, series, ALERTS[name], at) for at in (minute - 1, minute))
    assert found == later
    rules = exported(CONTRACT)["prometheus_rules.yml"]
    for listed in ("A gauge stands here for five minutes", "An increase over a shorter gap counts"):
        assert listed in rules


# Grafana and editors


def test_the_dashboard_shows_every_tier_against_its_thresholds():
    """A row and eight panels a tier, all six SLOs, no two in one place, every series recorded."""
    dashboard = json.loads(exported(CONTRACT)["grafana_dashboard.json"])
    panels = [panel for panel in dashboard["panels"] if panel["type"] == "timeseries"]
    assert len(panels) == 24
    assert len({panel["id"] for panel in dashboard["panels"]}) == 27
    places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]}
    assert len(places) == 27
    rules = yaml.safe_load(exported(CONTRACT)["prometheus_rules.yml"])["groups"][0]["rules"]
    recorded = {rule.get("record") for rule in rules}
    for panel in panels:
        expr = panel["targets"][0]["expr"]
        assert expr in recorded or not expr.startswith("muster:")
    limits = [p["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] for p in panels]
    assert limits[:8] == [0.995, 0.95, 0.01, 0.04, 3.0, 20.0, 60.0, 1]


def schema(name):
    found = json.loads(exported(CONTRACT)[name])
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_the_contracts_schema_takes_the_contract_and_refuses_slips():
    """What an editor underlines is what `contract check` would refuse."""
    validator = schema("contract.schema.json")
    text = (home.root() / "contract" / "phase5.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=contract.schema.json\n")
    data = yaml.safe_load(text)
    assert list(validator.iter_errors(data)) == []
    for change in (
        lambda d: d["tiers"]["G"].update(availability_min="99.9"),
        lambda d: d["tiers"]["G"].update(availabilty_min="99.9%"),
        lambda d: d["gates"]["M3"].pop("soak_s_min"),
        lambda d: d["gates"]["M3"].update(tier="Y"),
    ):
        broken = json.loads(json.dumps(data))
        change(broken)
        assert list(validator.iter_errors(broken))


def test_the_targets_schema_takes_every_target():
    """The target that everyone has, and the one to copy; each names its schema to editors."""
    for file in (home.root() / "targets").glob("*.yaml"):
        text = file.read_text()
        assert text.startswith("# yaml-language-server: $schema=../contract/target.schema.json\n")
        # Editors read YAML 1.2, in which a date is a text.
        data = json.loads(json.dumps(yaml.safe_load(text), default=str))
        assert list(schema("target.schema.json").iter_errors(data)) == []
    data = yaml.safe_load((home.root() / "targets" / "testbed.yaml").read_text())
    assert list(schema("target.schema.json").iter_errors({**data, "clas": "testbed"}))


@pytest.mark.parametrize("signals", [{"reqests": "x"}, {"requests": " "}, {"rig_lag": None}])
def test_the_targets_schema_underlines_a_signal_that_is_none(signals):
    """Misspelt, empty, or left out though it is judged."""
    data = yaml.safe_load((home.root() / "targets" / "testbed.yaml").read_text())
    data["signals"] = {k: v for k, v in (data["signals"] | signals).items() if v is not None}
    (error,) = schema("target.schema.json").iter_errors(data)
    assert list(error.absolute_path)[:1] == ["signals"]


@needs_promtool
@pytest.mark.parametrize(("day", "fires"), [(15.5, False), (16.5, True)])
def test_a_game_day_that_did_not_run_alerts(tmp_path, day, fires):
    """By promtool: the load counted at the end of the first day, and never again."""
    (tmp_path / "rules.yml").write_text(exported(CONTRACT)["prometheus_rules.yml"])
    name = "MusterGameDayMissed"
    asked = {
        "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
        "eval_time": f"{24 * day:g}h",
        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
    }
    load = {"series": "muster_load_scheduled_total", "values": "_x22 0+100x1"}
    tests = [{"interval": "1h", "input_series": [load], "promql_expr_test": [asked]}]
    test = {"rule_files": ["rules.yml"], "evaluation_interval": "1h", "tests": tests}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
