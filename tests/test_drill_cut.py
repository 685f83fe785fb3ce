"""What a drain cut, and whether it is over: counts that fall and processes that fall silent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from muster.drill.phases.failover import unseen_streams
from muster.drill.sight import observe
from muster.drill.sight.facts import Facts
from muster.platform.metrics import RawSeries

REGION = "eu-west-1"


def session_of(client, server, *, before):
    """A session whose platform and load show so many broken streams."""
    facts = Facts(5.0)
    for signal, value, labels in (
        ("client_attempts", client, {"outcome": "broken"}),
        ("streams_broken", server, {}),
    ):
        if value is not None:
            facts.add([RawSeries(signal, signal, {"region": REGION, **labels}, (9.0,), (value,))])
    found = []
    session = SimpleNamespace(
        facts=facts,
        counts_before={f"broken:{source}": count for source, count in before.items()},
        target=SimpleNamespace(signals={"streams_broken": "x"}),
        finding=lambda slo, status, **more: found.append((more["source"], status)),
    )
    observe.record_streams_cut(session, REGION)
    return dict(found)


@pytest.mark.parametrize(
    ("client", "server", "told"),
    [
        (4.0, 12.0, ("pass", "pass")),
        (5.0, 12.0, ("fail", "pass")),
        (4.0, 13.0, ("pass", "fail")),
        (4.0, 0.0, ("pass", "unknown")),  # its process restarted: what it cut is not known
        (3.0, 12.0, ("unknown", "pass")),
        (4.0, None, ("pass", "unknown")),
    ],
)
def test_a_count_that_fell_tells_nothing(client, server, told):
    """A restart takes its count with it: that is no negative number of cut streams."""
    found = session_of(client, server, before={"client": 4.0, "server": 12.0})
    assert (found["client"], found["server"]) == told


def test_streams_that_nobody_sees_keep_a_region_from_going_dark():
    """For as long as a stream may last; the process may still hold them."""
    facts = Facts(5.0)
    labels = {"region": REGION, "instance": "a"}
    facts.add([RawSeries("streams_active", "x", labels, (100.0,), (7.0,))])
    others = {"region": REGION, "instance": "b"}
    facts.add([RawSeries("streams_active", "x", others, (110.0,), (0.0,))])
    now = SimpleNamespace(now_s=lambda: 110.0)
    session = SimpleNamespace(
        facts=facts, clock=now, target=SimpleNamespace(stream_seconds_max=31.0)
    )
    assert unseen_streams(session, REGION) == 7
    session.target.stream_seconds_max = 9.0
    assert unseen_streams(session, REGION) == 0
