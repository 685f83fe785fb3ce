"""The examples of docs/promotion.md, played against the server as Argo Rollouts and Flagger do.

The shapes are those of their documentation: Argo Rollouts' web metric (docs/analysis/web.md) and
Flagger's webhooks (usage/webhooks).
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from promotion_platform import Platform

from muster import home
from muster.drill.real_traffic.serve import AnswerServer
from muster.guard.promotion import as_json

TEXT = (home.root() / "docs" / "promotion.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.S)]
METRIC_KEYS = {
    "name", "initialDelay", "interval", "count", "successCondition", "failureCondition",
    "failureLimit", "inconclusiveLimit", "consecutiveErrorLimit", "provider",
}  # fmt: skip
WEB_KEYS = {"url", "method", "body", "headers", "timeoutSeconds", "jsonPath", "insecure"}
HOOK_TYPES = {
    "confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion",
    "post-rollout", "rollback", "event",
}  # fmt: skip
STATES = {
    "held": Platform(),
    "roll_back": Platform(bad=lambda region, s: 6.0),
    "unknown": Platform(hide=lambda name, *_: name == "requests"),
}


def example(kind):
    (found,) = [block for block in BLOCKS if block["kind"] == kind]
    return found


@pytest.fixture(scope="module", params=list(STATES))
def served(request):
    """A server with each of the three answers, and which it is."""
    server = AnswerServer("127.0.0.1", 0, stale_s=600.0)
    server.put(as_json(STATES[request.param].judged(), target="t"))
    yield request.param, server.url
    server.close()


def asked(method, url, base, **more):
    """A request to the example's path, at the server that the test started."""
    path = urlsplit(url).path
    return httpx.request(method, f"{base}{path}", trust_env=False, timeout=10, **more)


def selected(path, document):
    """What a JSONPath of the form `{$.a.b}` selects."""
    steps = re.fullmatch(r"\{\$((?:\.\w+)+)\}", path).group(1).split(".")[1:]
    for step in steps:
        document = document[step]
    return document


def holds(condition, result):
    """A condition of the form `result == "text"`, as Argo Rollouts evaluates it."""
    return result == re.fullmatch(r'result == "(\w+)"', condition).group(1)


def measured(metric, answer):
    """The phase of a measurement: both conditions given, neither true is inconclusive."""
    if answer.status_code // 100 != 2:
        return "Error"
    result = selected(metric["provider"]["web"]["jsonPath"], answer.json())
    if holds(metric["failureCondition"], result):
        return "Failed"
    return "Successful" if holds(metric["successCondition"], result) else "Inconclusive"


def test_the_analysis_template_has_the_documented_shape():
    """One web metric of known keys, and no limit that lets an unknown through."""
    template = example("AnalysisTemplate")
    assert template["apiVersion"] == "argoproj.io/v1alpha1"
    (metric,) = template["spec"]["metrics"]
    assert set(metric) <= METRIC_KEYS
    assert set(metric["provider"]) == {"web"}
    assert set(metric["provider"]["web"]) <= WEB_KEYS
    assert metric["provider"]["web"].get("method", "GET") == "GET"
    assert (metric["failureLimit"], metric["inconclusiveLimit"]) == (0, 0)
    assert re.fullmatch(r"\d+[smh]", metric["interval"])


def test_argo_s_measurement_of_each_answer(served):
    """Held is successful, roll back failed, unknown inconclusive."""
    state, url = served
    (metric,) = example("AnalysisTemplate")["spec"]["metrics"]
    answer = asked("GET", metric["provider"]["web"]["url"], url)
    wanted = {"held": "Successful", "roll_back": "Failed", "unknown": "Inconclusive"}
    assert measured(metric, answer) == wanted[state]


def test_the_canary_has_the_documented_shape():
    """Hooks of known types, each with a name and a URL."""
    canary = example("Canary")
    assert canary["apiVersion"] == "flagger.app/v1beta1"
    hooks = canary["spec"]["analysis"]["webhooks"]
    assert all(set(hook) <= {"name", "type", "url", "timeout", "metadata"} for hook in hooks)
    assert {hook["type"] for hook in hooks} == {"confirm-promotion", "rollback"} <= HOOK_TYPES
    assert all(isinstance(v, str) for hook in hooks for v in hook.get("metadata", {}).values())


def test_flagger_s_hooks_on_each_answer(served):
    """It promotes on held alone, rolls back on a trigger alone, and waits on unknown."""
    state, url = served
    canary = example("Canary")
    said = {}
    for hook in canary["spec"]["analysis"]["webhooks"]:
        payload = {
            "name": canary["metadata"]["name"],
            "namespace": canary["metadata"]["namespace"],
            "phase": "Progressing",
            "checksum": "85d557f47b",
            "metadata": hook.get("metadata", {}),
        }
        answer = asked("POST", hook["url"], url, json=payload)
        said[hook["type"]] = 200 <= answer.status_code <= 202
        # Flagger writes a refusal's body into its events.
        assert answer.json()["state"] == state
    assert said == {"confirm-promotion": state == "held", "rollback": state == "roll_back"}


def test_the_commands_of_the_page_have_the_options_that_it_names():
    """Every `--option` on the page is one of the commands'."""
    from muster.cli.promotion import promotion
    from muster.cli.slo import slo

    known = {option for command in (promotion, slo) for p in command.params for option in p.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT))
    assert named <= known, named - known
