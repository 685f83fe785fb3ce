"""What a drill tells its load: a trace to replay, checked before anything is started."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from drill_runner import TARGET

from muster.drill.load import DrillLoad
from muster.drill.plan.plan import make_plan
from muster.errors import BadInput
from muster.load.starter import shard_configs


def plan_with(tmp_path: Path, tokens: int, **load: object):
    trace = tmp_path / "trace.csv"
    rows = f"2023-11-16 18:00:00,1,7\n2023-11-16 18:00:02,1,{tokens}\n"
    trace.write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")
    data = yaml.safe_load(TARGET.read_text())
    data["load"] |= {"trace": str(trace), **load}
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data))
    configuration = {"target": str(path)}
    return trace, make_plan(configuration, drill="d", title="t", kind="failover", gate="M3")


def test_a_drill_replays_its_targets_trace(tmp_path):
    """The load is told the file and the share that is recorded raw."""
    trace, plan = plan_with(tmp_path, 600, raw_share=0.25)
    told = DrillLoad(plan, plan.target, {}, tmp_path)._load_plan()
    assert (told.trace, told.raw_share) == (trace, 0.25)


def test_a_drill_sends_the_fields_that_its_target_wants(tmp_path):
    """In every shard's configuration, canaries among them."""
    body = {"ignore_eos": True, "min_tokens": "{tokens}", "nvext": {"top_k": [1, "{tokens}"]}}
    _, plan = plan_with(tmp_path, 600, body=body)
    told = DrillLoad(plan, plan.target, {}, tmp_path)._load_plan()
    assert dict(told.body) == body
    reached = replace(told, url="http://127.0.0.1:9")
    assert {json.dumps(one.to_json()["body"]) for one in shard_configs(reached)} == {
        json.dumps(body)
    }


def test_a_file_for_prometheus_that_cannot_be_written_is_refused(tmp_path):
    """Before the load is started; a folder that is only not there yet will be made."""
    taken = tmp_path / "taken"
    taken.write_text("")
    for file, refused in ((taken / "sd" / "load.json", True), (tmp_path / "sd" / "l.json", False)):
        _, plan = plan_with(tmp_path, 600, file_sd=str(file))
        lines = DrillLoad(plan, plan.target, {}, tmp_path).refusals()
        assert lines == (
            (f"load.file_sd: {file} cannot be written: nothing can be created in {taken}",)
            if refused
            else ()
        )


def test_a_trace_longer_than_the_target_allows_is_refused(tmp_path):
    """No stream of the load asks for more than `tokens_max`."""
    with pytest.raises(BadInput, match=r"trace.csv: GeneratedTokens: got 1001, expected at most"):
        plan_with(tmp_path, 1001)


def test_a_trace_that_cannot_be_read_is_refused(tmp_path):
    """In the one line of the trace, before anything is started."""
    with pytest.raises(BadInput, match="expected a readable CSV file"):
        plan_with(tmp_path, 7, trace=str(tmp_path / "none.csv"))
