"""Mapped signals as preflight, watch, guard's data and judge see them."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from bundle_maker import make_bundle
from promotion_platform import T0, Platform
from test_agreement import EAST, WEST, simulated, wrong
from test_consistency import pair, series, told
from test_drill_watch import Kept
from test_promotion_watch import Scene
from test_signals_shown import REGIONS, platform, session_of
from their_series import TheirMetrics, exposition, raw

from muster.drill.sight.edges import edges_wrong, setting_of
from muster.drill.sight.facts import Facts
from muster.drill.sight.shown import not_shown
from muster.drill.sight.sound import other_unit, unsound
from muster.drill.sight.watch import Watch
from muster.drill.stop import StopFlag
from muster.judge.verdict import judge
from muster.platform.metrics import MetricsError, Poller, RawSeries
from muster.platform.metrics.prometheus import Prometheus
from muster.samples.series import REFUSED, Samples
from muster.targets.signals import MappedSignal


def how(**said):
    return MappedSignal.model_validate(said)


# Poll and watch


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.t_s = 1000.0

    def now_s(self):
        return self.t_s

    def monotonic_s(self):
        return self.t_s


def test_a_poll_hands_out_mapped_samples_once_and_says_what_it_refused():
    """A refused signal is one sample that says which and why; the others go on."""
    clock = Clock()
    metrics = TheirMetrics(
        [
            raw("rq", {"region": "west", "instance": "w", "c": "200"}, (998.0, 1.0), (999.0, 2.0)),
            raw("state", {"region": "west", "instance": "w"}, (999.0, 7.0)),
        ]
    )
    signals = {
        "requests": how(select="rq", labels={"code": "c"}),
        "circuit_open": how(select="state", values={0: 0}),
    }
    poller = Poller(metrics, signals, reach_s=60.0, clock=clock)
    first = {one.signal: one for one in poller.poll()}
    assert first["requests"].labels == {"region": "west", "instance": "w", "code": "200"}
    assert first["requests"].v == (1.0, 2.0)
    assert first[REFUSED].t_s == (1000.0,)
    assert first[REFUSED].labels["signal"] == "circuit_open"
    assert "shows 7, and values names only 0" in first[REFUSED].labels["why"]
    assert poller.refused.keys() == {"circuit_open"}
    assert [one.signal for one in poller.poll()] == [REFUSED]


@pytest.mark.parametrize(("signal", "stops"), [("circuit_open", True), ("x_own", False)])
def test_a_signal_that_stays_refused_is_data_lost(signal, stops, caplog):
    """For longer than data may be away, once the load runs; a target's own signal stops nothing."""
    clock, stop = Clock(), StopFlag()
    metrics = TheirMetrics([raw("state", {"region": "west"}, (999.0, 7.0))])
    poller = Poller(metrics, {signal: how(select="state", values={0: 0})}, 60.0, clock=clock)
    watch = Watch(
        poller, dict, Facts(5), Kept(), stop,
        poll_s=1.0, missing_s_max=15.0, required=(), clock=clock,
    )  # fmt: skip
    with caplog.at_level(logging.WARNING, "chaostoolkit"):
        watch.look()
    assert f"watch: signals.{signal}: state" in caplog.text
    clock.t_s += 16
    watch.look()
    assert not stop.is_set, "before the load runs, preflight says it"
    watch.require_load()
    clock.t_s += 1
    watch.look()
    assert stop.is_set is stops
    if stops:
        assert (stop.reason.by, stop.reason.verdict) == ("data_lost", "ABORTED")
        assert stop.reason.detail.startswith("signals.circuit_open: state{region=")


def test_a_refusal_that_passes_stops_nothing():
    """It is counted from its beginning, each time anew; the judge remembers it."""
    clock, stop = Clock(), StopFlag()
    metrics = TheirMetrics([])
    poller = Poller(metrics, {"circuit_open": how(select="s", values={0: 0})}, 60.0, clock=clock)
    watch = Watch(
        poller, dict, Facts(5), Kept(), stop,
        poll_s=1.0, missing_s_max=15.0, required=(), clock=clock,
    )  # fmt: skip
    watch.require_load()
    for value in (7.0, 0.0, 7.0):
        metrics.series = [raw("s", {"region": "west"}, (clock.t_s, value))]
        watch.look()
        clock.t_s += 10
    assert not stop.is_set


def test_a_promotion_is_not_held_while_a_refusal_lies_in_its_time():
    """Held by what could be seen alone would be a guess."""
    scene = Scene(Platform())
    seen = scene.poll

    def with_refusal():
        at = (scene.clock.t_s,)
        why = {"signal": "requests", "why": "rq has no label c"}
        return [*seen(), RawSeries(REFUSED, REFUSED, why, at, (1.0,))]

    scene.watch.poll = with_refusal
    scene.clock.t_s = T0 + 60
    answer = scene.watch.look()
    assert answer.state == "unknown"
    assert "signals.requests: rq has no label c" in answer.unknown


# Preflight


def test_preflight_names_every_signal_that_does_not_fit_in_one_run():
    """A refused mapping and a series that is not there, each by its signal."""
    shown = platform(queue_age=[])
    session = session_of(shown, requests=how(select="requests", labels={"code": "cod"}))
    lines = not_shown(session).splitlines()
    said = "requests has no label cod (did you mean code?)"
    assert lines[0] == f"signals.requests: labels.code: {said}"
    assert lines[1].startswith("signals.queue_age: ")
    assert lines[1].endswith(" returns no series at all")
    assert len(lines) == 2
    assert "signals.requests: labels.code" in unsound(session)


def test_a_term_that_is_nowhere_is_named_beside_what_lacks():
    """The limit is not there since what it is made of is not."""

    class Half(TheirMetrics):
        def raw(self, signal, selector, window_s, at_s=None):
            return [] if selector == "active" else session.shown.raw(signal, selector, window_s)

    limit = how(select="remaining", plus="active")
    session = session_of(platform(), streams_limit=limit)
    session.shown, session.metrics = session.metrics, Half([])
    line = next(one for one in not_shown(session).splitlines() if "streams_limit" in one)
    assert "remaining plus active returns no series at all: active shows nothing of " in line


def test_a_healthy_mapped_platform_is_shown_and_sound():
    """What fits is not told."""
    assert not_shown(session_of(platform(), requests=how(select="requests"))) == ""


@pytest.mark.parametrize(
    ("name", "unit", "said"),
    [
        ("rq_time_ms_bucket", "s", "whose name says ms: seconds are needed, or unit: ms is needed"),
        ("rq_time_ms_bucket", "ms", ""),
        ("rq_milliseconds_count", "ms", ""),
        ("rq_microseconds_count", "ms", "whose name says microseconds: unit: us is needed"),
        ("rq_seconds_bucket", "ms", "whose name says seconds: unit: s is needed"),
        ("rq_seconds_bucket", "s", ""),
        ("envoy_http_downstream_rq_time_bucket", "ms", ""),
        ("rq_minutes", "min", ""),
    ],
)
def test_a_unit_in_a_name_must_be_the_targets(name, unit, said):
    """A name that says its unit is believed against the target's."""
    assert other_unit({name}, unit) == (f"returns {name}, {said}" if said else "")


def edges_of(product, signal, mapping, caplog):
    """What is said of a product's edges: the lines and the warnings."""
    other = "completion" if signal == "first_token" else "first_token"
    session = session_of({}, **{signal: mapping})
    session.target.signals_said.pop(other)
    session.metrics = TheirMetrics(exposition(product, region=REGIONS[0], instance="i"))
    with caplog.at_level(logging.WARNING, "chaostoolkit"):
        return edges_wrong(session), caplog.text


@pytest.mark.parametrize(
    ("product", "signal", "mapping", "edges", "setting"),
    [
        (
            "litellm",
            "first_token",
            how(
                select='{__name__=~"litellm_llm_api_time_to_first_token_metric_(bucket|count)"}',
                drop="rest",
            ),
            "2.5, 3 s",
            "litellm_settings.prometheus_latency_buckets, in seconds",
        ),
        (
            "envoy",
            "completion",
            how(
                select='{__name__=~"envoy_http_downstream_rq_time_(bucket|count)", '
                'envoy_http_conn_manager_prefix="chat"}',
                unit="ms",
            ),
            "15, 18, 20 s",
            "stats_config.histogram_bucket_settings for this histogram, in its own unit",
        ),
    ],
)
def test_edges_that_lack_name_the_platforms_own_setting(
    product, signal, mapping, edges, setting, caplog
):
    """With their defaults, brackets decide; the line says what mends it."""
    lines, warned = edges_of(product, signal, mapping, caplog)
    assert lines == []
    assert f"{signal} has no edge at {edges}: brackets decide" in warned
    assert setting in warned


def test_a_product_without_a_setting_is_told_so_and_an_unknown_one_says_nothing():
    """vLLM's edges stand in its source."""
    names = frozenset({"vllm:e2e_request_latency_seconds_bucket"})
    assert setting_of(names) == ". vLLM has no setting for its edges: they stand in its source"
    assert "--bucket-time-to-first-token" in setting_of(
        frozenset({"sglang:time_to_first_token_seconds_bucket"})
    )
    assert setting_of(frozenset({"my_seconds_bucket"})) == ""


def test_milliseconds_without_a_unit_are_refused(caplog):
    """Its top edge would be an hour and more of seconds."""
    select = (
        '{__name__=~"envoy_http_downstream_rq_time_(bucket|count)", '
        'envoy_http_conn_manager_prefix="chat"}'
    )
    [line], _ = edges_of("envoy", "completion", select, caplog)
    assert "is over an hour in seconds: these look like milliseconds" in line


def test_a_native_histogram_is_refused_in_one_line(monkeypatch):
    """It has no bucket at a threshold; Prometheus can keep those that have."""
    answer = [{"metric": {"__name__": "rq_seconds"}, "histograms": [[1.0, {"count": "3"}]]}]
    client = Prometheus("http://127.0.0.1:1", 1)
    monkeypatch.setattr(client, "_query", lambda query, at_s=None: answer)
    with pytest.raises(MetricsError) as caught:
        client.raw("completion", "rq_seconds", 5)
    said = str(caught.value)
    assert said.startswith("signals.completion: rq_seconds is a native histogram, ")
    assert "always_scrape_classic_histograms: true" in said
    assert "\n" not in said


# Judge


def test_a_refusal_in_the_window_makes_its_signal_unknown():
    """With the reason; one of before or after, and of a target's own signal, does not."""
    why = {"signal": "admission_failures", "why": "rq has no label c"}

    def at(t_s, **more):
        return replace(series(REFUSED, points=[(t_s, 1.0)]), labels={**why, **more})

    said = ("server", "admission_failures could not be mapped: rq has no label c")
    assert told(*pair("server"), at(120.0)) == [said]
    assert told(*pair("server"), at(97.0)) == [said], "as long as a sample stands"
    assert told(*pair("server"), at(90.0)) == []
    assert told(*pair("server"), at(161.0)) == []
    assert told(*pair("server"), at(120.0, signal="x_own")) == []


def test_one_product_may_count_what_another_one_times():
    """No process shows both anywhere: then each region must show both, by whatever process."""

    def counted(region):
        return series("requests", f"envoy-{region}", region=region, code="200")

    def timed(region):
        return [
            series(signal, f"litellm-{region}", "x_count", region=region)
            for signal in ("first_token", "completion")
        ]

    both = [*timed("west"), *timed("east")]
    assert told(counted("west"), counted("east"), *both) == []
    said = ("server", "first_token has no series in east, although other signals show it at work")
    assert said in told(counted("west"), counted("east"), *timed("west"))
    said = ("server", "requests has no series in east, although other signals show it at work")
    assert said in told(counted("west"), *both)
    # Where one process anywhere shows both, each must.
    shared = pair("server", "a")
    assert told(counted("west"), *shared) == [
        ("server", f"{signal} lacks envoy-west of west, although other signals show it at work")
        for signal in ("completion", "first_token")
    ]


def timed_by_another(samples, east=1.0, west=1.0):
    """`samples` with histograms of other processes: of the answers of the load that ended."""
    found = dict(samples.by_signal)
    for signal in ("first_token", "completion"):
        found[signal] = tuple(
            replace(
                one,
                signal=signal,
                name=f"{signal}_count",
                labels={"region": one.region, "instance": f"l:{one.region}"},
                v=np.floor(one.v * {EAST: east, WEST: west}[one.region]),
            )
            for one in samples.of("client_attempts", outcome="success")
        )
    return Samples(found)


@pytest.mark.parametrize("counts_at", ["accepted", "head", "end"])
@pytest.mark.parametrize("scrape_s", [0.2, 1.0, 5.0])
def test_a_product_that_times_every_answer_agrees(counts_at, scrape_s):
    """Whenever the other one counts; in long windows and in short ones."""
    for seed in range(2):
        samples = timed_by_another(
            simulated(seed, counts_at=counts_at, scrape_s=scrape_s, late_s=1.0, fails=0.1)
        )
        for start_s, end_s in ((5.0, 38.0), (7.3, 13.3), (20.0, 26.0)):
            assert wrong(samples, start_s, end_s, scrape_s) == ""


def test_answers_that_nobody_timed_are_found():
    """Half of them everywhere, half of one region's, or more than there were."""
    samples = simulated(1)
    said = wrong(timed_by_another(samples, 0.5, 0.5))
    assert said.startswith("first_token counts ")
    assert said.endswith("processes that nobody scrapes, or answers that nobody timed")
    assert f" in {EAST}, the load" in wrong(timed_by_another(samples, 1.3, 0.7))
    assert "requests of others" in wrong(timed_by_another(samples, 1.5, 1.5))


def rewritten(bundle, change):
    """The bundle's samples with every head of a series changed."""
    path = bundle / "samples.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        if "series" in record:
            change(record)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_a_drill_of_two_products_can_pass_and_a_lie_in_it_cannot(tmp_path):
    """Its histograms are another process's; where they count half, nothing is known."""

    def other(record):
        if record["signal"] in ("first_token", "completion"):
            record["labels"]["instance"] += "-litellm"

    bundle = make_bundle(tmp_path / "two")
    rewritten(bundle, other)
    verdict = judge(bundle)
    assert verdict.verdict == "PASS", [f.reason for f in verdict.findings if f.status != "pass"]
    path = bundle / "samples.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    timed = {
        r["series"]
        for r in records
        if "series" in r and r["signal"] in ("first_token", "completion")
    }
    for record in records:
        if record.get("i") in timed:
            record["v"] = [v // 2 for v in record["v"]]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    verdict = judge(bundle)
    assert verdict.verdict == "INCONCLUSIVE"
    assert any("answers that nobody timed" in f.reason for f in verdict.findings)
