"""The drills that come along: what all of them repeat is equal, but where a reason stands here.

A drill's file is whole for Chaos Toolkit, which knows no includes. So each file repeats what every
drill needs, and this test is what keeps the copies together.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from drill_runner import drill_files

from muster.contract import load
from muster.drill.plan.steps import steps
from muster.judge.required import SEQUENCES

FILES = drill_files()
DRILLS: dict[str, Mapping[str, Any]] = {path.stem: json.loads(path.read_text()) for path in FILES}
PATTERN = "region_failover"
"""The drill that the others are held against."""
HYPOTHESIS = "steady-state-hypothesis"

# (drill, path below it): (the value, why it is another than the pattern's).
OTHERWISE: dict[tuple[str, str], tuple[Any, str]] = {
    ("redis_promoted", "configuration.target.default"): (
        "testbed_sentinel",
        "only this testbed's Redis has a Sentinel",
    ),
    **{
        (name, "configuration.target.default"): (
            "testbed_kubernetes",
            "only the regions of this testbed are pods",
        )
        for name in ("pods_killed", "node_drained", "readiness_broken", "image_unpullable")
    },
    ("m1_gate", "configuration.profile.default"): ("m1_1k", "a gate is passed under its profile"),
    ("m2_gate", "configuration.profile.default"): ("m2_5k", "a gate is passed under its profile"),
    ("m1_gate", "configuration.scale.default"): ("1", "a gate is passed at full size alone"),
    **{
        ("compound_held_connections", f"configuration.hold_connection_share.{key}"): (
            value,
            "its own load: clients that hold their connections",
        )
        for key, value in (
            ("type", "env"),
            ("key", "MUSTER_HOLD_CONNECTION_SHARE"),
            ("default", "0.5"),
        )
    },
    ("hello", "configuration.profile.default"): ("m1_1k", "a first drill asks for the least tier"),
    ("hello", "configuration.scale.default"): ("1", "the smallest profile is small as it is"),
    ("m2_gate", "configuration.scale.default"): ("1", "a gate is passed at full size alone"),
    ("m3_gate", "configuration.scale.default"): ("1", "a gate is passed at full size alone"),
}
OWN = {
    "controls.0.provider.arguments.drill": "a drill is known by its file's name",
    "controls.0.provider.arguments.kind": "the kind decides what its method must go through",
    "controls.0.provider.arguments.gate": "the gate that its tiers are taken from",
    f"{HYPOTHESIS}.title": "what the drill shows, in words",
}
"""What each drill says for itself, and why."""


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that holds no other, by its path; an empty list or object is one itself."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from leaves(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from leaves(part, f"{path}.{index}" if path else str(index))
    else:
        yield path, value


def repeated(document: Mapping[str, Any]) -> dict[str, Any]:
    """The repeated parts of a drill, by path."""
    own = {"title", "description", "tags", "method"}
    return dict(leaves({key: part for key, part in document.items() if key not in own}))


def differences(drills: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where a drill's repeated parts are neither the pattern's nor what stands in `OTHERWISE`."""
    wanted = repeated(drills[PATTERN])
    found = []
    for name, document in drills.items():
        told = repeated(document)
        for path in sorted(wanted.keys() | told.keys()):
            if path in OWN and isinstance(told.get(path), str):
                continue
            value = OTHERWISE[name, path][0] if (name, path) in OTHERWISE else wanted.get(path)
            if told.get(path, ...) != value:
                found.append(f"{name}: {path}: got {told.get(path)!r}, expected {value!r}")
    return found


def test_every_drill_repeats_the_same() -> None:
    """Runtime, rollbacks, configuration, controls and the probe that decides."""
    assert len(DRILLS) >= 9
    assert differences(DRILLS) == []


def test_every_listed_difference_is_one() -> None:
    """What stands in the list and is the pattern's all the same has no place there."""
    wanted = repeated(DRILLS[PATTERN])
    for (name, path), (value, why) in OTHERWISE.items():
        assert wanted.get(path) != value == repeated(DRILLS[name])[path], (name, path)
        assert why


def test_what_a_block_goes_through_is_a_sequence_of_the_judge() -> None:
    """Every block of steps and no more: an experiment must have gone through one of them."""
    known = steps()
    recorded: dict[str, set[str | None]] = {}
    for (_, func), step in known.by_key.items():
        recorded.setdefault(func, set()).add(step.phase)
    went_through = set()
    for block in known.blocks:
        assert all(len(recorded[func]) == 1 for func in block)
        went_through.add(tuple(phase for func in block for phase in recorded[func] if phase))
    assert went_through == set(SEQUENCES)


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_says_for_itself_who_it_is(name: str) -> None:
    """Its own name, a gate of the contract, and that gate's profile where it is to pass it."""
    arguments = DRILLS[name]["controls"][0]["provider"]["arguments"]
    assert arguments["drill"] == name
    gate = load().gates[arguments["gate"]]
    assert DRILLS[name]["configuration"]["profile"]["default"] == gate.profile


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("runtime", "rollbacks", "strategy"), "default"),
        (("configuration", "seed", "default"), "2"),
        (("configuration", "more"), {"type": "env", "key": "MORE", "default": ""}),
        (("rollbacks",), []),
        (("controls", 0, "automatic"), False),
        ((HYPOTHESIS, "probes", 0, "tolerance"), False),
        (("contributions", "reliability"), "low"),
        (("secrets",), {}),
    ],
)
def test_a_copy_that_went_its_own_way_is_named(path: tuple[str | int, ...], value: Any) -> None:
    """Changed, added, removed: each is found in the drill that has it, and only there."""
    drills = copy.deepcopy(DRILLS)
    at: Any = drills["redis_outage"]
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    found = differences(drills)
    assert found
    assert all(line.startswith("redis_outage: ") for line in found)
