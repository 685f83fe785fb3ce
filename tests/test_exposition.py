"""The one writer of Prometheus' text: what prometheus_client's own parser makes of it."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from muster.exposition import Histogram, Registry


def read(registry: Registry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Value by name and labels; no series stands twice."""
    text = registry.render().decode()
    assert text.endswith("\n")
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_an_edge_holds_what_equals_it_and_what_never_came_is_over_all() -> None:
    """2 s is at or under 2 s; a broken stream stands in +Inf alone."""
    histogram = Histogram((2.0, 1.0))
    histogram.observe(2.0)
    histogram.observe(2.0000001)
    histogram.observe_never(0.1)
    assert (histogram.edges_s, histogram.cells, histogram.total) == ([1.0, 2.0], [0, 1, 2], 3)
    registry = Registry()
    registry.family("t_seconds", "histogram", "T.").histogram({"region": "r"}, histogram)
    assert read(registry) == {
        key("t_seconds_bucket", region="r", le="1.0"): 0,
        key("t_seconds_bucket", region="r", le="2.0"): 1,
        key("t_seconds_bucket", region="r", le="+Inf"): 3,
        key("t_seconds_count", region="r"): 3,
        key("t_seconds_sum", region="r"): pytest.approx(4.1000001),
    }


@pytest.mark.parametrize("value", ['a"b', "a\\", "a\nb", '"\\\n', "\\n", "ä,}{="])
def test_a_label_is_read_as_it_was_given(value: str) -> None:
    """Quotes, backslashes and line ends come back, in each kind of series."""
    registry = Registry()
    histogram = Histogram((1.0,))
    family = registry.family("v", "gauge", "V.")
    family.value({"kind": value}, lambda: 1)
    family.rows(lambda: [({"row": value}, 2)])
    family.table({"fixed": value}, "code", {value: 3})
    registry.family("h", "histogram", "H.").histograms({}, "region", {value: histogram})
    found = read(registry)
    assert found[key("v", kind=value)] == 1
    assert found[key("v", row=value)] == 2
    assert found[key("v", fixed=value, code=value)] == 3
    assert found[key("h_bucket", region=value, le="+Inf")] == 0


def test_a_table_grows_between_scrapes() -> None:
    """A key that comes later is a series from then on; several names take tuples."""
    registry = Registry()
    counts = {("eu", "200"): 1}
    histograms = {"eu": Histogram((1.0,))}
    family = registry.family("c_total", "counter", "C.")
    family.table({"shard": "0"}, ("region", "code"), counts)
    registry.family("h", "histogram", "H.").histograms({"shard": "0"}, "region", histograms)
    assert len(read(registry)) == 1 + 4
    counts["eu", "200"] = 2
    counts["us", "503"] = 7
    histograms["us"] = Histogram((1.0,))
    histograms["us"].observe(0.5)
    found = read(registry)
    assert found[key("c_total", shard="0", region="eu", code="200")] == 2
    assert found[key("c_total", shard="0", region="us", code="503")] == 7
    assert found[key("h_bucket", shard="0", region="us", le="1.0")] == 1


def test_what_nobody_knows_has_no_series() -> None:
    """Rows may be none; a family without labels has none in its text; infinities are read."""
    registry = Registry()
    registry.family("age", "gauge", "A.").rows(lambda: [])
    registry.family("up", "gauge", "U.").value({}, lambda: 1.5)
    assert "\nup 1.5\n" in registry.render().decode()
    assert read(registry) == {key("up"): 1.5}
    registry.family("most", "gauge", "M.").value({}, lambda: math.inf)
    assert read(registry)[key("most")] == math.inf
