"""Presets: each on what its product really shows, or on the names of its documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from their_series import EXPOSITIONS, TheirMetrics, exposition, raw

from muster import home
from muster.errors import BadInput
from muster.platform.metrics import Reading, read
from muster.platform.metrics.mapping import mapped
from muster.samples.rates import is_status
from muster.targets.presets import Preset, chosen, edges_setting, load_presets, metrics_of
from muster.targets.signals import SIGNALS_SERVER

PRESETS = {one.product: one for one in load_presets()}
FILES = {
    "LiteLLM": "litellm",
    "Envoy": "envoy",
    "OpenTelemetry GenAI": "otel_genai",
    "vLLM": "vllm",
    "SGLang": "sglang",
    "Istio": "istio",
    "ingress-nginx": "ingress_nginx",
    "Envoy AI Gateway": "envoy_ai_gateway",
}
SEEN = ("LiteLLM", "Envoy", "OpenTelemetry GenAI")
WEST = {"region": "west", "instance": "w:1"}


def shown(product: str, signal: str, **matchers: str) -> Reading:
    """A signal of a product's exposition as its preset maps it."""
    how = chosen(PRESETS[product].signals[signal].how, matchers)
    return read(TheirMetrics(exposition(FILES[product], **WEST)), signal, how, 5.0)  # type: ignore[arg-type]


def documented(product: str) -> set[str]:
    """The metrics of a product's file, histograms by their parts."""
    found = set()
    for line in (EXPOSITIONS / f"{FILES[product]}.txt").read_text().splitlines():
        words = line.split()
        if line.startswith("# TYPE"):
            ends = ("_bucket", "_count", "_sum") if words[3] == "histogram" else ("",)
            found |= {words[2] + end for end in ends}
    return found


def test_every_preset_has_a_file_of_its_products_names() -> None:
    """And every product of the page is there."""
    assert set(PRESETS) == set(FILES)


@pytest.mark.parametrize("product", sorted(FILES))
def test_a_preset_names_nothing_that_its_product_does_not_show(product: str) -> None:
    """A metric written from memory would be in no file."""
    assert PRESETS[product].metrics <= documented(product)


@pytest.mark.parametrize("product", sorted(FILES))
def test_what_was_seen_is_told_apart_from_documentation(product: str) -> None:
    """A preset that says seen names its file, and the file holds samples; any other has none."""
    seen = PRESETS[product].seen
    assert (seen is not None) is (product in SEEN)
    assert bool(exposition(FILES[product])) is (product in SEEN)
    assert seen is None or f"tests/expositions/{FILES[product]}.txt" in seen


@pytest.mark.parametrize(
    ("product", "signal"), [(one, name) for one in SEEN for name in PRESETS[one].signals]
)
def test_each_signal_of_a_recorded_exposition_is_mapped(product: str, signal: str) -> None:
    """Nothing is refused, something is there, and codes are codes."""
    reading = shown(product, signal)
    assert (reading.refused, reading.lacking) == ("", "")
    assert reading.series
    for one in reading.series:
        assert {**one.labels, **WEST} == one.labels
        assert signal != "requests" or is_status(one.labels["code"])


def test_envoys_limit_is_what_is_left_and_what_is_open() -> None:
    """57 + 13 = the 70 that were set, of the cluster that is chosen."""
    (one,) = shown("Envoy", "streams_limit", cluster='envoy_cluster_name="litellm"').series
    assert one.v == (70.0,)


def test_envoys_milliseconds_become_seconds() -> None:
    """Its edges are in its own unit."""
    edges = {one.labels["le"] for one in shown("Envoy", "completion").series if "le" in one.labels}
    assert {"0.5", "10.0", "+Inf"} <= edges


def test_a_choice_leaves_the_canaries_out() -> None:
    """One key of two."""
    how = chosen(PRESETS["LiteLLM"].signals["requests"].how, {"key": 'api_key_alias="load"'})
    series = exposition("foreign/litellm", **WEST)
    every = chosen(PRESETS["LiteLLM"].signals["requests"].how, {})
    counted = [
        sum(one.v[0] or 0 for one in read(TheirMetrics(series), "requests", one, 5.0).series)  # type: ignore[arg-type]
        for one in (how, every)
    ]
    assert counted[0] < counted[1]


def test_opentelemetry_leaves_refused_requests_out_of_the_latencies() -> None:
    """Four answers and one 429, whose error.type says so."""
    (count,) = [
        one for one in shown("OpenTelemetry GenAI", "completion").series if "le" not in one.labels
    ]
    assert count.v == (4.0,)
    codes = {
        one.labels["code"]: one.v[0] for one in shown("OpenTelemetry GenAI", "requests").series
    }
    assert codes == {"200": 4.0, "429": 1.0}


@pytest.mark.parametrize(
    ("product", "labels", "code"),
    [
        ("vLLM", {"model_name": "m", "engine": "0", "finished_reason": "length"}, "200"),
        ("vLLM", {"model_name": "m", "engine": "0", "finished_reason": "abort"}, "499"),
        ("SGLang", {"endpoint": "/v1/chat/completions", "status_code": "503"}, "503"),
        ("Istio", {"reporter": "source", "response_code": "0"}, "499"),
        ("Istio", {"reporter": "source", "response_code": "429"}, "429"),
        ("ingress-nginx", {"ingress": "chat", "status": "502", "method": "POST"}, "502"),
    ],
)
def test_labels_of_the_documentation_become_codes(
    product: str, labels: dict[str, str], code: str
) -> None:
    """As sources and documentation name them."""
    how = PRESETS[product].signals["requests"].how
    name = metrics_of(how.select[0])[0]
    reading = mapped("requests", how, [[raw(name, {**WEST, **labels}, (1.0, 7.0))]])
    assert [(one.labels["code"], one.v) for one in reading.series] == [(code, (7.0,))]


def test_a_reason_that_vllm_does_not_document_is_refused() -> None:
    """It may be a failure."""
    how = PRESETS["vLLM"].signals["requests"].how
    labels = {**WEST, "finished_reason": "melted"}
    reading = mapped("requests", how, [[raw("vllm:request_success_total", labels, (1.0, 7.0))]])
    assert "melted" in reading.refused


def test_what_waits_in_a_model_server_is_an_open_stream() -> None:
    """Running and waiting, of one scrape."""
    how = PRESETS["vLLM"].signals["streams_active"].how
    parts = [[raw(one, WEST, (1.0, 5.0))] for one in how.selectors]
    assert [one.v for one in mapped("streams_active", how, parts).series] == [(10.0,)]


@pytest.mark.parametrize("product", sorted(FILES))
def test_every_edges_setting_names_its_product(product: str) -> None:
    """Preflight tells it by the names of the metrics alone; two products share some names."""
    preset = PRESETS[product]
    assert preset.edges.startswith(product.split()[0])
    found = edges_setting(preset.metrics, PRESETS.values())
    assert found == (preset if preset.prefixes else PRESETS["OpenTelemetry GenAI"]).edges


def test_selectors_lose_what_nothing_is_chosen_for() -> None:
    """No empty braces, and no comma too many; a value's own commas stay."""
    how = Preset.model_validate(document()).signals["requests"].how
    assert chosen(how, {}).select == ("a_total",)
    assert chosen(how, {"key": 'k="a,b"'}).select == ('a_total{k="a,b"}',)


def document(**changes: Any) -> dict[str, Any]:
    """A preset that fits."""
    return {
        "schema_version": 1,
        "product": "A",
        "seen": None,
        "sources": ["https://a.example.com"],
        "recognised_by": {"any": ["a_total"]},
        "choices": {"key": {"label": "k", "what": "a key"}},
        "signals": {"requests": {"rank": 1, "how": {"select": "a_total{$key}", "drop": "rest"}}},
        "lacks": {"queue_age": "it has no queue"},
        "prefixes": ["a_"],
        "edges": "A has none",
        "settings": [],
        "scrape": {"metrics_path": "/metrics", "port": 80},
        **changes,
    }


def test_a_setting_may_name_the_signal_that_shows_it() -> None:
    """Envoy's limit is shown only with track_remaining."""
    (limit, *_) = PRESETS["Envoy"].settings
    assert "track_remaining" in limit.say
    assert limit.unless == "streams_limit"


MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"produt": "B"}, "produt: got 'B', expected one of the known keys:"),
    ({"sources": []}, "sources: got [], expected at least 1 of them"),
    ({"choices": {}}, ""),
    ({"lacks": {"requests": "x"}}, "lacks.requests: got 'requests', expected one of queue_age,"),
    (
        {"signals": {"request": {"rank": 1, "how": {"select": "a"}}}},
        "signals.request: got 'request', expected one of requests,",
    ),
    (
        {"signals": {"requests": {"rank": 1, "how": {"select": "a", "unit": "ms"}}}},
        "signals.requests.unit: got 'ms', expected none: only",
    ),
    ({"recognised_by": {"any": ["a b"]}}, "recognised_by.any.0: got 'a b', expected a text that"),
]


@pytest.mark.parametrize(("changes", "line"), MISFITS, ids=[str(list(one)) for one, _ in MISFITS])
def test_a_preset_that_does_not_fit_is_refused_by_its_key(
    tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    """Unknown keys, unknown signals, mappings that fit no signal, choices that are not there."""
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(document(**changes)))
    with pytest.raises(BadInput) as caught:
        load_presets(tmp_path)
    said = str(caught.value)
    assert (
        f"{file}: {line}" in said if line else "choices.key, which signals.requests names" in said
    )


def test_all_that_is_wrong_with_all_presets_is_told_at_once(tmp_path: Path) -> None:
    """A line each; and a directory without any is no directory of presets."""
    with pytest.raises(BadInput, match="a directory of presets"):
        load_presets(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(document(sources=[])))
    with pytest.raises(BadInput) as caught:
        load_presets(tmp_path)
    assert [Path(one.file).name for one in caught.value.each] == ["a.yaml", "b.yaml"]


def test_presets_stand_where_targets_and_the_contract_stand() -> None:
    """So that whoever finds the one finds the others."""
    assert len(list((home.root() / "presets").glob("*.yaml"))) == len(PRESETS)
    assert all(set(one.signals) <= set(SIGNALS_SERVER) for one in PRESETS.values())
