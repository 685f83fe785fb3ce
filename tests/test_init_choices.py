"""Which of several things is meant, what tells regions apart, and who says what: pure."""

from __future__ import annotations

import pytest

from muster.init.combine import combine
from muster.init.look import One, Seen
from muster.init.recognise import RegionLabel, pick, products, region_label
from muster.platform.metrics.reading import SERIES_MAX
from muster.targets.presets import load_presets

PRESETS = {one.product: one for one in load_presets()}
ENVOY, LITELLM = PRESETS["Envoy"], PRESETS["LiteLLM"]
REGIONS = ("eu-west-1", "eu-central-1")


def seen(**series: list[dict[str, str]]) -> Seen:
    """By metric (`__` for `:`), the labels of its series; values rise from 1."""
    made = {
        name.replace("__", ":"): tuple(One(labels, index + 1.0) for index, labels in enumerate(own))
        for name, own in series.items()
    }
    return Seen({name: len(own) for name, own in made.items()}, made)


def clusters(*names: str) -> Seen:
    return seen(envoy_cluster_upstream_rq=[{"envoy_cluster_name": name} for name in names])


def keys(*names: str) -> Seen:
    shown = [{"api_key_alias": name} for name in names]
    return seen(litellm_proxy_total_requests_metric_total=shown)


@pytest.mark.parametrize(
    ("names", "matcher", "to_edit"),
    [
        (("chat",), 'envoy_cluster_name="chat"', False),
        (("chat", "chat_canaries"), 'envoy_cluster_name="chat"', False),
        (("xds", "chat"), 'envoy_cluster_name="chat"', True),
        (("Canary",), "", True),
        ((), "", True),
    ],
)
def test_what_is_needed_is_one_and_a_guess_is_marked(
    names: tuple[str, ...], matcher: str, to_edit: bool
) -> None:
    """Of several the one that counted most requests, for a person to look at."""
    picked = pick(ENVOY.choices["cluster"], ENVOY, clusters(*names), "m")
    assert (picked.matcher, picked.to_edit) == (matcher, to_edit)


@pytest.mark.parametrize(
    ("names", "matcher"),
    [
        (("load",), ""),
        (("None", ""), ""),
        (("load", "canary"), 'api_key_alias="load"'),
        (("a", "b"), ""),
        (("a", "b", "canary-1", "canary-2"), 'api_key_alias!~"canary-1|canary-2"'),
        (('o"dd', "canary"), 'api_key_alias="o\\"dd"'),
    ],
)
def test_what_is_not_needed_selects_all_but_canaries(names: tuple[str, ...], matcher: str) -> None:
    """Nothing is left out that nobody asked to leave out."""
    picked = pick(LITELLM.choices["key"], LITELLM, keys(*names), "m")
    assert (picked.matcher, picked.to_edit) == (matcher, False)


def test_the_model_and_the_path_that_the_load_asks_are_taken() -> None:
    """Where a product tells them apart."""
    vllm, otel = PRESETS["vLLM"], PRESETS["OpenTelemetry GenAI"]
    shown = seen(vllm__request_success_total=[{"model_name": "a"}, {"model_name": "b"}])
    assert pick(vllm.choices["model"], vllm, shown, "a").matcher == 'model_name="a"'
    routes = [{"http_route": "/v1/chat/completions"}, {"http_route": "/healthz"}]
    paths = seen(http_server_request_duration_seconds_count=routes)
    found = pick(otel.choices["route"], otel, paths, "a").matcher
    assert found == 'http_route="/v1/chat/completions"'


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([{"region": one} for one in REGIONS], RegionLabel("region")),
        ([{"cluster": one, "zone": "z"} for one in REGIONS], RegionLabel("cluster")),
        (
            [{"cluster": f"prod-{one}-a"} for one in REGIONS],
            RegionLabel("cluster", {f"prod-{one}-a": one for one in sorted(REGIONS)}),
        ),
        ([{"cluster": f"prod-{one}"} for one in REGIONS[:1]], RegionLabel(None)),
        ([{"prometheus_replica": one} for one in REGIONS], RegionLabel(None)),
        ([{"region": "west"}, {"region": "east"}], RegionLabel(None, shown=("east", "west"))),
        ([], RegionLabel(None)),
    ],
)
def test_the_label_of_the_region_is_asked_of_the_data(
    labels: list[dict[str, str]], told: RegionLabel
) -> None:
    """The same values first, then values that hold the names; else none, and nothing made up."""
    found = region_label([One(one, 1.0) for one in labels], REGIONS)
    assert found == told


def test_two_products_of_the_same_names_are_told_apart_by_a_label() -> None:
    """Envoy AI Gateway has one that OpenTelemetry's conventions do not have."""
    name = "gen_ai_server_request_duration_seconds_count"
    for labels, product in (
        ({"gen_ai_request_model": "m", "gen_ai_original_model": "m"}, "Envoy AI Gateway"),
        ({"gen_ai_request_model": "m"}, "OpenTelemetry GenAI"),
    ):
        there = products(list(PRESETS.values()), seen(**{name: [labels]}), "m")
        assert [one.preset.product for one in there] == [product]


def both(instances: int) -> Seen:
    """LiteLLM behind Envoy, so many processes of LiteLLM a region."""
    envoy, litellm = [], []
    for region in REGIONS:
        common = {"region": region, "envoy_cluster_name": "chat", "instance": f"e-{region}"}
        envoy.append(common)
        for number in range(instances):
            litellm.append({"region": region, "instance": f"l-{region}-{number}"})
    return seen(
        envoy_cluster_upstream_rq=envoy,
        envoy_cluster_upstream_rq_active=envoy,
        litellm_request_total_latency_metric_bucket=litellm,
        litellm_request_total_latency_metric_count=litellm,
    )


@pytest.mark.parametrize(("instances", "owner"), [(1, ("region",)), (2, ())])
def test_a_region_is_one_process_only_where_it_has_one_of_each(
    instances: int, owner: tuple[str, ...]
) -> None:
    """Samples of several processes cannot be put together: then `instance` tells them."""
    shown = both(instances)
    there = products(list(PRESETS.values()), shown, "m")
    found = combine(there, shown, REGIONS).shown
    assert {name: one.product for name, one in found.items()} == {
        "requests": "Envoy",
        "completion": "LiteLLM",
        "streams_active": "Envoy",
    }
    assert {one.how.owner for one in found.values()} == {owner}


def test_a_sum_without_one_of_its_terms_is_missing() -> None:
    """Envoy without track_remaining shows no limit, and a limit cannot be declared none."""
    shown = both(1)
    found = combine(products(list(PRESETS.values()), shown, "m"), shown, REGIONS)
    assert "streams_limit" in found.missing
    assert "first_token" in found.missing
    assert set(found.declared) == {"queue_age", "circuit_open", "admission_failures"}
    assert all(len(why) <= 300 for why in found.declared.values())


def test_metrics_of_too_many_series_are_named() -> None:
    """They were counted and not read."""
    shown = Seen({"a": SERIES_MAX + 1, "b": SERIES_MAX}, {"b": ()})
    assert shown.unread == {"a": SERIES_MAX + 1}
