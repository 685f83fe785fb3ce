"""The contract as OpenSLO documents: valid, complete, and with queries that answer."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from pathlib import Path

import openslo_rules
import pytest
import yaml

from muster.cli.export import exported
from muster.contract import load
from muster.contract.export.openslo import openslo_documents

CONTRACT = load()
DOCUMENTS = list(yaml.safe_load_all(exported(CONTRACT)["openslo.yaml"]))
PROMTOOL = shutil.which("promtool")
SCHEMAS = os.environ.get("OPENSLO_SCHEMAS", "")
needs_schemas = pytest.mark.skipif(
    not SCHEMAS,
    reason="OPENSLO_SCHEMAS is not set: it names the folder schemas/v1 of a clone of OpenSLO",
)


def of_kind(kind):
    return copy.deepcopy(next(document for document in DOCUMENTS if document["kind"] == kind))


def test_every_document_is_valid_and_complete():
    """A data source, three services, six SLOs each, with names of their own."""
    for document in DOCUMENTS:
        assert list(openslo_rules.broken_rules(document)) == []
    kinds = [document["kind"] for document in DOCUMENTS]
    assert [kinds.count(kind) for kind in ("DataSource", "Service", "SLO")] == [1, 3, 18]
    names = [document["metadata"]["name"] for document in DOCUMENTS]
    assert len(set(names)) == len(names)


def test_what_a_document_refers_to_is_there():
    """The service of every SLO and the data source of every query are documents of the file."""
    named = {(document["kind"], document["metadata"]["name"]) for document in DOCUMENTS}
    for document in DOCUMENTS:
        if document["kind"] == "SLO":
            assert ("Service", document["spec"]["service"]) in named
            for part in parts(document).values():
                assert ("DataSource", part["metricSource"]["metricSourceRef"]) in named


def parts(document):
    """Good or bad, and total, of an SLO's ratio."""
    ratio = document["spec"]["indicator"]["spec"]["ratioMetric"]
    return {name: value for name, value in ratio.items() if name != "counter"}


def test_targets_are_the_contracts():
    """A tolerated 0.3 % of 5xx is a target of 99.7 % without."""
    targets = {
        document["metadata"]["name"]: document["spec"]["objectives"][0]["target"]
        for document in openslo_documents(CONTRACT)
        if document["kind"] == "SLO"
    }
    assert targets["chat-tier-x-availability"] == 0.9995
    assert targets["chat-tier-x-rate-5xx"] == 0.997
    assert targets["chat-tier-x-rate-429"] == 0.95
    assert targets["chat-tier-g-first-token-p95"] == 0.95


def ratio_of(document):
    return document["spec"]["indicator"]["spec"]["ratioMetric"]


# Each with whether the published schemas refuse it too; the others stand in OpenSLO's text alone.
WRONG = {
    "version": ("SLO", lambda d: d.update(apiVersion="openslo/v2"), True),
    "kind": ("SLO", lambda d: d.update(kind="Slo"), True),
    "no metadata": ("SLO", lambda d: d.pop("metadata"), True),
    "no name": ("Service", lambda d: d["metadata"].pop("name"), True),
    "name with capitals": ("SLO", lambda d: d["metadata"].update(name="Not_A_Name"), True),
    "name too long": ("SLO", lambda d: d["metadata"].update(name="a" * 64), False),
    "empty title": ("SLO", lambda d: d["metadata"].update(displayName=""), True),
    "no spec": ("Service", lambda d: d.pop("spec"), True),
    "long text": ("Service", lambda d: d["spec"].update(description="a" * 1051), True),
    "source without a type": ("DataSource", lambda d: d["spec"].pop("type"), True),
    "address as a text": (
        "DataSource",
        lambda d: d["spec"].update(connectionDetails="http://prometheus.example:9090"),
        True,
    ),
    "no service": ("SLO", lambda d: d["spec"].pop("service"), True),
    "no indicator": ("SLO", lambda d: d["spec"].pop("indicator"), True),
    "indicator twice": ("SLO", lambda d: d["spec"].update(indicatorRef="other"), True),
    "no ratio": ("SLO", lambda d: d["spec"]["indicator"]["spec"].clear(), True),
    "no counter": ("SLO", lambda d: ratio_of(d).pop("counter"), True),
    "counter as a text": ("SLO", lambda d: ratio_of(d).update(counter="yes"), True),
    "no total": ("SLO", lambda d: ratio_of(d).pop("total"), True),
    "neither good nor bad": ("SLO", lambda d: ratio_of(d).pop("good"), True),
    "good and bad": ("SLO", lambda d: ratio_of(d).update(bad=ratio_of(d)["good"]), True),
    "query at the wrong place": (
        "SLO",
        lambda d: ratio_of(d).update(total={"query": "up"}),
        True,
    ),
    "source without a spec": (
        "SLO",
        lambda d: ratio_of(d)["total"]["metricSource"].pop("spec"),
        True,
    ),
    "two windows": (
        "SLO",
        lambda d: d["spec"].update(timeWindow=d["spec"]["timeWindow"] * 2),
        True,
    ),
    "no window": ("SLO", lambda d: d["spec"].update(timeWindow=[]), False),
    "window in words": (
        "SLO",
        lambda d: d["spec"]["timeWindow"][0].update(duration="2 hours"),
        True,
    ),
    "window in seconds": (
        "SLO",
        lambda d: d["spec"]["timeWindow"][0].update(duration="1800s"),
        True,
    ),
    "window by no calendar": (
        "SLO",
        lambda d: d["spec"]["timeWindow"][0].update(isRolling=False),
        True,
    ),
    "other budget": ("SLO", lambda d: d["spec"].update(budgetingMethod="Requests"), True),
    "no objectives": ("SLO", lambda d: d["spec"].pop("objectives"), True),
    "target of all": ("SLO", lambda d: d["spec"]["objectives"][0].update(target=1.0), True),
    "target in per cent": ("SLO", lambda d: d["spec"]["objectives"][0].update(target=99.5), True),
    "no target": ("SLO", lambda d: d["spec"]["objectives"][0].pop("target"), True),
    "unknown key": ("SLO", lambda d: d["spec"].update(timeWindows=[]), False),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_document_that_openslo_refuses_is_refused_here(name):
    """The rules written here are no rubber stamp."""
    kind, change, _ = WRONG[name]
    document = of_kind(kind)
    change(document)
    assert list(openslo_rules.broken_rules(document))


@needs_schemas
def test_the_published_schemas_take_every_document():
    """And the same documents altered they refuse, where they say so at all."""
    validator = openslo_rules.published(Path(SCHEMAS))
    for document in DOCUMENTS:
        assert list(validator.iter_errors(document)) == []
    for name, (kind, change, refused) in WRONG.items():
        document = of_kind(kind)
        change(document)
        assert bool(list(validator.iter_errors(document))) == refused, name


SERIES = {
    'http_server_requests_total{code="200",region="r"}': 900,
    'http_server_requests_total{code="429",region="r"}': 60,
    'http_server_requests_total{code="503",region="r"}': 40,
    'chat_streams_broken_total{region="r"}': 10,
    'muster_load_canaries_total{outcome="answered",shard="0"}': 60,
    'muster_load_canaries_total{outcome="answered",shard="1"}': 38,
    'muster_load_canaries_total{outcome="unavailable",shard="0"}': 2,
    'gen_ai_server_time_to_first_token_seconds_count{region="r"}': 900,
    'gen_ai_server_time_to_first_token_seconds_bucket{region="r",le="2"}': 810,
    'gen_ai_server_time_to_first_token_seconds_bucket{region="r",le="2.5"}': 828,
    'gen_ai_server_time_to_first_token_seconds_bucket{region="r",le="3"}': 846,
    'gen_ai_server_request_duration_seconds_count{region="r"}': 800,
    'gen_ai_server_request_duration_seconds_bucket{region="r",le="15.0"}': 720,
    'gen_ai_server_request_duration_seconds_bucket{region="r",le="18.0"}': 736,
    'gen_ai_server_request_duration_seconds_bucket{region="r",le="20.0"}': 752,
}
SHARES = {
    "availability": 0.98,
    "success-2xx": 0.89,
    "rate-5xx": 0.04,
    "rate-429": 0.06,
    "l-first-token-p95": 0.94,
    "g-first-token-p95": 0.92,
    "x-first-token-p95": 0.90,
    "l-completion-p95": 0.94,
    "g-completion-p95": 0.92,
    "x-completion-p95": 0.90,
}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    ("series", "shares"),
    [
        (SERIES, SHARES),
        # A platform that has shown no failure yet: a share of none, and not no data.
        (
            {name: value for name, value in SERIES.items() if 'code="200"' in name},
            {"success-2xx": 1.0, "rate-5xx": 0.0, "rate-429": 0.0},
        ),
        # One that answers nothing but failures, and canaries that nobody answers.
        (
            {
                'http_server_requests_total{code="503",region="r"}': 40,
                'muster_load_canaries_total{outcome="unavailable",shard="0"}': 2,
            },
            {"availability": 0.0, "success-2xx": 0.0, "rate-5xx": 1.0, "rate-429": 0.0},
        ),
    ],
)
def test_every_query_answers_as_prometheus_reads_it(tmp_path, series, shares):
    """The share that each SLO's two queries make, and none where there is no data."""
    expected = []
    for document in DOCUMENTS:
        if document["kind"] == "SLO":
            query = {
                name: part["metricSource"]["spec"]["query"]
                for name, part in parts(document).items()
            }
            name = document["metadata"]["name"]
            share = next((v for end, v in shares.items() if name.endswith(end)), None)
            samples = [] if share is None else [{"labels": "{}", "value": share}]
            total = query.pop("total")
            (part,) = query.values()
            # Rounded: what is asked is which series are taken, not the last bit of a quotient.
            expr = f"round(({part}) / ({total}), 0.0001)"
            expected.append({"expr": expr, "eval_time": "0m", "exp_samples": samples})
    given = [{"series": name, "values": str(value)} for name, value in series.items()]
    test = {"interval": "1m", "input_series": given, "promql_expr_test": expected}
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
