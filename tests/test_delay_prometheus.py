"""A real Prometheus behind a stand-in that hides what is new, as one that ingests late does."""

from __future__ import annotations

import pytest
from doctored import REGION, document, patient
from floor_fixtures import await_true, prometheus_server, stand_in
from late_prometheus import late

from muster.drill.doctor import clocks
from muster.drill.phases import preflight
from muster.drill.sight import late as lateness
from muster.drill.sight.facts import Facts
from muster.drill.sight.watch import Watch
from muster.drill.stop import StopFlag
from muster.platform.metrics import Poller
from muster.platform.metrics.prometheus import Prometheus

DELAY_S = 8.0
"""Over what a scrape explains at one scrape a second (4 s), with room for a busy machine."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A late stand-in before a real Prometheus that has scraped for longer than it is late."""
    lines = "".join(
        f'{name}{{region="{REGION}"}} 7\n' for name in ("streams_limit", "streams_open")
    )
    with stand_in(lambda call: (200, lines)) as shown:
        with prometheus_server(tmp_path_factory.mktemp("prometheus"), shown.port) as server:
            with late(server.url, DELAY_S) as stand:
                client = Prometheus(stand.url, 5)
                await_true(lambda: client.raw("x", "streams_limit", 60), "a first late sample")
                client.close()
                yield stand


def examined(folder, url, delay_s):
    prometheus = {"url": url, "timeout_s": 10, "scrape_interval_s": 1, "delay_s": delay_s}
    return patient(
        folder, document(prometheus=prometheus, signals={"streams_limit": "streams_limit"})
    )


def test_an_undeclared_delay_is_refused_with_its_figure(served, tmp_path, monkeypatch):
    """The line names a figure that the same check then takes."""
    monkeypatch.setattr(preflight, "FRESH_S_MAX", 0.0)
    one = examined(tmp_path, served.url, 0)
    refused = preflight.prometheus_fresh(one)
    one.metrics.close()
    figure = int(refused.partition("set prometheus.delay_s: ")[2].partition(",")[0])
    assert figure >= DELAY_S
    one = examined(tmp_path, served.url, figure)
    assert preflight.prometheus_fresh(one) == ""
    one.metrics.close()


def test_the_doctor_shows_the_delay_and_no_skew(served, tmp_path):
    """The server's own clock is right; only its samples are late."""
    one = examined(tmp_path, served.url, DELAY_S)
    seen = clocks.look(one)
    one.metrics.close()
    assert seen.refused == ()
    assert "s old (prometheus.delay_s 8, 12 s allowed)" in seen.rows[0]["newest sample"]


def watch_of(url, delay_s):
    """A watch that needs the signal; it loses data after a second."""
    stop, facts = StopFlag(), Facts(5)
    poller = Poller(Prometheus(url, 5), {"streams": "streams_open"}, 5 + delay_s, 2.4 + delay_s)

    class Sink:
        def add(self, fresh):
            pass

    watch = Watch(
        poller, dict, facts, Sink(), stop,
        poll_s=0.1, missing_s_max=1.0, required=("streams",), delay_s=delay_s,
    )  # fmt: skip
    return watch, facts, stop


def test_a_watch_that_is_told_nothing_loses_the_data(served):
    """Undeclared: no sample comes in time, and the drill is aborted."""
    watch, _, stop = watch_of(served.url, 0.0)
    watch.start()
    watch.require_load()
    await_true(lambda: stop.is_set, "a stop")
    watch.close(last_look=False)
    assert (stop.reason.by, stop.reason.verdict) == ("data_lost", "ABORTED")


def test_a_watch_that_is_told_sees_every_sample(served):
    """Declared: samples come, late, each once, and nothing is lost meanwhile."""
    watch, facts, stop = watch_of(served.url, DELAY_S + lateness.AHEAD_S_MAX)
    watch.start()
    watch.require_load()
    await_true(lambda: len(facts.series("streams")) == 1, "a late sample")
    began_s = facts.newest_s("streams")
    await_true(lambda: facts.newest_s("streams") > began_s + 2, "two seconds of late samples")
    watch.close(last_look=False)
    (series,) = facts.series("streams")
    assert len(set(series.t.tolist())) == len(series.t)
    assert not stop.is_set
