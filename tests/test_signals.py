"""Signals from a real Prometheus: raw samples, each once, and an error instead of a guess."""

from __future__ import annotations

import math
import re
import time

import pytest
from floor_fixtures import await_true, free_port, prometheus_server, stand_in, stopped

from muster.platform.metrics import Poller, key_of, late_seconds
from muster.platform.metrics.prometheus import Prometheus, PrometheusError, partial


class Metrics:
    """What the scraped stand-in shows."""

    def __init__(self):
        self.lines = {}

    def answer(self, call):
        text = "".join(f"{name} {value}\n" for name, value in self.lines.items())
        return 200, text


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A real Prometheus, the values that it scrapes, and its process."""
    metrics = Metrics()
    metrics.lines = {'jobs_total{region="a"}': 1, 'jobs_total{region="b"}': 5, "gone": "NaN"}
    with stand_in(metrics.answer) as shown:
        with prometheus_server(tmp_path_factory.mktemp("prometheus"), shown.port) as server:
            yield metrics, server


@pytest.fixture
def client(rig):
    client = Prometheus(rig[1].url, timeout_s=2)
    await_true(lambda: len(client.raw("jobs", "jobs_total", 5)) == 2, "a first scrape")
    yield client
    client.close()


def test_a_selector_answers_what_was_scraped(client):
    """Labels without the name, the scrape's own times, and the values as they were."""
    client.ready()
    for series in client.raw("jobs", "jobs_total", 60):
        assert (series.signal, series.name) == ("jobs", "jobs_total")
        assert series.labels["region"] in "ab"
        assert "__name__" not in series.labels
        assert set(series.v) == {1.0 if series.labels["region"] == "a" else 5.0}
        assert len(series.t_s) == len(series.v)
        assert list(series.t_s) == sorted(set(series.t_s))
        assert abs(series.t_s[-1] - time.time()) < 30


def test_what_is_no_number_is_unknown(client):
    """NaN is None, never 0."""
    (series,) = client.raw("gone", "gone", 60)
    assert set(series.v) == {None}
    ((labels, value),) = client.instant("gone")
    assert value is None
    assert labels["__name__"] == "gone"
    ((_, infinite),) = client.instant("vector(1/0)")
    assert infinite is None


def test_no_series_is_no_data(client):
    """A name that nobody shows is an empty list, which means unknown."""
    assert client.raw("x", "no_such_thing", 60) == []
    assert client.instant("no_such_thing") == []


@pytest.mark.parametrize("query", ["up{", "sum(", "1 +"])
def test_a_bad_query_is_an_error_that_says_why(client, query):
    """Prometheus' own words and the query are in the line."""
    with pytest.raises(PrometheusError, match=r"HTTP 400 to .*parse error"):
        client.instant(query)
    with pytest.raises(PrometheusError, match="HTTP 400"):
        client.raw("x", query, 60)


@pytest.mark.parametrize("query", ["1", '"text"', "scalar(vector(1))"])
def test_an_answer_without_series_is_an_error(client, query):
    """A scalar is no list of series, and not an empty one either."""
    with pytest.raises(PrometheusError, match="has no series"):
        client.instant(query)


def test_nobody_there_is_an_error():
    """A refused connection is told with the address."""
    gone = Prometheus(f"http://127.0.0.1:{free_port()}", timeout_s=1)
    for ask in (gone.ready, lambda: gone.instant("up"), lambda: gone.raw("x", "up", 1)):
        with pytest.raises(PrometheusError, match=r"http://127\.0\.0\.1"):
            ask()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, "down"),
        (503, {"status": "error"}),
        (200, "<html>"),
        (200, []),
        (200, {"status": "error", "error": "too many"}),
        (200, {"status": "success"}),
        (200, {"status": "success", "data": {"result": [{"metric": {}}]}}),
    ],
)
def test_any_other_answer_is_an_error(status, body):
    """A stand-in that is no Prometheus is never read as one without data."""
    with stand_in(lambda call: (status, body)) as shown:
        client = Prometheus(shown.url, timeout_s=2)
        with pytest.raises(PrometheusError):
            client.raw("x", "up", 5)
        with pytest.raises(PrometheusError):
            client.instant("up")
        if status != 200:
            with pytest.raises(PrometheusError, match=f"HTTP {status}"):
                client.ready()


def test_a_server_that_hangs_is_an_error_in_time(rig):
    """A stopped process does not hold the drill up longer than the time-out."""
    client = Prometheus(rig[1].url, timeout_s=0.3)
    with stopped(rig[1].child):
        start = time.monotonic()
        with pytest.raises(PrometheusError, match="timed out"):
            client.instant("up")
        assert time.monotonic() - start < 10


def test_each_sample_is_handed_out_once_and_none_is_missed(rig, client):
    """Polls that overlap give together what was scraped, in order, without doubles."""
    poller = Poller(client, {"jobs": "jobs_total"}, reach_s=30, late_s=2)
    handed = {}
    await_true(lambda: client.raw("jobs", "jobs_total", 5), "scrapes")
    since = time.time()
    while not all(len([t for t in times if t > since]) >= 5 for times in handed.values() or [[]]):
        for fresh in poller.poll():
            handed.setdefault(key_of(fresh), []).extend(fresh.t_s)
    scraped = {key_of(one): one.t_s for one in client.raw("jobs", "jobs_total", 60)}
    for key, times in handed.items():
        assert times == sorted(set(times))
        begin, last = times[0], times[-1]
        assert [t for t in scraped[key] if begin <= t <= last] == times
    assert len(handed) == 2


def test_a_poll_that_fails_takes_nothing(client):
    """What one signal's query missed is still to be had from all signals at the next poll."""
    poller = Poller(client, {"jobs": "jobs_total", "bad": "up{"}, reach_s=30)
    with pytest.raises(PrometheusError):
        poller.poll()
    poller.signals = {"jobs": "jobs_total"}
    assert {fresh.labels["region"] for fresh in poller.poll()} == {"a", "b"}


def test_a_range_is_asked_in_milliseconds_and_never_for_nothing():
    """The window reaches Prometheus as it was meant, down to one millisecond."""
    with stand_in(lambda call: (200, {"status": "success", "data": {"result": []}})) as shown:
        client = Prometheus(shown.url + "/", timeout_s=2)
        for window in (1.5, 0.0, 0.2):
            client.raw("x", "up", window)
        asked = [call.body.decode() for call in shown.calls]
    assert asked == ["query=up%5B1500ms%5D", "query=up%5B1ms%5D", "query=up%5B200ms%5D"]
    assert math.isfinite(client._client.timeout.read)


def test_a_poll_reaches_back_to_the_last_that_was_answered():
    """First all the way; then what has passed and what may be late; a failure answers nothing."""
    answers = iter([200, 200, 500, 200])
    ok = {"status": "success", "data": {"result": []}}
    with stand_in(lambda call: (next(answers), ok)) as shown:
        poller = Poller(Prometheus(shown.url, timeout_s=2), {"x": "up"}, reach_s=900, late_s=100)
        poller.poll()
        poller.poll()
        with pytest.raises(PrometheusError):
            poller.poll()
        poller._answered_s -= 500  # as if the answered poll were long past
        poller.poll()
        asked_ms = [int(re.search(rb"%5B(\d+)ms", call.body)[1]) for call in shown.calls]
    first, second, failed, after = asked_ms
    assert first == 900_000
    assert 100_000 <= second < 500_000
    assert failed >= 100_000
    assert 600_000 <= after < 900_000


def test_a_scrape_may_be_late_by_several_scrapes_and_some_seconds():
    """Fast scrapes on a slow machine are given time all the same."""
    assert late_seconds(1.0) == 4.0
    assert late_seconds(0.2) == 2.4


@pytest.mark.parametrize("key", ["warnings", "infos"])
def test_a_partial_answer_is_no_answer(key):
    """Also an empty one, for an incident and for samples; its words are in one line."""
    said = "receive series from\n Addr: store-2: connection refused"
    body = {"status": "success", "data": {"resultType": "vector", "result": []}}
    with stand_in(lambda call: (200, {**body, key: [said]})) as shown:
        client = Prometheus(shown.url, timeout_s=2)
        line = "partial answer to .*: receive series from Addr: store-2: connection refused"
        for ask in (lambda: client.instant("ALERTS"), lambda: client.raw("x", "up", 5)):
            with pytest.raises(PrometheusError, match=line):
                ask()
    with stand_in(lambda call: (200, {**body, key: []})) as shown:
        assert Prometheus(shown.url, timeout_s=2).instant("ALERTS") == []


@pytest.mark.parametrize("more", [{"isPartial": True}, {"partial_response": "store-2"}])
def test_a_part_is_no_answer_however_a_server_says_so(more):
    """VictoriaMetrics has a member of its own; one that says "whole" is an answer."""
    body = {"status": "success", "data": {"resultType": "vector", "result": []}}
    with stand_in(lambda call: (200, {**body, **more})) as shown:
        client = Prometheus(shown.url, timeout_s=2)
        for ask in (lambda: client.instant("ALERTS"), lambda: client.raw("x", "up", 5)):
            with pytest.raises(PrometheusError, match=f"partial answer .*: {next(iter(more))}: "):
                ask()
    with stand_in(lambda call: (200, {**body, "isPartial": False})) as shown:
        assert Prometheus(shown.url, timeout_s=2).instant("ALERTS") == []


def test_a_header_may_say_that_the_answer_is_a_part():
    """M3 says so beside its answer."""
    assert partial({}, {"M3-Results-Limited": "max_fetch_series"}) == (
        "M3-Results-Limited: max_fetch_series"
    )
    assert partial({}, {"Content-Type": "application/json"}) == ""


@pytest.mark.parametrize(
    "data",
    [
        {"resultType": "vector", "result": {}},
        {"resultType": "vector", "result": ""},
        {"resultType": "vector", "result": None},
        {"resultType": "streams", "result": []},
        {"resultType": "scalar", "result": []},
        {"resultType": "string", "result": []},
    ],
)
def test_what_is_no_list_of_series_is_no_empty_answer(data):
    """Of an incident it would say that there is none."""
    with stand_in(lambda call: (200, {"status": "success", "data": data})) as shown:
        client = Prometheus(shown.url, timeout_s=2)
        for ask in (lambda: client.instant("ALERTS"), lambda: client.raw("x", "up", 5)):
            with pytest.raises(PrometheusError):
                ask()
