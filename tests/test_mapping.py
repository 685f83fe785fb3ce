"""Series of theirs become signals: on what LiteLLM and Envoy really show, and where it must not."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from their_series import EXPOSITIONS, TheirMetrics, exposition, raw, selected

from muster.platform.metrics import MetricsError, believed, read
from muster.platform.metrics.mapping import mapped
from muster.platform.metrics.reading import SERIES_MAX
from muster.platform.metrics.translate import seconds_of
from muster.samples.histograms import edge_of
from muster.targets.signals import MappedSignal

WEST = {"region": "west", "instance": "w:1"}


def how(**said):
    return MappedSignal.model_validate(said)


def shown(signal, mapping, product):
    """A signal's series of a product's exposition: (name, labels, value)."""
    metrics = TheirMetrics(exposition(product, **WEST, job=product))
    reading = read(metrics, signal, mapping, 5.0)
    assert reading.refused == ""
    return [(one.name, dict(one.labels), one.v[0]) for one in reading.series]


def of(mapping, *answers, signal="requests"):
    return mapped(signal, mapping, answers)


def refused(mapping, *answers, signal="requests"):
    reading = of(mapping, *answers, signal=signal)
    assert reading.series == []
    return reading.refused


# What the products show


def test_envoy_counts_answers_by_its_own_label():
    """Its code is `envoy_response_code`; nothing else of its labels is Muster's."""
    mapping = how(select="envoy_cluster_upstream_rq", labels={"code": "envoy_response_code"})
    found = shown("requests", mapping, "envoy")
    assert {labels["code"]: value for _, labels, value in found} == {
        "200": 141.0,
        "400": 1.0,
        "503": 23.0,
    }
    for _, labels, _ in found:
        rest = {"envoy_cluster_name": "litellm", "job": "envoy", "code": labels["code"]}
        assert labels == WEST | rest


def test_envoys_limit_is_what_remains_and_what_is_active():
    """57 remain beside 13, or 13 beside 57: together the 70 that were set."""
    mapping = how(
        select="envoy_cluster_circuit_breakers_default_remaining_rq",
        plus='envoy_cluster_upstream_rq_active{envoy_cluster_name="litellm"}',
    )
    [(_, labels, value)] = shown("streams_limit", mapping, "envoy")
    assert value == 70.0
    assert labels.items() >= WEST.items()


def test_envoys_milliseconds_are_seconds_with_exact_edges():
    """A bucket of 2500 ms is one of 2.5 s, and none of its counts is changed."""
    select = (
        '{__name__=~"envoy_http_downstream_rq_time_(bucket|count|sum)", '
        'envoy_http_conn_manager_prefix="chat"}'
    )
    found = shown("completion", how(select=select, unit="ms"), "envoy")
    theirs = selected(exposition("envoy"), select)
    edges = {labels["le"]: value for _, labels, value in found if "le" in labels}
    assert {edge_of(le) for le in edges} >= {0.0005, 0.001, 1.0, 2.5, 30.0, 60.0, float("inf")}
    assert sorted(edges.values()) == sorted(
        one.v[0] for one in theirs if one.name.endswith("_bucket")
    )
    named = {name.rpartition("_")[2]: value for name, _, value in found if "bucket" not in name}
    by_name = {one.name.rpartition("_")[2]: one.v[0] for one in theirs}
    assert named["count"] == by_name["count"]
    assert named["sum"] == pytest.approx(by_name["sum"] / 1000)


def test_litellm_counts_one_process_under_many_labels():
    """Keys, users and agents tell no process apart: what they divide is added up, once dropped."""
    mapping = how(
        select="litellm_proxy_total_requests_metric_total",
        labels={"code": "status_code"},
        drop="rest",
    )
    found = shown("requests", mapping, "litellm")
    theirs = selected(exposition("litellm"), "litellm_proxy_total_requests_metric_total")
    assert sum(value for *_, value in found) == sum(one.v[0] for one in theirs)
    assert {labels["code"] for _, labels, _ in found} == {"200", "400"}
    assert all(set(labels) == {"region", "instance", "code", "job"} for _, labels, _ in found)
    assert {name for name, *_ in found} == {"requests"}


@pytest.mark.parametrize(
    ("signal", "metric"),
    [
        ("first_token", "litellm_llm_api_time_to_first_token_metric"),
        ("completion", "litellm_request_total_latency_metric"),
    ],
)
def test_litellms_histograms_keep_their_buckets(signal, metric):
    """Edge by edge and with their count, whatever the labels beside."""
    mapping = how(select=f'{{__name__=~"{metric}_(bucket|count)"}}', drop="rest")
    found = shown(signal, mapping, "litellm")
    buckets = {labels["le"]: value for _, labels, value in found if "le" in labels}
    [count] = [value for _, labels, value in found if "le" not in labels]
    assert buckets["+Inf"] == count
    assert {"1.0", "2.0", "5.0", "10.0"} <= set(buckets)


def test_a_deployments_state_is_a_circuit():
    """0 is healthy and 1 degraded: closed; 2 is down: open; the worst deployment counts."""
    mapping = how(
        select="litellm_deployment_state",
        values={0: 0, 1: 0, 2: 1},
        labels={"route": {"constant": "primary"}},
        drop="rest",
    )
    [(_, labels, value)] = shown("circuit_open", mapping, "litellm")
    assert (labels["route"], value) == ("primary", 0.0)
    states = [raw("s", {**WEST, "model_id": str(n)}, (1.0, float(n))) for n in range(3)]
    [worst] = of(mapping, states, signal="circuit_open").series
    assert worst.v == (1.0,)
    odd = [raw("s", WEST, (1.0, 3.0))]
    assert "shows 3, and values names only 0, 1, 2" in refused(mapping, odd, signal="circuit_open")


def test_vllm_names_what_it_names():
    """Names with a colon are selected like others; its counts have no codes and are refused so."""
    text = (EXPOSITIONS / "vllm.txt").read_text()
    names = {line.split()[2] for line in text.splitlines()}
    assert {"vllm:e2e_request_latency_seconds", "vllm:time_to_first_token_seconds"} <= names
    mapping = how(select="vllm:request_success_total", labels={"code": "status_code"})
    counted = [raw("vllm:request_success_total", {**WEST, "finished_reason": "stop"}, (1.0, 5.0))]
    said = "labels.code: vllm:request_success_total has no label status_code"
    assert refused(mapping, counted) == said


# Labels


def test_a_label_that_is_not_there_names_the_nearest():
    """Of any series: one without it refuses them all."""
    mapping = how(select="a", labels={"code": "response_cod"})
    with_it = raw("a", {**WEST, "response_code": "200"}, (1.0, 5.0))
    said = "labels.code: a has no label response_cod (did you mean response_code?)"
    assert refused(mapping, [with_it]) == said
    right = how(select="a", labels={"code": "response_code"})
    assert refused(right, [with_it, raw("a", WEST, (1.0, 1.0))]).startswith("labels.code: a has no")


def test_a_value_that_no_map_names_refuses_the_signal():
    """Unless the others are kept: of codes nobody names them all."""
    values = {"from": "flag", "values": {"0": "499"}}
    series = [raw("a", {**WEST, "flag": flag}, (1.0, 5.0)) for flag in ("0", "200")]
    said = refused(how(select="a", labels={"code": values}), series)
    assert said == 'labels.code: a shows flag="200", and values names only 0'
    kept = of(how(select="a", labels={"code": {**values, "others": "keep"}}), series)
    assert {one.labels["code"] for one in kept.series} == {"499", "200"}


def test_names_may_tell_reasons_apart():
    """Two metrics, each a reason: the label is made of the name."""
    mapping = how(
        select=["over", "pending"],
        labels={
            "reason": {
                "from": "__name__",
                "values": {"over": "gateway_health", "pending": "token_validation"},
            }
        },
    )
    answers = [raw(name, WEST, (1.0, n)) for n, name in enumerate(("over", "pending"))]
    found = of(mapping, *([one] for one in answers), signal="admission_failures")
    assert {one.labels["reason"]: one.v for one in found.series} == {
        "gateway_health": (0.0,),
        "token_validation": (1.0,),
    }


def test_an_owner_of_several_labels_is_one_process():
    """Its labels together are the instance, and no two processes are added up."""
    mapping = how(select="a", owner=["namespace", "pod"], drop=["instance"])
    series = [
        raw("a", {**WEST, "namespace": ns, "pod": pod, "code": "200"}, (1.0, 5.0))
        for ns, pod in (("x", "1"), ("x", "2"), ("y", "1"))
    ]
    found = of(mapping, series).series
    assert {one.labels["instance"] for one in found} == {"x/1", "x/2", "y/1"}


# Series that become one


def test_two_series_that_become_one_are_refused_by_the_label_that_tells_them_apart():
    """Never merged silently; dropped or part of the owner, they are what they are said to be."""
    a = raw("a", {**WEST, "code": "200", "user": "ann"}, (1.0, 5.0), (2.0, 6.0))
    b = raw("a", {**WEST, "code": "200", "user": "bob"}, (1.0, 7.0), (2.0, 9.0))
    said = refused(how(select="a"), [a, b])
    assert said.startswith('a{code="200", instance="w:1", region="west"} is there twice')
    assert 'told apart by user ("ann" and "bob")' in said
    [one] = of(how(select="a", drop=["user"]), [a, b]).series
    assert (one.t_s, one.v) == ((1.0, 2.0), (12.0, 15.0))
    assert len(of(how(select="a", owner=["instance", "user"]), [a, b]).series) == 2


@pytest.mark.parametrize("drop", ["rest", ["prometheus_replica", "user"]])
def test_replicas_are_never_added_up(drop):
    """Even where somebody says so: every count would be there twice."""
    series = [
        raw("a", {**WEST, "code": "200", "prometheus_replica": replica}, (1.0, 5.0))
        for replica in ("p0", "p1")
    ]
    said = refused(how(select="a", drop=drop), series)
    assert 'by prometheus_replica ("p0" and "p1"): select one of them' in said


def test_a_process_scraped_by_two_jobs_is_not_added_up_by_rest():
    """A label of the scraper's must be named to be dropped."""
    series = [raw("a", {**WEST, "code": "200", "job": job}, (1.0, 5.0)) for job in "xy"]
    assert "told apart by job" in refused(how(select="a", drop="rest"), series)


def test_parts_that_are_scraped_apart_are_of_several_processes():
    """Their sum would be of no moment."""
    a = raw("a", {**WEST, "code": "200", "c": "1"}, (1.0, 5.0), (2.0, 6.0))
    b = raw("a", {**WEST, "code": "200", "c": "2"}, (1.4, 7.0), (2.4, 9.0))
    said = refused(how(select="a", drop=["c"]), [a, b])
    assert (
        "scraped at different moments, so they belong to several processes: name in owner" in said
    )


def test_a_part_that_begins_later_or_is_unknown():
    """What had not happened counts nothing; what is no number makes its sum none."""
    a = raw("a", {**WEST, "code": "200", "c": "1"}, (1.0, 5.0), (2.0, 6.0), (3.0, 7.0))
    b = raw("a", {**WEST, "code": "200", "c": "2"}, (2.0, 1.0), (3.0, None))
    [one] = of(how(select="a", drop=["c"]), [a, b]).series
    assert (one.t_s, one.v) == ((1.0, 2.0, 3.0), (5.0, 7.0, None))


def test_one_after_the_other_is_one():
    """After an upgrade another label value goes on; both at once are refused."""
    old = raw("a", {**WEST, "code": "200", "v": "1"}, (1.0, 5.0), (2.0, 6.0))
    new = raw("a", {**WEST, "code": "200", "v": "2"}, (3.0, 0.0), (4.0, 1.0))
    [one] = of(how(select="a"), [new, old]).series
    assert (one.t_s, one.v) == ((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 0.0, 1.0))
    assert one.labels["v"] == "2"


def test_an_edge_written_in_two_ways_is_one_and_never_added_up():
    """Where they differ at a scrape, it is unknown."""
    labels = {**WEST, "user": "ann"}
    a = raw("h_bucket", {**labels, "le": "1"}, (1.0, 5.0), (2.0, 6.0))
    b = raw("h_bucket", {**labels, "le": "1.0"}, (1.0, 5.0), (2.0, 7.0))
    c = raw("h_bucket", {**WEST, "user": "bob", "le": "1.0"}, (1.0, 1.0), (2.0, 1.0))
    [one] = of(how(select="h", drop="rest"), [a, b, c], signal="first_token").series
    assert (one.labels["le"], one.v) == ("1.0", (6.0, None))


def test_an_edge_that_is_no_number_is_refused():
    """As the judge would refuse it."""
    series = [raw("h_bucket", {**WEST, "le": "fast"}, (1.0, 5.0))]
    said = refused(how(select="h"), series, signal="first_token")
    assert said == 'h_bucket has le="fast", which is not a number'


def test_what_nobody_knows_how_to_join_is_refused():
    """A target's own signal may be anything."""
    series = [raw("a", {**WEST, "c": c}, (1.0, 5.0)) for c in "xy"]
    said = refused(how(select="a", drop=["c"]), series, signal="x_own")
    assert "several series become one, and no rule says how to combine them" in said


# Sums, differences, constants


def limit(**said):
    return how(select="remaining", **said)


def test_only_samples_of_one_scrape_are_added():
    """The newest one, of which the other question saw nothing yet, waits for its other half."""
    remaining = raw("remaining", WEST, (1.0, 57.0), (2.0, 50.0), (3.0, None))
    active = raw("active", WEST, (2.0, 20.0), (3.0, 1.0), (4.0, 30.0))
    [one] = of(limit(plus="active"), [remaining], [active], signal="streams_limit").series
    assert (one.t_s, one.v) == ((2.0, 3.0), (70.0, None))
    [less] = of(limit(minus="active"), [remaining], [active], signal="streams_limit").series
    assert less.v == (30.0, None)


def test_gauges_of_two_processes_are_not_added():
    """Another instance is another process; scraped at other moments they are none of one."""
    remaining = raw("remaining", WEST, (1.0, 57.0), (2.0, 50.0))
    other = raw("active", {**WEST, "instance": "w:2"}, (1.0, 1.0), (2.0, 1.0))
    found = of(limit(plus="active"), [remaining], [other], signal="streams_limit")
    assert found.series == []
    assert found.lacking.startswith("active shows nothing of remaining{")
    late = raw("active", WEST, (1.5, 1.0), (2.5, 1.0))
    said = refused(limit(plus="active"), [remaining], [late], signal="streams_limit")
    assert "only gauges of one process can be added or subtracted" in said


def test_a_constant_stands_where_its_process_is_seen():
    """`up` of 0 is a process that was not reached: it holds nothing."""
    up = raw("up", WEST, (1.0, 1.0), (2.0, 0.0), (3.0, 1.0))
    [one] = of(how(select="up", value=400), [up], signal="streams_limit").series
    assert (one.t_s, one.v) == ((1.0, 3.0), (400.0, 400.0))
    regions = how(select="up", value={"west": 300, "east": 100})
    [one] = of(regions, [up], signal="streams_limit").series
    assert one.v == (300.0, 300.0)
    mars = raw("up", {**WEST, "region": "mars"}, (1.0, 1.0))
    said = refused(regions, [mars], signal="streams_limit")
    assert 'is of region "mars", and value names only west, east' in said


def test_a_scrape_between_two_questions_is_left_for_the_next_look():
    """Else the half that was seen would be a fall of the whole."""
    mapping = how(select=["a", "b"], drop=["__name__"])
    labels = {**WEST, "code": "200"}
    a = raw("a", labels, (1.0, 5.0), (2.0, 5.0))
    b = raw("b", labels, (1.0, 7.0), (2.0, 7.0), (3.0, 8.0))
    [one] = of(mapping, [a], [b]).series
    assert (one.t_s, one.v) == ((1.0, 2.0), (12.0, 12.0))


# Units


@given(st.decimals(min_value="0.001", max_value="10000000", places=3))
def test_an_edge_in_milliseconds_is_the_nearest_number_of_seconds(le):
    """As exact as a number can be: the threshold 2.5 is met by 2500 and nothing else."""
    series = [raw("h_bucket", {**WEST, "le": str(le)}, (1.0, 5.0))]
    [one] = of(how(select="h", unit="ms"), series, signal="completion").series
    assert float(one.labels["le"]) == float(Fraction(le) / 1000)


@given(st.floats(min_value=0, max_value=1e9), st.sampled_from(["ms", "us", "ns", "min"]))
def test_a_value_is_converted_with_one_rounding(value, unit):
    """The nearest number to the true quotient."""
    per_s = {"ms": Fraction(1, 1000), "us": Fraction(1, 10**6), "ns": Fraction(1, 10**9)}
    exact = Fraction(value) * per_s.get(unit, Fraction(60))
    assert seconds_of(value, unit) == float(exact)


def test_a_queues_age_is_converted_and_counts_are_not():
    """Of a histogram only its sum is a time."""
    [age] = of(
        how(select="a", unit="ms"), [raw("a", WEST, (1.0, 1500.0))], signal="queue_age"
    ).series
    assert age.v == (1.5,)
    parts = [raw(f"h_{end}", WEST, (1.0, 1500.0)) for end in ("count", "sum")]
    found = of(how(select="h", unit="ms"), parts, signal="completion").series
    assert {one.name: one.v[0] for one in found} == {"h_count": 1500.0, "h_sum": 1.5}


# Reading


def test_a_signal_of_too_many_series_is_refused_by_the_label_that_explodes():
    """As plain as mapped: a poll has a second."""
    series = [
        raw("a", {**WEST, "code": "200", "client_ip": str(n)}, (1.0, 5.0))
        for n in range(SERIES_MAX + 1)
    ]
    for mapping in ("a", how(select="a", drop="rest")):
        reading = read(TheirMetrics(series), "requests", mapping, 5.0)
        assert reading.series == []
        assert reading.refused.startswith("10,001 series; at most 10,000 are read: ")
        assert "the label client_ip has 10,001 values" in reading.refused
    assert len(read(TheirMetrics(series[1:]), "requests", "a", 5.0).series) == SERIES_MAX


def test_what_is_refused_is_an_error_for_those_who_need_it():
    """It says which signal, and why."""
    metrics = TheirMetrics([raw("a", WEST, (1.0, 5.0))])
    with pytest.raises(MetricsError, match=r"^signals\.requests: labels\.code: a has no label x"):
        believed(metrics, "requests", how(select="a", labels={"code": "x"}), 5.0)
    assert believed(metrics, "requests", "a", 5.0)[0].v == (5.0,)
