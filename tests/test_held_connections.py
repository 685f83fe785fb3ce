"""Clients that hold their connections past the TTL: the setting, the load, and the way back."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from drill_runner import ROOT
from load_peers import (
    DONE,
    END,
    EVENT,
    HEAD,
    ROLE,
    chunk,
    config,
    outcomes,
    peer,
    running,
    streaming,
    traffic,
    until,
)

from muster import targets
from muster.drill.phases.held import release_held
from muster.drill.plan.asked import check_asked
from muster.drill.plan.outline import Activity, rows_of, steps_of
from muster.drill.plan.plan import make_plan
from muster.errors import BadInput
from muster.faults.drain import Drain
from muster.platform import platform_of

NAME = "compound_held_connections"
DRILL = json.loads((ROOT / "experiments" / f"{NAME}.json").read_text())
OTHER = json.loads((ROOT / "experiments" / "region_evacuation.json").read_text())
CLOSE = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def plan(**configuration):
    return make_plan(configuration, drill=NAME, title=NAME, kind="experiment", gate="M3",
                     method=DRILL["method"])  # fmt: skip


def test_the_setting_is_the_loads_and_no_gate():
    """The profile's own share otherwise; with another one the load is not the contract's."""
    assert plan().profile.hold_connection_share == 0
    assert not plan().holds_connections
    held = plan(hold_connection_share="0.5", target="staging.example", scale="1")
    assert (held.profile.hold_connection_share, held.holds_connections) == (0.5, True)
    plain = plan(target="staging.example", scale="1")
    assert (plain.evidence, held.evidence) == ("gate", "rehearsal")


@pytest.mark.parametrize("value", ["0", "1.5", "half", "-0.1", True, "nan"])
def test_a_share_that_is_none_is_one_line(value):
    """With what it was given by."""
    with pytest.raises(BadInput, match=r"MUSTER_HOLD_CONNECTION_SHARE\): hold_connection_share: g"):
        plan(hold_connection_share=value)


def test_a_drill_that_does_not_read_it_refuses_it():
    """Else it would run without what was asked for."""
    asked = {"MUSTER_HOLD_CONNECTION_SHARE": "0.5"}
    check_asked("d.json", DRILL, {}, asked)
    check_asked("d.json", OTHER, {}, {"MUSTER_HOLD_CONNECTION_SHARE": ""})
    with pytest.raises(BadInput, match=r"MUSTER_HOLD_CONNECTION_SHARE: got '0.5', expected a sett"):
        check_asked("d.json", OTHER, {}, asked)
    with pytest.raises(BadInput, match="did you mean hold_connection_share"):
        check_asked("d.json", {"configuration": {"hold_conection_share": "1"}}, {}, {})


async def closing(writer, tokens, number):
    writer.write(CLOSE + chunk(ROLE + EVENT + DONE) + END)
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(("script", "asks"), [(streaming, False), (closing, True)])
def test_a_held_client_resolves_again_when_the_server_closes_its_connection(script, asks):
    """And goes on with its address for as long as it does not."""

    async def body():
        async with peer(script) as one:
            held = traffic(hold_connection_share=1.0, resolver_caches=4)
            async with running(config(one.port, traffic=held)) as engine:
                await until(lambda: sum(outcomes(engine).values()) >= 30)
                return outcomes(engine), engine.tally.dns_answers.total()

    found, queries = asyncio.run(body())
    assert set(found) == {"success"}
    assert (queries > 4) is asks, queries


def test_the_regions_are_asked_to_release_while_traffic_returns():
    """Only if connections are held; the plan says so, and it is in the undo log before."""
    restore = Activity("restore", "action", "muster.actions.failover", "restore",
                       {"shares_pct": []})  # fmt: skip
    platform = platform_of(targets.load("testbed"))
    for held in (False, True):
        (step,) = steps_of(platform, (restore,), 6.0, held=held)
        asked = [one.region for one in step.faults if one.kind == "drain"]
        assert asked == ["eu-west-1", *(["eu-central-1"] if held else [])]
        rows = [row for _, rows in rows_of([step], ask=False) for row in rows]
        shown = [row.after for row in rows if row.subject == "drain eu-central-1"]
        assert shown == ["closing, then as before"] * held


def test_it_is_asked_of_every_region_and_written_first(monkeypatch):
    """In this order; and not at all for clients that hold nothing."""
    done = []
    monkeypatch.setattr(Drain, "apply", lambda drain: done.append(("asked", drain.region)))
    session = SimpleNamespace(
        platform=platform_of(targets.load("testbed")),
        plan=SimpleNamespace(holds_connections=True),
        write_undo=lambda drain: done.append(("undo", drain.region)),
        slow=lambda call: call(),
        drain_look=SimpleNamespace(rest=lambda: done.append("rested")),
    )
    drains = release_held(session)
    assert [one.region for one in drains] == ["eu-west-1", "eu-central-1"]
    assert done == [
        "rested",
        *[(what, region) for region in ("eu-west-1", "eu-central-1") for what in ("undo", "asked")],
    ]
    session.plan.holds_connections = False
    assert release_held(session) == ()
