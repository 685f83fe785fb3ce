"""No secret of a target is in anything that a drill leaves: bundle, journal, console, state.

Every part that is asked quotes all that it was sent, and fails: what a drill then says is full of
what it must not say.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from bundle_maker import make_bundle
from drill_runner import Drill
from floor_fixtures import OTHER, REGION, await_true, stand_in
from shared_targets import shared_document, write_target
from strict_aws import strict_aws, weighted

from muster import targets
from muster.cli.plan import plan_of
from muster.clock import SYSTEM_CLOCK
from muster.drill.conclude import conclude
from muster.drill.finish import _say_refusals, record_spent
from muster.drill.load import DrillLoad
from muster.ledger import Ledger
from muster.load.starter import LoadPlan
from muster.reports.refusals import first_refusals

NAME = "chat.staging.example.com."
SECRETS = {
    "IT_LOAD": "bearer-0f-the-streams",
    "IT_CANARY": "bearer-0f-the-canaries",
    "IT_TENANT": "tenant-k3y-in-a-header",
    "IT_BODY": "s3cret-field-of-the-body",
    "IT_QUERY": "qu3ry-key-of-the-public-url",
    "IT_USER": "us3r-of-prometheus",
    "IT_PASSWORD": "passw0rd-of-prometheus",
    "IT_SCOPE": "sc0pe-header-of-prometheus",
    "IT_READY": "r3ady-key-of-a-region",
    "IT_REDIS": "r3dis-password-of-a-region",
}
SHOWN = (*(text for name, text in SECRETS.items() if name != "IT_USER"),)
"""A user's name beside a password is no secret; the rest is."""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Every secret of a target, each in its own variable."""
    for name, text in SECRETS.items():
        monkeypatch.setenv(name, text)


def quoting(status):
    """Answers with everything that it was sent."""

    def answer(call):
        said = (call.body[-90:], call.path, call.headers)
        return status, f"no: {said}"

    return answer


def document(aws_url, url):
    """A staging target with a secret in every place that takes one."""
    data = shared_document(aws_url)
    rest = url.removeprefix("http://")
    data["public_url"] = f"{url}/v1/chat/completions?sig=${{env.IT_QUERY}}"
    data["load"] |= {
        "token": "${env.IT_LOAD}",
        "canary_token": "${env.IT_CANARY}",
        "body": {"extra": {"tenant_secret": "${env.IT_BODY}"}, "min_tokens": "{tokens}"},
        "form": {"token_header": "api-key", "headers": {"X-Tenant-Key": "${env.IT_TENANT}"}},
    }
    data["prometheus"]["url"] = f"http://${{env.IT_USER}}:${{env.IT_PASSWORD}}@{rest}"
    data["prometheus"]["headers"] = {"X-Scope-Key": "${env.IT_SCOPE}"}
    for name in (REGION, OTHER):
        region = data["regions"][name]
        region["ready_url"] = f"{url}/readyz?key=${{env.IT_READY}}"
        region["redis_url"] = "redis://:${env.IT_REDIS}@127.0.0.1:9/0"
        region["addresses"] = ["127.0.0.1" if name == REGION else "127.0.0.2"]
    return data


def leaks(*folders: Path, texts=()) -> list[str]:
    """Where a secret stands: every file below `folders`, whatever its kind, and `texts`."""
    found = []
    files = [path for one in folders for path in sorted(one.rglob("*")) if path.is_file()]
    assert files
    for name, raw in [(str(path), path.read_bytes()) for path in files] + [
        (f"text {number}", text.encode()) for number, text in enumerate(texts)
    ]:
        found += [f"{name}: {secret}" for secret in SHOWN if secret.encode() in raw]
    return found


def test_a_scan_finds_what_is_there(tmp_path):
    """Or its silence would mean nothing."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.bin").write_bytes(b"\x00" + SECRETS["IT_LOAD"].encode() + b"\xff")
    assert leaks(tmp_path) == [f"{tmp_path / 'deep' / 'x.bin'}: {SECRETS['IT_LOAD']}"]
    assert leaks(tmp_path, texts=[SECRETS["IT_REDIS"]])[1:] == [f"text 0: {SECRETS['IT_REDIS']}"]


def test_a_whole_drill_that_fails_leaves_no_secret(tmp_path):
    """A process of its own: bundle, journal, state and everything that it printed."""
    with strict_aws() as aws, stand_in(quoting(401)) as shown:
        for region, weight in ((REGION, 60), (OTHER, 140)):
            row, xml = weighted(NAME, region, weight, "127.0.0.1")
            aws.records[row] = xml
        file = write_target(tmp_path / "t.yaml", document(aws.url, shown.url))
        own = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        own |= {"MUSTER_TARGET": file, "MUSTER_PROFILE": "m1_1k", "MUSTER_SCALE": "0.01"}
        drill = Drill(tmp_path / "work", variables=own)
        drill.start()
        assert drill.wait() != 0
    assert shown.calls, drill.output
    assert leaks(tmp_path / "work") == []


def test_a_load_whose_platform_quotes_everything_leaves_no_secret(tmp_path, caplog, capfd):
    """Its record, what is said of it, verdict and reports of the bundle, seal and journal."""
    caplog.set_level(logging.DEBUG)
    with strict_aws() as aws, stand_in(quoting(401)) as shown:
        file = write_target(tmp_path / "t.yaml", document(aws.url, shown.url))
        given = (f"target={file}", "profile=m1_1k", "scale=0.01")
        plan = plan_of("drills/region_failover.json", given)
        target = targets.resolve(plan.target)
        bundle = make_bundle(tmp_path / "bundle")
        (bundle / "target.yaml").write_bytes(plan.target_bytes)
        load = DrillLoad(plan, target, {}, bundle)
        assert SECRETS["IT_LOAD"] not in repr(load._load_plan())
        load.start()
        try:
            await_true(lambda: first_refusals(bundle), "a refusal in the record")
        finally:
            load.stop()
        sent = json.dumps([[call.path, call.headers] for call in shown.calls])
        for name in ("IT_LOAD", "IT_TENANT", "IT_QUERY"):
            assert SECRETS[name] in sent
        assert SECRETS["IT_BODY"].encode() in shown.calls[0].body
    session = Session(bundle, target)
    _say_refusals(session)
    record_spent(session)
    session.ledger.close()
    text = "".join(path.read_text() for path in bundle.glob("load-*.jsonl"))
    assert "no: (b'" in text
    assert "/v1/chat/completions?sig=***" in text
    conclude(bundle)
    assert (bundle / "report.html").exists()
    out = capfd.readouterr()
    assert "load: HTTP 401" in caplog.text
    assert leaks(bundle, texts=(caplog.text, out.out, out.err)) == []


class Session:
    """As much of a session as saying what the load met needs."""

    def __init__(self, bundle, target):
        self.bundle, self.target, self.clock = bundle, target, SYSTEM_CLOCK
        self.ledger = Ledger(bundle / "ledger-of-the-load.jsonl")

    def record(self, event, **fields):
        self.ledger.append(event, **fields)


def test_a_plan_of_a_load_shows_no_secret():
    """Neither whole nor as a text in an error."""
    plan = LoadPlan(url="http://h/v1", profile=None, token="t0ken-a", canary_token="t0ken-b")
    assert "t0ken" not in repr(plan)
    assert "t0ken" not in repr(replace(plan, seed=2))
