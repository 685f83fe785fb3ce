"""One load over several machines: parts that know only their index and count, added up."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import threading
import time
from itertools import takewhile
from pathlib import Path

import httpx
import pytest
import yaml
from floor_fixtures import await_true, prometheus_server
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiClient
from load_peers import REGION, peer, traffic

from muster.cli.load import _plan, load
from muster.errors import BadInput
from muster.load import LoadPlan, start
from muster.load.schedule import Schedule
from muster.load.starter import shard_configs
from muster.load.trace import TraceSource

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy" / "load"
SECONDS = 4.0


def arrivals(seed, until_s, shard=0, shards=1, source=None):
    schedule = Schedule(
        traffic(streams=400, ramp_s=1), scale=1, seed=seed, shard=shard, shards=shards,
        source=source, until_s=until_s,
    )  # fmt: skip
    return list(takewhile(lambda arrival: arrival.at_s < float("inf"), schedule))


@settings(max_examples=30, deadline=None)
@given(shards=st.integers(1, 32), seed=st.integers(0, 2**32), until_s=st.floats(0.01, 12))
def test_the_parts_of_a_run_are_its_arrivals_exactly(shards, seed, until_s):
    """Every arrival before the end is in one part, none is in two, each as in the single run."""
    whole = arrivals(seed, until_s)
    parts = [arrivals(seed, until_s, shard, shards) for shard in range(shards)]
    assert sorted((a for part in parts for a in part), key=lambda a: a.number) == whole
    assert all(arrival.at_s < until_s for arrival in whole)
    assert [arrival.number for arrival in whole] == list(range(len(whole)))


def test_a_trace_in_parts_is_the_trace(tmp_path):
    """Also where a round of the trace is shorter than there are parts."""
    path = tmp_path / "trace.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:00:00,1,10\n2023-11-16 18:00:01,1,20\n2023-11-16 18:00:03,1,30\n"
    )
    whole = arrivals(1, 1.5, source=TraceSource(path))
    parts = [arrivals(1, 1.5, shard, 7, TraceSource(path)) for shard in range(7)]
    assert len(whole) > 100
    assert sorted((a for part in parts for a in part), key=lambda a: a.number) == whole


@pytest.fixture(scope="module")
def endpoint():
    """A well-behaved endpoint in a thread."""
    ready = threading.Event()
    found = {}

    async def serve():
        found["stop"] = asyncio.Event()
        found["loop"] = asyncio.get_running_loop()
        async with peer() as one:
            found["url"] = f"http://127.0.0.1:{one.port}/v1/chat/completions"
            ready.set()
            await found["stop"].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield found["url"]
    found["loop"].call_soon_threadsafe(found["stop"].set)
    thread.join(10)


def part(endpoint, **changes):
    return LoadPlan(
        url=endpoint,
        profile=traffic(streams=100, ramp_s=1),
        seed=7,
        regions_by_address={"127.0.0.1": REGION},
        duration_s_max=SECONDS,
        drain_s=20,
        linger_s=60,
        **changes,
    )


def test_four_parts_under_one_prometheus_are_the_single_run(endpoint, tmp_path):
    """Scheduled, offered, answers and every histogram: four processes add up to what one shows."""
    plans = [part(endpoint, only_shard=(k, 4)) for k in range(4)] + [part(endpoint, shards=1)]
    expected = len(
        list(
            takewhile(
                lambda a: a.at_s < SECONDS,
                Schedule(plans[0].traffic, scale=1, seed=7, until_s=SECONDS),
            )
        )
    )
    handles = []
    try:
        handles = [start(plan) for plan in plans]
        addresses = [address for handle in handles for address in handle.metrics]
        with prometheus_server(tmp_path, four=addresses[:4], one=addresses[4:]) as server:

            def sums(series):
                answer = httpx.get(
                    f"{server.url}/api/v1/query",
                    params={"query": f"sum by (job) ({series})"},
                    trust_env=False,
                )
                rows = answer.json()["data"]["result"]
                return {row["metric"]["job"]: float(row["value"][1]) for row in rows}

            def whole(series):
                return sums(series) == {"four": expected, "one": expected}

            await_true(
                lambda: whole('muster_load_attempts_total{outcome="success",kind="scheduled"}'),
                "every stream's end in both",
            )
            for name in (
                "scheduled_total", "offered_total", "answers_total", "attempts_total",
                "first_token_seconds_count", "completion_seconds_count",
                'completion_seconds_bucket{le="+Inf"}',
            ):  # fmt: skip
                assert whole(f"muster_load_{name}"), (name, sums(f"muster_load_{name}"), expected)
            assert sums("muster_load_streams_open") == {"four": 0, "one": 0}
            assert sums("muster_load_streams_target") == {"four": 100, "one": 100}
            # A part alone is not the run: what is compared above can differ.
            four = sums('muster_load_offered_total{shard!="3"}')
            assert four["four"] < expected
    finally:
        for handle in handles:
            handle.stop()
    assert [handle.exit_codes() for handle in handles] == [[0]] * 5


@pytest.mark.parametrize(("parts", "code"), [(1, 2), (2, 0)])
def test_a_part_that_one_process_cannot_hold_is_refused(tmp_path, parts, code):
    """20,000 streams are two processes' open files: one part of them is not started."""
    context = load.make_context(
        "load", ["m3_20k", "--url", "http://127.0.0.1:9", "--shard", f"1/{parts}"]
    )
    name = context.params.pop("profile")
    if code:
        with pytest.raises(
            BadInput, match="--shard: got '1/1', expected 2 parts or more for 20000"
        ):
            _plan(name, context.params, tmp_path)
    else:
        assert _plan(name, context.params, tmp_path).only_shard == (0, 2)


def test_a_part_waits_for_the_moment_that_it_was_given(endpoint):
    """`start_at` is the same for all machines: nothing is offered before."""
    at_s = time.time() + 1.5
    with start(part(endpoint, shards=1, start_at=at_s)) as handle:

        def offered():
            page = httpx.get(f"http://{handle.metrics[0]}/metrics", trust_env=False).text
            (line,) = [row for row in page.splitlines() if row.startswith("muster_load_offered")]
            return float(line.split()[-1]), time.time()

        count, now_s = offered()
        assert count == 0 or now_s > at_s
        await_true(lambda: offered()[0] > 0, "the first arrival")
        assert time.time() > at_s


def documents():
    return {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "job.yaml").read_text())}


def faults_of(document, kind):
    """What Kubernetes' own model of `kind` does not know or want, by a round trip through it."""
    api = ApiClient()

    class Answer:
        data = json.dumps(document)

    try:
        parsed = api.deserialize(Answer.data, kind, "application/json")
    except ValueError as error:
        return [str(error)]
    kept = api.sanitize_for_serialization(parsed)
    return [] if kept == document else [f"not kept: {kept}"]


def test_the_manifest_is_what_kubernetes_models():
    """A Service and an Indexed Job, every key known; a misspelt key and a missing one are found."""
    found = documents()
    assert faults_of(found["Service"], "V1Service") == []
    assert faults_of(found["Job"], "V1Job") == []
    planted = json.loads(json.dumps(found["Job"]))
    planted["spec"]["paralelism"] = 3
    assert faults_of(planted, "V1Job") != []
    planted = json.loads(json.dumps(found["Job"]))
    del planted["spec"]["template"]["spec"]["containers"][0]["name"]
    assert faults_of(planted, "V1Job") != []


def test_the_manifest_holds_together():
    """One number of parts, secrets by reference alone, one port by one name, no second try."""
    found = documents()
    spec = found["Job"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    values = {one["name"]: one.get("value") for one in container["env"]}
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == int(values["SHARDS"])
    assert spec["backoffLimit"] == 0
    assert pod["restartPolicy"] == "Never"
    for name in ("MUSTER_LOAD_TOKEN", "MUSTER_CANARY_TOKEN"):
        (one,) = [row for row in container["env"] if row["name"] == name]
        assert set(one) == {"name", "valueFrom"}
        assert set(one["valueFrom"]) == {"secretKeyRef"}
    labels = spec["template"]["metadata"]["labels"]
    service = found["Service"]["spec"]
    assert service["selector"] == labels
    (port,) = container["ports"]
    (shown,) = service["ports"]
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    (discovered,) = job["dns_sd_configs"]
    assert port["containerPort"] == shown["port"] == discovered["port"]
    meta = found["Service"]["metadata"]
    assert discovered["names"] == [f"{meta['name']}.{meta['namespace']}.svc.cluster.local"]
    assert int(values["FILES"]) <= 20_000


@pytest.mark.parametrize("start_at", ["", "soon"])
def test_the_command_of_every_pod_is_one_that_the_command_line_takes(
    tmp_path, monkeypatch, start_at
):
    """The shell line of the manifest, run for each index, gives the parts 1 to n of n."""
    container = documents()["Job"]["spec"]["template"]["spec"]["containers"][0]
    told = tmp_path / "chaos"
    told.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    told.chmod(0o755)
    values = {one["name"]: one.get("value", "sk-secret") for one in container["env"]}
    if start_at:
        moment = time.gmtime(time.time() + 600)
        values["START_AT"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)
    values["FILES"] = "64"
    monkeypatch.setenv("MUSTER_LOAD_TOKEN", "sk-secret")
    monkeypatch.setenv("MUSTER_CANARY_TOKEN", "sk-secret")
    shards = int(values["SHARDS"])
    seen = []
    for index in range(shards):
        done = subprocess.run(
            [*container["command"], *container["args"]],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **values}
            | {"JOB_COMPLETION_INDEX": str(index)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "sk-secret" not in done.stdout
        words = done.stdout.splitlines()
        assert words[:4] == ["--no-version-check", "--no-log-file", "drill", "load"]
        context = load.make_context("load", words[4:])
        plan = _plan(context.params.pop("profile"), context.params, tmp_path / "record")
        (config,) = shard_configs(plan)
        seen.append((config.shard, config.shards))
        assert config.metrics == ("0.0.0.0", 9464)
        assert config.linger_s > 10
        assert (config.start_at is not None) == bool(start_at)
        assert config.token.get_secret_value() == "sk-secret"
    assert seen == [(index, shards) for index in range(shards)]


def test_a_pod_with_too_few_open_files_does_not_start(tmp_path):
    """The manifest asks for its files first: no part runs that would fail halfway."""
    container = documents()["Job"]["spec"]["template"]["spec"]["containers"][0]
    done = subprocess.run(
        [*container["command"], *container["args"]],
        env={"PATH": "/usr/bin:/bin", "FILES": "999999999", "JOB_COMPLETION_INDEX": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "limit" in done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
def test_prometheus_takes_the_scrape_configuration(tmp_path):
    """As it stands it is valid; with a misspelt key it is not."""
    given = DEPLOY / "prometheus.yml"
    planted = tmp_path / "prometheus.yml"
    planted.write_text(given.read_text().replace("dns_sd_configs", "dns_sd_config"))
    codes = [
        subprocess.run(["promtool", "check", "config", path], capture_output=True, check=False)
        for path in (given, planted)
    ]
    assert [done.returncode == 0 for done in codes] == [True, False]
