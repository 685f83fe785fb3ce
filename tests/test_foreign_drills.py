"""Whole drills on a platform that Muster did not write: two regions of LiteLLM behind Envoy.

One testbed for all of them. They are judged by the M1 gate (Tier L): so few canaries show Tier L's
availability in a phase of a minute, and not Tier X's. Phases are as short as so few can be judged
in, and traffic moves in two steps, so that all three take twelve minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from drill_runner import Drill
from first_hour import Arguments, FirstHour

pytestmark = pytest.mark.foreign
FAULT: Arguments = {"baseline": {"minutes": 2.5}}
FAILOVER: Arguments = {
    "evacuate": {"shares_pct": [20, 0]},
    "dark": {"minutes": 5},
    "restore": {"shares_pct": [20]},
}


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstHour]:
    """The testbed, up once and down at the end."""
    made = FirstHour(tmp_path_factory.mktemp("foreign"), "chat_60_both")
    try:
        made.up()
        yield made
    finally:
        made.down()


def honest(drill: Drill, hour: FirstHour) -> dict[str, Any]:
    """The verdict, after what holds for every one: all is back, and no secret is on record."""
    verdict = drill.verdict
    assert verdict["undo"] == {**verdict["undo"], "pending": [], "verified": True}, drill.output
    tokens = [hour.places[name] for name in ("load_token", "canary_token", "control_token")]
    for path in drill.bundle.rglob("*"):
        text = path.read_bytes() if path.is_file() else b""
        assert not any(token.encode() in text for token in tokens), path
    if verdict["verdict"] == "PASS":
        assert not drill.failures()
        assert not drill.unknown()
    return verdict


@pytest.mark.parametrize("name", ["redis_outage", "provider_latency"])
def test_a_fault_ends_in_a_verdict_of_its_own(hour: FirstHour, name: str) -> None:
    """What LiteLLM makes of it is its own; the fault was seen, and everything is back."""
    changed = {**FAULT, name: {"seconds": 45}}
    drill = hour.run(f"experiments/{name}.json", changed)
    verdict = honest(drill, hour)
    assert verdict["verdict"] in ("PASS", "FAIL", "INCONCLUSIVE"), drill.output


def test_a_region_is_stopped_and_comes_back_by_a_target_that_init_wrote(hour: FirstHour) -> None:
    """The region's LiteLLM, Envoy and Redis are really stopped, and Tier L holds all the while.

    What the platform does not have is declared in the target, and stays so in a PASS.
    """
    hour.write_target()
    drill = hour.experiment("drills/region_failover.json", FAILOVER)
    code, report = hour.doctor(drill)
    assert code == 0, report
    done = hour.run("drills/region_failover.json", FAILOVER)
    verdict = honest(done, hour)
    assert verdict["verdict"] == "PASS", done.output
    proofs = [fault for fault in verdict["faults"] if fault["fault"] == "region_power"]
    assert proofs
    assert all(proof["proven"] for proof in proofs)
    assert {one["signal"] for one in verdict["declared"]} == {"queue_age", "admission_failures"}
