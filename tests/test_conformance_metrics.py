"""The metrics adapter `prometheus` against the suite, and wrong adapters that fail in it."""

from __future__ import annotations

import re
import threading
from urllib.parse import parse_qs

import pytest
from conformance.metrics import CHECKS, NOW_S, SECRET, Trouble, World
from floor_fixtures import StandInServer, free_port, stand_in

from muster.platform.metrics import Metrics, MetricsError
from muster.platform.metrics.prometheus import Prometheus
from muster.platform.metrics.registry import METRICS
from muster.targets.model import PrometheusAccess

A = [(NOW_S - 10 + n, str(n)) for n in range(11)]
B = [(t, "NaN" if n == 3 else value) for n, (t, value) in enumerate(A)]


class Server(World):
    """A stand-in that speaks Prometheus' query API over two series."""

    selector = query = "requests_total"

    def __init__(self, kind: type[Prometheus]) -> None:
        self.kind = kind
        self.fails: Trouble | None = None
        self.shown: StandInServer | None = None
        self.released = threading.Event()
        self.nowhere = f"http://127.0.0.1:{free_port()}"

    def adapter(self) -> Metrics:
        assert self.shown is not None
        return self.kind(self.nowhere if self.fails == "down" else self.shown.url, timeout_s=0.5)

    def trouble(self, kind: Trouble | None) -> None:
        self.fails = kind

    @property
    def asked(self) -> int:
        assert self.shown is not None
        return len(self.shown.calls)

    def answer(self, call):
        """One call of the API."""
        if self.fails == "silent":
            self.released.wait(30)
        if self.fails == "refuses":
            return 422, {"status": "error", "error": f"token {SECRET[:3]}"}
        if self.fails == "nonsense":
            return 200, "<html>welcome</html>"
        if call.path.endswith("/-/ready"):
            return 200, "ready"
        query = parse_qs(call.body.decode())["query"][0]
        if query == "vector(1)":
            one = {"metric": {}, "value": [NOW_S, "1"]}
            return 200, {"status": "success", "data": {"result": [one]}}
        ranged = re.fullmatch(r"(.*)\[(\d+)ms\]", query)
        since_s = NOW_S - int(ranged.group(2)) / 1000 if ranged else 0.0
        result = []
        for region, values in (("a", A), ("b", B)):
            if not query.startswith("requests_total"):
                break
            labels = {"__name__": "requests_total", "region": region}
            kept = [[t, v] for t, v in values if t >= since_s]
            if self.fails == "values":
                kept = [[t, "many"] for t, _ in kept]
            shown = {"values": kept} if ranged else {"value": kept[-1]}
            result.append({"metric": labels, **shown})
        body = {"status": "success", "data": {"result": result}}
        return 200, {**body, "warnings": ["one store is away"]} if self.fails == "partial" else body


@pytest.fixture
def world():
    """Makes a world for a kind of adapter."""
    server = Server(Prometheus)
    with stand_in(server.answer) as shown:
        server.shown = shown
        yield server
        server.released.set()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite(world, check):
    """Every check of the port's suite."""
    check(world)


class Eager(Prometheus):
    """Asks as soon as it is made."""

    def __init__(self, url, timeout_s):
        super().__init__(url, timeout_s)
        self.ready()


class AlwaysReady(Prometheus):
    """Never asks whether the server is ready."""

    def ready(self):
        pass


class Zeroes(Prometheus):
    """Makes 0 of what is no number."""

    def raw(self, *asked):
        return [
            type(one)(one.signal, one.name, one.labels, one.t_s, tuple(v or 0.0 for v in one.v))
            for one in super().raw(*asked)
        ]


class Far(Prometheus):
    """Looks back further than asked."""

    def raw(self, signal, selector, window_s, at_s=None):
        return super().raw(signal, selector, 60, at_s)


class Invents(Prometheus):
    """Makes a series of no data."""

    def instant(self, query):
        return super().instant(query) or [({}, 0.0)]


class Scalar(Prometheus):
    """Leaves the labels of an instant query away."""

    def instant(self, query):
        return [({"region": "a"}, value) for _, value in super().instant(query)]


class Hides(Prometheus):
    """Makes no data of every error."""

    def raw(self, *asked):
        try:
            return super().raw(*asked)
        except MetricsError:
            return []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Eager, "asks_nothing_when_made"),
        (AlwaysReady, "says_that_it_is_ready"),
        (Zeroes, "answers_raw_samples"),
        (Far, "looks_back_no_further"),
        (Invents, "no_data_is_empty"),
        (Scalar, "answers_an_instant_query"),
        *((Hides, check.__name__) for check in CHECKS if check.__name__.startswith("raises")),
    ],
)
def test_a_wrong_adapter_fails(world, kind, name):
    """Each in the check that is there for it."""
    world.kind = kind
    (check,) = (check for check in CHECKS if check.__name__ == name)
    with pytest.raises((AssertionError, MetricsError, pytest.fail.Exception)):
        check(world)


def test_every_kind_of_a_target_has_an_adapter():
    """The registry and the target's model name the same kinds."""
    assert {PrometheusAccess.model_fields["kind"].default} == set(METRICS)
