"""The Toxiproxy client: every error raised, in time, and every change read back."""

from __future__ import annotations

import time

import httpx
import pytest
from floor_fixtures import await_true, free_port, stand_in, stopped, toxiproxy_server

from muster.faults import FaultError
from muster.faults.toxiproxy import NotThere, ProxyHandle, ServerApi

BEFORE = {"listen": "127.0.0.1:1", "upstream": "127.0.0.1:2", "enabled": True}


@pytest.fixture(scope="module")
def server():
    """One real Toxiproxy for the module."""
    with toxiproxy_server() as running:
        yield running


@pytest.fixture
def proxy(server, request):
    """A fresh proxy on it."""
    name = f"p{abs(hash(request.node.name))}"
    server.create(name, free_port())
    handle = ProxyHandle(server.url, name, timeout_s=2)
    yield handle
    httpx.delete(f"{server.url}/proxies/{name}", trust_env=False)


def add(proxy, name="slow"):
    proxy.add_toxic(name, "latency", "downstream", {"latency": 5, "jitter": 0})


def test_enabled_is_set_and_read_back(proxy):
    """Off and on again, as the server itself shows it."""
    for wanted in (False, False, True):
        proxy.set_enabled(wanted)
        assert proxy.state()["enabled"] is wanted


def test_a_toxic_is_added_and_removed(proxy):
    """Its attributes are on the server; removing says how, and again that it is absent."""
    add(proxy)
    assert proxy.toxics()["slow"]["attributes"] == {"latency": 5, "jitter": 0}
    assert proxy.remove_toxic("slow", proxy.state()) == "removed"
    assert proxy.toxics() == {}
    assert proxy.remove_toxic("slow", proxy.state()) == "absent"


def test_a_toxic_twice_or_of_no_kind_is_an_error(proxy):
    """What the server refuses is raised, not swallowed."""
    add(proxy)
    with pytest.raises(FaultError, match="already exists"):
        add(proxy)
    with pytest.raises(FaultError, match="Toxiproxy"):
        proxy.add_toxic("x", "no_such_kind", "downstream", {})


def test_an_unknown_proxy_is_not_there(server):
    """A name that the server does not know is told apart from a broken server."""
    stranger = ProxyHandle(server.url, "nobody", timeout_s=2)
    for ask in (stranger.state, stranger.toxics, lambda: stranger.set_enabled(False)):
        with pytest.raises(NotThere, match="/proxies/nobody"):
            ask()


def test_recreate_brings_the_proxy_back_clean(proxy):
    """Same address, same upstream, no toxics."""
    before = proxy.state()
    add(proxy)
    proxy.recreate(before)
    assert proxy.state() == before


def test_recreate_finishes_what_an_earlier_try_began(server, proxy):
    """A proxy deleted by a try that died before it made the new one still comes back."""
    before = proxy.state()
    proxy.api.delete(f"/proxies/{proxy.name}")
    assert proxy.remove_toxic("slow", before) == "recreated"
    assert proxy.state() == before


def test_a_hanging_server_is_an_error_in_time(server, proxy):
    """A stopped process gives an error within the time-out on each call, and recovers."""
    hung = ProxyHandle(server.url, proxy.name, timeout_s=0.2)
    before = proxy.state()
    with stopped(server.child):
        for ask in (
            hung.state,
            lambda: hung.set_enabled(False),
            lambda: add(hung),
            lambda: hung.remove_toxic("slow", before),
        ):
            start = time.monotonic()
            with pytest.raises(FaultError, match="ReadTimeout"):
                ask()
            assert time.monotonic() - start < 10
    # The server takes in what piled up meanwhile; then it answers again.
    await_true(lambda: proxy_answers(proxy), "an answer")


def proxy_answers(proxy):
    try:
        proxy.api.get("/version")
    except FaultError:
        return False
    return True


def test_nobody_there_is_an_error():
    """A refused connection is told with the address."""
    with pytest.raises(FaultError, match="ConnectionError"):
        ProxyHandle(f"http://127.0.0.1:{free_port()}", "p", timeout_s=1).state()


@pytest.mark.parametrize("status", [400, 409, 500, 503])
def test_an_answer_that_is_no_success_is_an_error(status):
    """A stand-in that refuses is never taken for one that did it."""
    with stand_in(lambda call: (status, "no")) as shown:
        api = ServerApi(shown.url, timeout_s=2)
        for ask in (lambda: api.get("/x"), lambda: api.post("/x"), lambda: api.delete("/x")):
            with pytest.raises(FaultError):
                ask()


def test_a_change_that_does_not_show_is_an_error():
    """A stand-in that says yes and changes nothing is found out by the read-back."""
    state = {"name": "p", "enabled": True, "toxics": [], **BEFORE}
    with stand_in(lambda call: (200, state)) as shown:
        proxy = ProxyHandle(shown.url, "p", timeout_s=2)
        with pytest.raises(FaultError, match="did not become enabled=False"):
            proxy.set_enabled(False)
        with pytest.raises(FaultError, match="toxic slow is not on p"):
            add(proxy)


class RefusesToxicDelete:
    """A stand-in Toxiproxy that will not remove a toxic, as one whose link is deadlocked."""

    def __init__(self, status, *, sticky=False):
        self.status = status
        self.sticky = sticky
        self.toxics = [{"name": "slow", "type": "latency"}]
        self.there = True

    def answer(self, call):
        if call.method == "DELETE" and "/toxics/" in call.path:
            return self.status, ""
        if call.method == "DELETE":
            self.there = False
        elif call.method == "POST" and call.path == "/proxies":
            self.there = True
            if not self.sticky:
                self.toxics = []
        elif not self.there:
            return 404, {"error": "proxy not found"}
        return 200, {"name": "p", "toxics": self.toxics, **BEFORE}


@pytest.mark.parametrize("status", [500, 204])
def test_a_toxic_that_will_not_go_is_removed_with_its_proxy(status):
    """Refused or silently kept: the proxy is deleted and made anew, once, as it was before."""
    with stand_in(RefusesToxicDelete(status).answer) as shown:
        proxy = ProxyHandle(shown.url, "p", timeout_s=2)
        assert proxy.remove_toxic("slow", BEFORE) == "recreated"
        assert proxy.remove_toxic("slow", BEFORE) == "absent"
    assert shown.paths("DELETE") == ["/proxies/p/toxics/slow", "/proxies/p"]
    (made,) = [call.json for call in shown.calls if call.method == "POST"]
    assert made == {"name": "p", **BEFORE}


def test_a_proxy_that_comes_back_dirty_is_an_error():
    """Escalation that did not help is never called a success."""
    with stand_in(RefusesToxicDelete(500, sticky=True).answer) as shown:
        with pytest.raises(FaultError, match="is not as before"):
            ProxyHandle(shown.url, "p", timeout_s=2).remove_toxic("slow", BEFORE)


def test_a_proxy_of_the_environment_is_not_used(server, proxy, monkeypatch):
    """Calls to a region's Toxiproxy go to it, whatever HTTP_PROXY says."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert proxy.state()["enabled"]


def test_two_servers_do_not_share_an_address():
    """Each handle speaks to its own server, and says who it is."""
    with stand_in(lambda call: (200, {"enabled": True})) as one:
        with stand_in(lambda call: (200, {"enabled": False})) as two:
            handles = [ProxyHandle(shown.url, "p", timeout_s=2) for shown in (one, two)]
            assert [handle.state()["enabled"] for handle in handles] == [True, False]
            assert {call.headers["User-Agent"] for call in one.calls} == {"muster"}
