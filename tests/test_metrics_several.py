"""Several servers as one, and one replica of a pair: nothing twice, nothing silently away."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from floor_fixtures import free_port, stand_in

from muster import targets
from muster.errors import BadInput
from muster.platform.metrics import MetricsError, RawSeries, metrics_of
from muster.platform.metrics.replicas import Replicas
from muster.targets.parse import load_bytes

SECRET = "t0ken-of-a-tenant"


def series(name, labels, *samples):
    metric = {"__name__": name, **labels}
    return {"metric": metric, "values": [[t, str(v)] for t, v in samples]}


def shows(*result):
    """A stand-in that shows these series, by the metric's name."""

    def answer(call):
        if call.path.endswith("/-/ready"):
            return 200, "ready"
        query = parse_qs(call.body.decode())["query"][0]
        if query.startswith("vector"):
            found = [{"metric": {}, "value": [1.0, "1"]}]
        elif "[" in query:
            found = [one for one in result if query.startswith(one["metric"]["__name__"])]
        else:
            found = [
                {"metric": one["metric"], "value": one["values"][-1]}
                for one in result
                if query.startswith(one["metric"]["__name__"])
            ]
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": found}}

    return answer


def target_of(**prometheus):
    """The example target with other access to its samples."""
    target = targets.load("staging.example")
    access = type(target.prometheus).model_validate({"timeout_s": 0.5, **prometheus})
    return target.model_copy(update={"prometheus": access})


REQUESTS = series("requests_total", {"instance": "a", "code": "200"}, (1, 1), (2, 2))
LOAD = series("muster_load_attempts_total", {"region": "eu"}, (1, 5))


def test_each_server_names_its_region_and_the_loads_series_stay_as_they_are():
    """External labels are not shown by the server that has them."""
    with stand_in(shows(REQUESTS, LOAD)) as west, stand_in(shows(REQUESTS)) as east:
        metrics = metrics_of(
            target_of(
                servers={
                    "west": {"url": west.url, "labels": {"region": "eu-west-1"}},
                    "east": {"url": east.url, "labels": {"region": "eu-central-1"}},
                }
            )
        )
        metrics.ready()
        found = metrics.raw("requests", "requests_total", 60)
        assert sorted(one.labels["region"] for one in found) == ["eu-central-1", "eu-west-1"]
        (load,) = metrics.raw("client_attempts", "muster_load_attempts_total", 60)
        assert load.labels == {"region": "eu"}
        instant = metrics.instant("requests_total")
        assert sorted(labels["region"] for labels, _ in instant) == ["eu-central-1", "eu-west-1"]
        assert metrics.url == f"{west.url}, {east.url}"
        metrics.close()


def test_a_label_that_a_series_has_is_not_put_over():
    """A server may show another region's series too, and they stay that region's."""
    other = series("requests_total", {"instance": "a", "region": "eu-north-1"}, (1, 1))
    with stand_in(shows(other)) as west:
        servers = {"west": {"url": west.url, "labels": {"region": "eu-west-1"}}}
        (one,) = metrics_of(target_of(servers=servers)).raw("requests", "requests_total", 60)
    assert one.labels["region"] == "eu-north-1"


def test_a_series_that_two_servers_show_is_refused():
    """Nobody can say whether it is one process or two."""
    with stand_in(shows(REQUESTS)) as west, stand_in(shows(REQUESTS)) as east:
        servers = {"west": {"url": west.url}, "east": {"url": east.url}}
        metrics = metrics_of(target_of(servers=servers))
        with pytest.raises(MetricsError, match="servers west and east both return requests_total"):
            metrics.raw("requests", "requests_total", 60)


@pytest.mark.parametrize("ask", ["ready", "raw", "instant"])
def test_a_server_that_does_not_answer_is_no_answer(ask):
    """The rest is a part, and a part is unknown."""
    with stand_in(shows(REQUESTS)) as west:
        servers = {"west": {"url": west.url}, "east": {"url": f"http://127.0.0.1:{free_port()}"}}
        metrics = metrics_of(target_of(servers=servers))
        asked = {
            "ready": metrics.ready,
            "raw": lambda: metrics.raw("requests", "requests_total", 60),
            "instant": lambda: metrics.instant("requests_total"),
        }
        with pytest.raises(MetricsError):
            asked[ask]()


def raw(replica, *samples, instance="a", signal="requests"):
    t_s, v = tuple(float(t) for t, _ in samples), tuple(float(x) for _, x in samples)
    return RawSeries(signal, "r", {"instance": instance, "prometheus_replica": replica}, t_s, v)


def test_one_replica_is_read_for_as_long_as_it_shows_the_series():
    """Another one may show more later: changing would jump between two clocks."""
    replicas = Replicas(("prometheus_replica",))
    a, b = raw("a", (1, 1), (2, 2)), raw("b", (1.5, 1))
    (one,) = replicas.one_of_each([a, b])
    assert (one.labels, one.t_s) == ({"instance": "a"}, (1.0, 2.0))
    (one,) = replicas.one_of_each([raw("a", (3, 3)), raw("b", (2.5, 2), (3.5, 3))])
    assert one.t_s == (3.0,)


def test_another_replica_is_read_when_the_first_shows_nothing():
    """Without samples, or without the series; and it stays then."""
    replicas = Replicas(("prometheus_replica",))
    replicas.one_of_each([raw("a", (1, 1), (2, 2)), raw("b", (1.5, 1))])
    for answer in ([raw("b", (4.5, 4))], [raw("a"), raw("b", (5.5, 5))]):
        (one,) = replicas.one_of_each(answer)
        assert one.v[-1] in (4.0, 5.0)
    (one,) = replicas.one_of_each([raw("a", (6, 6), (7, 7)), raw("b", (6.5, 6))])
    assert one.t_s == (6.5,)


def test_series_that_differ_otherwise_are_all_kept():
    """Also those without the label: they are a replica of their own only beside another."""
    replicas = Replicas(("prometheus_replica",))
    found = replicas.one_of_each([raw("a", (1, 1)), raw("a", (1, 1), instance="b")])
    assert sorted(one.labels["instance"] for one in found) == ["a", "b"]
    bare = RawSeries("requests", "r", {"instance": "c"}, (1.0,), (1.0,))
    assert replicas.one_of_each([bare])[0].labels == {"instance": "c"}


def test_a_pair_is_read_once_by_the_target(monkeypatch):
    """Without the setting both are there, and preflight names the label."""
    pair = [
        series("requests_total", {"instance": "a", "replica": one}, (1, 1), (2, 2))
        for one in ("0", "1")
    ]
    with stand_in(shows(*pair)) as shown:
        both = metrics_of(target_of(url=shown.url)).raw("requests", "requests_total", 60)
        dropped = target_of(url=shown.url, drop_labels=["replica"])
        (one,) = metrics_of(dropped).raw("requests", "requests_total", 60)
        assert metrics_of(dropped).instant("requests_total") == [
            ({"__name__": "requests_total", "instance": "a"}, 2.0)
        ]
    assert len(both) == 2
    assert one.labels == {"instance": "a"}


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (f"  auth: {{kind: bearer, token: {SECRET}}}\n", "prometheus.auth.token"),
        (f"  auth: {{kind: basic, user: a, password: {SECRET}}}\n", "prometheus.auth.password"),
        (f"  headers: {{X-Api-Key: {SECRET}}}\n", "prometheus.headers.X-Api-Key"),
        (f"  headers: {{X-Auth: {SECRET}}}\n", "prometheus.headers.X-Auth"),
    ],
)
def test_no_secret_stands_in_a_target_file(lines, key):
    """One line with the key, without the secret."""
    path = targets.path_of("staging.example")
    text = path.read_text().replace("prometheus:\n", f"prometheus:\n{lines}", 1)
    with pytest.raises(BadInput, match=r"\$\{env.NAME\}") as raised:
        load_bytes(text.encode(), path)
    assert raised.value.key == key
    assert SECRET not in str(raised.value)
    safe = text.replace(SECRET, '"${env.X}"').replace("X-Auth", "X-Scope-OrgID")
    assert load_bytes(safe.encode(), path)


def test_the_journal_gets_its_series_also_from_a_server_that_wants_credentials(monkeypatch):
    """In the shape of an instant answer; chaostoolkit-prometheus knows a URL alone."""
    from types import SimpleNamespace

    import probes.series as probe
    from muster.clock import SYSTEM_CLOCK

    with stand_in(shows(REQUESTS)) as shown:
        target = target_of(url=shown.url, headers={"X-Scope-OrgID": "chat"})
        session = SimpleNamespace(target=target, metrics=metrics_of(target), clock=SYSTEM_CLOCK)
        found = probe._by_muster(session, "requests", "requests_total")
    assert not target.prometheus.plain
    assert target_of(url="http://a").prometheus.plain
    (one,) = found["data"]["result"]
    assert one["metric"] == {"__name__": "requests_total", "instance": "a", "code": "200"}
    assert one["value"][1] == "2.0"
    (call,) = shown.calls
    assert {name.lower(): value for name, value in call.headers.items()}["x-scope-orgid"] == "chat"
