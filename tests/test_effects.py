"""Each single change of a platform asks first: who slept in mid-step makes no more of them.

The conformance suites hold it for every adapter (`asks_before_each_change`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSResponse
from chaoslib.exceptions import ActivityFailed
from cluster_stand_in import ClusterStandIn
from floor_fixtures import kubeconfig, stand_in
from held_clock import HeldClock
from test_standby import BEFORE, world

from muster import aws as aws_clients
from muster import effects
from muster.actions import wrap
from muster.drill.session import Session
from muster.drill.stop import StopFlag
from muster.effects import NotOurs, asking
from muster.errors import DrillAborted
from muster.faults import redis_pair
from muster.faults.redis_held import _end
from muster.faults.redis_pair import RedisPair
from muster.faults.redis_settings import RedisSettingsFault
from muster.faults.toxiproxy import ServerApi
from muster.platform.kubernetes.workloads import Workloads
from muster.platform.steering.route53 import Route53
from muster.targets.kubernetes import ClusterAccess

__all__ = ["world"]
UNTIL_S = HeldClock().monotonic_s() + 30
"""Long enough for many tries more."""


class Lease:
    """A lock that is held until the test says that it is not; how often it was asked."""

    def __init__(self) -> None:
        self.held = True
        self.asked = 0

    def check(self) -> None:
        self.asked += 1
        if not self.held:
            raise NotOurs("the lock was taken away")


@pytest.fixture
def lease():
    return Lease()


def test_outside_of_a_step_nobody_is_asked(lease):
    """The lock's own renewals, and whoever has no lock."""
    effects.ask()
    with asking(lease.check):
        effects.ask()
    effects.ask()
    assert lease.asked == 1


def test_a_step_in_a_step_asks_both(lease):
    """What the outer one refuses no inner one allows."""
    inner = Lease()
    with asking(lease.check), asking(inner.check):
        effects.ask()
        assert (lease.asked, inner.asked) == (1, 1)
        lease.held = False
        with pytest.raises(NotOurs):
            effects.ask()
    assert inner.asked == 1


def test_a_check_may_renew_the_lock_in_a_cluster():
    """That is a change too, and asks nobody: else it would ask for ever."""
    asked = []
    with asking(lambda: (asked.append(1), effects.ask())):
        effects.ask()
        effects.ask()
    assert asked == [1, 1]


def test_another_thread_asks_if_its_work_is_carried_there(lease):
    """Pods are deleted by several at once."""
    lease.held = False
    with asking(lease.check), ThreadPoolExecutor(1) as pool:
        pool.submit(effects.ask).result()
        with pytest.raises(NotOurs):
            pool.submit(effects.carried(effects.ask)).result()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(effects.carried(effects.ask)).result()


@pytest.fixture
def cluster(tmp_path, monkeypatch, lease):
    """Workloads on a stand-in; `slow`: changes are answered 503, and the lock is lost meanwhile."""
    api = ClusterStandIn("chat")
    api.deployment("gateway", 2)
    state = SimpleNamespace(slow=False, sent=[])

    def answer(call):
        if call.method != "GET":
            state.sent.append(f"{call.method} {call.path}")
            if state.slow:
                lease.held = False
                return 503, {"message": "later"}
        return api.answer(call)

    with stand_in(answer) as shown:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "kubeconfig", shown.url)))
        access = ClusterAccess(namespace="chat")
        state.workloads = Workloads(access, ["deployment/gateway"], HeldClock())
        yield state


def test_a_change_is_not_tried_again_under_a_lost_lock(cluster, lease):
    """The first try was answered 503; the second is not sent, however long there was to try."""
    cluster.slow = True
    with asking(lease.check), pytest.raises(NotOurs):
        cluster.workloads.set(lambda name, asked: 0, UNTIL_S)
    assert len(cluster.sent) == 1


def test_no_pod_is_deleted_under_a_lost_lock(cluster, lease):
    """By several threads at once, and no workload is scaled after them."""
    lease.held = False
    with asking(lease.check), pytest.raises(NotOurs):
        cluster.workloads.kill(UNTIL_S)
    assert cluster.sent == []


def test_the_sdk_tries_no_change_of_records_again(world, lease, monkeypatch):
    """Its own tries come within one call: the lock is lost as the first one is answered 503."""
    monkeypatch.setattr(aws_clients, "ATTEMPTS_MAX", 4)
    steering, sent = Route53(world.target.steering), []
    weights = {name: weight + 1 for name, weight in steering.weights().items()}

    def away(**_):
        sent.append(1)
        lease.held = False
        return AWSResponse(world.url, 503, {}, SimpleNamespace(stream=lambda: iter([b""])))

    events = steering._zone._client.meta.events
    events.register("before-send.route-53.ChangeResourceRecordSets", away)
    with asking(lease.check), pytest.raises(NotOurs):
        steering.set_weights(weights)
    assert len(sent) == 1
    assert Route53(world.target.steering).weights() == BEFORE


def test_toxiproxy_is_only_looked_at(lease):
    """A failed change escalates to stronger ones: none of them is sent either."""
    lease.held = False
    with stand_in(lambda call: (200, {})) as shown, asking(lease.check):
        api = ServerApi(shown.url, 5)
        api.get("/proxies")
        for change in (api.post, api.delete):
            with pytest.raises(NotOurs):
                change("/proxies/redis")
        assert shown.paths("GET") == ["/proxies"]
        assert len(shown.calls) == 1


def test_redis_and_its_sentinel_are_only_looked_at(lease, monkeypatch):
    """Settings, promotions, and the connections of others."""
    lease.held = False
    monkeypatch.setattr(redis_pair, "_ask", lambda url, question: pytest.fail("asked"))
    pair = RedisPair("redis://h", SimpleNamespace(url="redis://s", master="m"))
    client = SimpleNamespace(
        config_set=lambda *a: pytest.fail("set"), client_kill_filter=lambda **a: pytest.fail("end")
    )
    fault = SimpleNamespace(_ask=lambda question, own: question(client))
    for change in (
        pair.fail_over,
        lambda: pair.follow(("a", 1), ("b", 2)),
        lambda: RedisSettingsFault._set(fault, {"maxmemory": "1"}),
        lambda: _end(client, ["7"]),
    ):
        with asking(lease.check), pytest.raises(NotOurs):
            change()


def test_every_activity_asks_the_drills_lock(monkeypatch):
    """The drill stops, with the lost lease as the reason, at the change that it would make."""
    doubt = [""]
    session = SimpleNamespace(
        lock=SimpleNamespace(doubt=lambda: doubt[0]), clock=HeldClock(), stop=StopFlag()
    )
    session.stop_now = lambda reason: Session.stop_now(session, reason)
    session.check_lock = lambda: Session.check_lock(session)
    monkeypatch.setattr(wrap, "current", lambda: session)
    made = []

    def step(session) -> str:
        effects.ask()
        made.append(1)
        return "done"

    assert wrap.activity(step)() == "done"
    doubt[0] = "the lock was not renewed in time"
    with pytest.raises(ActivityFailed, match="lost_lease"):
        wrap.activity(step)()
    assert made == [1]
    assert session.stop.reason.verdict == "ABORTED"
    effects.ask()
    with pytest.raises(DrillAborted):
        session.stop.check()
