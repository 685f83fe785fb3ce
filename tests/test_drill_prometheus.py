"""A Prometheus that answers wrongly, with nothing, with NaN, or never: data lost, never a pass."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from floor_fixtures import await_true, stand_in

from muster.drill.sight.facts import Facts
from muster.drill.sight.watch import Watch
from muster.drill.stop import StopFlag
from muster.errors import BadInput
from muster.platform.metrics import Poller
from muster.platform.metrics.prometheus import Prometheus, PrometheusError

SIGNALS = {"jobs": "jobs_total", "streams": "streams_open"}


class Sink:
    """Keeps nothing."""

    def add(self, fresh):
        pass


def samples(value):
    """A stand-in's answer: one series of a sample scraped just now."""
    result = [{"metric": {"__name__": "m", "region": "a"}, "values": [[time.time(), value]]}]
    return 200, {"status": "success", "data": {"resultType": "matrix", "result": result}}


@contextmanager
def silent() -> Iterator[str]:
    """Accepts every connection and never answers; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def accept():
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                for one in held:
                    one.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def watch_of(url, *, missing_s_max=1.0, timeout_s=0.3):
    """A watch that needs both signals, and its stop flag."""
    stop, facts = StopFlag(), Facts(5)
    poller = Poller(Prometheus(url, timeout_s), SIGNALS, reach_s=5)
    watch = Watch(
        poller, dict, facts, Sink(), stop,
        poll_s=0.05, missing_s_max=missing_s_max, required=tuple(SIGNALS),
    )  # fmt: skip
    return watch, facts, stop


def lost(url):
    """Why a drill under load stops, with that Prometheus."""
    watch, _, stop = watch_of(url)
    watch.start()
    watch.require_load()
    try:
        await_true(lambda: stop.is_set, "a stop")
    finally:
        watch.close(last_look=False)
    assert (stop.reason.by, stop.reason.verdict) == ("data_lost", "ABORTED")
    return stop.reason.detail


EMPTY = {"status": "success", "data": {"resultType": "matrix", "result": []}}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda call: (500, "out of memory"), "Prometheus has not answered for"),
        (lambda call: (503, ""), "Prometheus has not answered for"),
        (lambda call: (200, "<html>login</html>"), "Prometheus has not answered for"),
        (lambda call: (200, {"status": "error", "error": "x"}), "Prometheus has not answered for"),
        (lambda call: (200, EMPTY), "no sample of jobs for"),
        (lambda call: samples("NaN"), "no sample of jobs for"),
        (lambda call: samples("+Inf"), "no sample of jobs for"),
    ],
)
def test_an_answer_without_data_is_data_lost(answer, says):
    """An error, a page of a proxy, an empty result, NaN: each stops the drill as unknown."""
    with stand_in(answer) as shown:
        assert lost(shown.url).startswith(says)


def test_one_that_accepts_and_never_answers_is_data_lost():
    """Every call has its time-out, so that the watch itself never hangs."""
    with silent() as url:
        assert lost(url).startswith("Prometheus has not answered for")
        with pytest.raises(PrometheusError, match="timed out"):
            Prometheus(url, 0.2).ready()


def test_one_signal_that_cannot_be_asked_blinds_the_whole_look():
    """A half answered look is not taken for a whole one."""

    def answer(call):
        return (400, "bad query") if b"streams_open" in call.body else samples("1")

    with stand_in(answer) as shown:
        assert lost(shown.url).startswith("Prometheus has not answered for")


def test_values_that_come_back_in_time_stop_nothing():
    """NaN for a moment, then values: the limit had not passed."""
    began = time.monotonic()

    def answer(call):
        return samples("NaN" if time.monotonic() - began < 0.4 else "1")

    with stand_in(answer) as shown:
        watch, facts, stop = watch_of(shown.url, missing_s_max=20)
        watch.start()
        watch.require_load()
        try:
            await_true(lambda: facts.known_s("jobs") is not None, "a value")
            assert not stop.is_set
        finally:
            watch.close(last_look=False)


def test_a_drill_does_not_begin_with_one_that_does_not_answer(monkeypatch):
    """One line that names the target's key; nothing was started."""
    from types import SimpleNamespace

    from muster.drill.start import _answers

    plan = SimpleNamespace(target_file="t.yaml")
    with stand_in(lambda call: (500, "")) as shown, silent() as url:
        for address in (shown.url, url):
            with pytest.raises(BadInput, match=r"^t\.yaml: prometheus\.url: got .*a Prometheus"):
                _answers(Prometheus(address, 0.2), plan)
