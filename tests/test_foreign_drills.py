"""Whole drills on a platform that Muster did not write: two regions of LiteLLM behind Envoy.

One testbed for all of them. They are judged by the M1 gate (Tier L): at ten canaries a second a
phase of a minute has those that Tier L asks for, and not those of Tier X.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drill_runner import ROOT, Drill

pytestmark = pytest.mark.foreign
UP_S_MAX = 600.0
FAILOVER_S_MAX = 900.0
FAULT_S_MAX = 600.0
VARIABLES = {
    "MUSTER_TARGET": "foreign",
    "MUSTER_PROFILE": "chat_60",
    "MUSTER_SCALE": "1",
    "MUSTER_TIME_SCALE": "6",
}
EXITS = {"PASS": 0}


class Foreign:
    """The testbed, and one directory for each drill on it."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._state = work / "state"

    def drill(self, name: str) -> Drill:
        """A drill that shares the testbed's state and has evidence of its own."""
        own = {**VARIABLES, "MUSTER_STATE_DIR": str(self._state)}
        one = Drill(self._work / name, variables=own)
        one.work.mkdir()
        return one

    def run(self, folder: str, name: str, seconds_max: float) -> Drill:
        """Run the JSON `name` of `folder` as the M1 gate's, to its end."""
        document = json.loads((ROOT / folder / f"{name}.json").read_text())
        document["controls"][0]["provider"]["arguments"]["gate"] = "M1"
        one = self.drill(name)
        file = one.work / f"{name}.json"
        file.write_text(json.dumps(document))
        one.start(file)
        code = one.wait(seconds_max)
        assert code == EXITS.get(one.verdict["verdict"], 1), one.output
        return one

    def tokens(self) -> list[str]:
        """What must stand in no evidence."""
        state = json.loads((self._state / "testbed-foreign" / "state.json").read_text())
        return [state["endpoints"][name] for name in ("load_token", "canary_token")]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """The testbed, up once and down at the end."""
    made = Foreign(tmp_path_factory.mktemp("foreign"))
    first = made.drill("up")
    try:
        up = first.command(
            "up",
            *("--target", "foreign", "--profile", "chat_60", "--scale", "1"),
            seconds_max=UP_S_MAX,
        )
        assert up.returncode == 0, up.stdout + up.stderr
        yield made
    finally:
        first.command("down", "--target", "foreign")


def honest(drill: Drill, foreign: Foreign) -> dict[str, Any]:
    """The verdict, after what holds for every one: all is back, and no secret is on record."""
    verdict = drill.verdict
    assert verdict["evidence"] == "testbed"
    assert verdict["undo"] == {**verdict["undo"], "pending": 0, "verified": True}, drill.output
    for path in drill.bundle.rglob("*"):
        text = path.read_bytes() if path.is_file() else b""
        assert not any(token.encode() in text for token in foreign.tokens()), path
    if verdict["verdict"] == "PASS":
        assert not drill.failures()
        assert not drill.unknown()
    return verdict


def test_a_region_is_stopped_and_comes_back(foreign: Foreign) -> None:
    """The region's LiteLLM, Envoy and Redis are really stopped, and Tier L holds all the while."""
    drill = foreign.run("drills", "region_failover", FAILOVER_S_MAX)
    verdict = honest(drill, foreign)
    assert verdict["verdict"] == "PASS", drill.output
    (proof,) = [fault for fault in verdict["faults"] if fault["fault"] == "region_power"]
    assert proof["proven"]


@pytest.mark.parametrize("name", ["redis_outage", "provider_latency"])
def test_a_fault_ends_in_a_verdict_of_its_own(foreign: Foreign, name: str) -> None:
    """What LiteLLM makes of it is its own; the fault was seen, and everything is back."""
    drill = foreign.run("experiments", name, FAULT_S_MAX)
    verdict = honest(drill, foreign)
    assert verdict["verdict"] in ("PASS", "FAIL", "INCONCLUSIVE"), drill.output
