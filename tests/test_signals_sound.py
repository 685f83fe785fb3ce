"""Whether what a platform shows can be true: named before the load starts, and after the ramp."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from test_signals_shown import REGIONS, labels_shown, session_of

from muster.contract import load
from muster.drill.phases import failover
from muster.drill.phases.preflight import CHECKS
from muster.drill.sight import late
from muster.drill.sight.sound import unsound
from muster.errors import DrillAborted
from muster.platform.metrics import RawSeries

A, B = REGIONS
EDGES = ("1", "2", "2.5", "3", "15", "18", "20", "60", "+Inf")


class Shows:
    """Stands in for Prometheus: whole series, of `scrapes` a second."""

    def __init__(self, series):
        self.series = series

    def raw(self, signal, selector, window_s):
        return [
            RawSeries(signal, name, labels, tuple(float(t) for t in range(len(v))), tuple(v))
            for own, name, labels, v in self.series
            if own == signal
        ]


def platform(codes=("200", "429"), label="code", names=(), instances=("a", "b")):
    """A healthy platform's series: (signal, metric, labels, values)."""
    series = []
    for region in REGIONS:
        for number, instance in enumerate(instances):
            here = {"region": region, "instance": f"{instance}-{region}"}
            for n, code in enumerate(codes):
                counts = [float((t + 7 * number) * 10 // (n + 1)) for t in range(30)]
                series.append(("requests", "requests_total", {**here, label: code}, counts))
            for signal in ("first_token", "completion"):
                name = dict(names).get(signal, f"{signal}_seconds")
                for le in EDGES:
                    labels = {**here, "le": le}
                    series.append((signal, f"{name}_bucket", labels, [0.0] * 30))
            for signal, every in labels_shown().items():
                if signal not in ("requests", "rig_lag"):
                    name = dict(names).get(signal, signal)
                    series += [(signal, name, {**here, **more}, [0.0] * 30) for more in every]
    return series


def session_with(series, now_s=29.0):
    session = session_of({})
    session.metrics = Shows(series)
    session.clock = SimpleNamespace(now_s=lambda: now_s)
    session.plan = SimpleNamespace(contract=load(), gate=load().gates["M3"])
    return session


def said(series):
    return unsound(session_with(series))


def test_a_healthy_platform_is_sound():
    """Two processes a region, with restarts, before its first answer and after."""
    assert said(platform()) == ""
    assert said(platform(codes=())) == ""
    again = [
        (*row[:3], [*row[3][:15], *[x - row[3][15] for x in row[3][15:]]]) for row in platform()
    ]
    assert said(again) == ""


@pytest.mark.parametrize("label", ["prometheus_replica", "__replica__", "job"])
def test_series_that_are_there_twice_are_refused_by_the_labels_name(label):
    """Of every signal; also where the second replica scrapes two seconds later."""
    twice = []
    for signal, name, labels, v in platform():
        late = [v[0], v[0], *v[:-2]]
        twice.append((signal, name, {**labels, label: "p0"}, v))
        twice.append((signal, name, {**labels, label: "p1"}, late))
    found = said(twice)
    assert "signals.requests: " in found
    assert f"has every series twice, by {label}: p0, p1. Select one of them" in found
    for signal in ("streams_limit", "streams_active"):
        assert f"signals.{signal}: " in said([row for row in twice if row[0] == signal])
    assert said([row for row in twice if row[2][label] == "p0"]) == ""


def test_one_process_scraped_under_two_names_is_refused():
    """Its counters are the same to the digit."""
    codes = ("200", "201", "400", "404", "429", "500", "502")
    one = [row for row in platform(codes, instances=("a",)) if row[0] == "requests"]
    both = [
        (*row[:2], {**row[2], "instance": f"{host}-{row[2]['region']}"}, row[3])
        for host in "xy"
        for row in one
    ]
    assert "twice, by instance: x-" in said(both)
    apart = [(*row[:3], [x + i for x in row[3]]) for i, row in enumerate(both)]
    assert said(apart) == ""


def test_counters_of_workers_in_turn_are_named():
    """The series, from what to what."""
    saw = [0.0, 900.0, 30.0, 870.0, 60.0, 930.0] * 5
    row = ("requests", "requests_total", {"region": A, "instance": "a", "code": "200"}, saw)
    found = said([*platform(codes=()), row])
    assert "is not a counter: requests_total{" in found
    assert 'instance="a"' in found
    assert "fell from" in found


@pytest.mark.parametrize(
    ("codes", "label", "says"),
    [
        (("4xx", "2xx"), "code", "has no three-digit code, but code 2xx, 4xx; "),
        (("200", "4xx"), "code", "has no three-digit code, but code 200, 4xx; "),
        (("503", "200"), "status", "has no three-digit code, but status 200, 503; "),
        (("0",), "code", "has no three-digit code, but code 0; "),
        (("UNAVAILABLE", "OK"), "code", "has no three-digit code, but code OK, UNAVAILABLE; "),
    ],
)
def test_codes_that_are_no_status_are_named_with_the_labels_that_are_there(codes, label, says):
    """Grouped ones, ones under another label, and names."""
    found = said(platform(codes, label))
    assert found.startswith("signals.requests: ")
    assert says in found


def test_a_code_beside_statuses_may_stand_there(caplog):
    """It is told, and unknown only once one is counted."""
    assert said(platform(("200", "0"))) == ""
    assert "requests with the code 0" in caplog.text


@pytest.mark.parametrize(
    ("signal", "name", "refused"),
    [
        ("first_token", "ttft_milliseconds", True),
        ("completion", "request_duration_ms", True),
        ("queue_age", "oldest_job_age_ms", True),
        ("queue_age", "oldest_job_minutes", True),
        ("queue_age", "oldest_job_age_seconds", False),
        ("queue_age", "teams_oldest_job_age", False),
        ("completion", "items_msg_seconds", False),
    ],
)
def test_a_unit_in_a_name_is_believed(signal, name, refused):
    """Seconds are needed; letters within a word are no unit."""
    found = said(platform(names={signal: name}.items()))
    assert (f"signals.{signal}: " in found and "seconds are needed" in found) is refused


def edges_check(edges):
    (check,) = [check for check in CHECKS if check.name == "histogram_edges"]
    rows = [
        (signal, "x_bucket", {"region": region, "le": le}, [0.0])
        for signal in ("first_token", "completion")
        for region in REGIONS
        for le in edges
    ]
    return check.look(session_with(rows))


def test_a_top_edge_above_an_hour_is_refused_with_a_guess_of_the_unit():
    """Envoy's are milliseconds."""
    assert edges_check(EDGES) == ""
    found = edges_check((*EDGES[:-1], "3.6e+06", "+Inf"))
    assert found.startswith("first_token: top finite edge 3600000 is over an hour in seconds")
    assert "these look like milliseconds" in found
    assert edges_check((*EDGES, "a minute")).endswith('le="a minute", which is not a number')


@pytest.mark.parametrize(
    ("now_s", "says"),
    [(29.0, ""), (27.0, ""), (26.0, "3 s ahead"), (32.0, ""), (43.0, "14.0 s old")],
)
def test_samples_of_another_clock_are_refused(now_s, says):
    """Ahead of this machine's, or older than a sample may be."""
    raw = RawSeries("streams_limit", "x", {}, (28.0, 29.0), (1.0, 1.0))
    session = session_with([], now_s)
    found = late.off(session, late.age_s(session, [raw]))
    assert (says in found) if says else found == ""


def test_the_age_is_that_of_the_region_whose_samples_are_farthest_behind():
    """A region that comes late is not hidden by one that does not."""
    session = session_with([], 40.0)
    regions = sorted(session.target.regions)
    both = [
        RawSeries("streams_limit", "x", {"region": region}, (newest_s,), (1.0,))
        for region, newest_s in zip(regions, (39.0, 21.0), strict=True)
    ]
    assert late.age_s(session, both) == 19.0
    assert "19.0 s old" in late.off(session, 19.0)
    # A process that has ended beside one that runs makes no region late.
    ended = RawSeries("streams_limit", "x", {"region": regions[1], "instance": "e"}, (9.0,), (1.0,))
    alive = RawSeries("streams_limit", "x", {"region": regions[1]}, (39.0,), (1.0,))
    assert late.age_s(session, [both[0], alive, ended]) == 1.0
    assert late.age_s(session, []) is None


def test_it_is_looked_at_before_the_load_and_again_under_load():
    """A check of preflight, and the end of the ramp: inconclusive, by name."""
    (check,) = [check for check in CHECKS if check.name == "signals_sound"]
    saw = [0.0, 900.0, 30.0, 870.0] * 5
    row = ("requests", "requests_total", {"region": A, "instance": "a", "code": "200"}, saw)
    assert check.look(session_with(platform())) == ""
    assert "fell from" in check.look(session_with([row]))
    failover.check_sound(session_with(platform()))
    session = session_with([row])
    session.stop_now = session_of({}).stop_now
    with pytest.raises(DrillAborted, match="fell from"):
        failover.check_sound(session)
