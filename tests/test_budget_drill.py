"""A whole drill whose budget is spent in the middle, though its estimate was within it."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path

import pytest
from drill_runner import FAILOVER, drill
from test_drill_verdicts import changed_target, weights_are_back

from muster.cli.plan import plan_of
from muster.drill.plan.cost import estimate

pytestmark = pytest.mark.drills
BILLED = """
import pathlib, sys
if "muster.testbed.provider" in sys.orig_argv:
    from muster.testbed.provider import text
    dear, told = pathlib.Path({dear!r}), text.usage
    text.usage = lambda ask: told(ask) | ({{"prompt_tokens": 1_000_000}} if dear.exists() else {{}})
"""
"""Read by every process: as long as a file is there, the provider bills long prompts."""


def test_a_budget_that_is_spent_stops_the_drill_and_restores(tmp_path: Path) -> None:
    """Right after the first step of the traffic the answers tell a usage that nobody expected."""
    dear, hook = tmp_path / "dear", tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(BILLED.format(dear=str(dear)))
    tokens_max = 0

    def limited(data: dict) -> None:
        load = data["load"]
        load["body"] = {"stream_options": {"include_usage": True}}
        load["cost"] = {"currency": "EUR", "input_per_million": 2, "output_per_million": 8}
        load["budget"] = {"tokens_max": tokens_max or 10**12}

    settings = ("profile=test_short", "scale=1")
    target = changed_target(tmp_path, limited)
    tokens_max = ceil(estimate(plan_of(str(FAILOVER), (f"target={target}", *settings))).tokens)
    target = changed_target(tmp_path, limited)
    with drill(tmp_path / "work", target=target) as one:
        path = os.environ.get("PYTHONPATH", "")
        one.variables["PYTHONPATH"] = os.pathsep.join([str(hook), *([path] if path else [])])
        one.start()
        one.await_event("step")
        dear.touch()
        assert one.wait() == 4, one.output
        assert one.verdict["verdict"] == "ABORTED", one.output
        assert one.verdict["stopped_by"] == "budget:tokens"
        assert f"load.budget.tokens_max {tokens_max:,}" in one.output
        assert weights_are_back(one)
        assert not one.events("region_dark")
        spent = one.verdict["load"]["spent"]
        assert spent["tokens_in"] + spent["tokens_out"] >= tokens_max
        assert (spent["money"] > 0, spent["currency"]) == (True, "EUR")
        assert f"{tokens_max:,}" in (one.bundle / "report.md").read_text()
