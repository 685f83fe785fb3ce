"""What every steering adapter must do: the same checks, whatever stands behind it.

A `World` is the thing that an adapter steers, with a way to look at it and to change it that is not
the adapter's own, and with the ways in which such a thing misbehaves. `CHECKS` are the suite.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.world import SECRET, Trouble, taken_away
from muster.faults.traffic_shift import TrafficShift
from muster.platform.steering import Expected, Steering, SteeringError, restoration

EAST, WEST = "eu-east-1", "eu-west-1"
BEFORE = {EAST: 60, WEST: 40}


class World(ABC):
    """A thing with two regions whose weights are BEFORE."""

    halves = True
    """Whether a change can be done in half; where not, a step must be one call."""
    changes = 0
    """Calls that changed something, or tried to."""

    @abstractmethod
    def adapter(self) -> Steering:
        """A new adapter of this world, as another process would make it."""

    @abstractmethod
    def weights(self) -> dict[str, int]:
        """The weights by region, looked at from outside."""

    @abstractmethod
    def put(self, region: str, weight: int) -> None:
        """Somebody else sets a weight."""

    @abstractmethod
    def put_rest(self, region: str) -> None:
        """Somebody else changes something other than a region's weight."""

    @abstractmethod
    def remove(self, region: str) -> None:
        """Somebody else takes a region's part away."""

    @abstractmethod
    def trouble(self, kind: Trouble | None) -> None:
        """From now on every change (`nonsense`: every look) goes so; None: all is well again."""


def shift(world: World, share_pct: float, sets: Any = None, **more: Any) -> TrafficShift:
    """The fault that a drill uses, on this world."""
    return TrafficShift(platform(world), EAST, share_pct, sets=sets, **more)


def platform(world: World) -> Any:
    """As much of a platform as a shift needs."""
    return SimpleNamespace(target=SimpleNamespace(name="t"), steering=world.adapter())


def again(world: World, fault: TrafficShift) -> TrafficShift:
    """The fault as another process makes it from what stands in the undo log."""
    params: Mapping[str, Any] = json.loads(json.dumps(fault.undo_params()))
    return TrafficShift.restore(platform(world), EAST, params)


def shows_what_stands(world: World) -> None:
    """Parts, regions and weights are those that the world has."""
    steering = world.adapter()
    shown = steering.shown()
    assert steering.by_region(shown) == steering.weights() == world.weights() == BEFORE


def sets_all_regions(world: World) -> None:
    """A step gives every region its weight, and nothing else changes."""
    steering = world.adapter()
    rest = {key: one.rest for key, one in steering.shown().items()}
    steering.set_weights({EAST: 25, WEST: 75})
    assert world.weights() == {EAST: 25, WEST: 75}
    assert {key: one.rest for key, one in steering.shown().items()} == rest


def sets_to_nothing(world: World) -> None:
    """A region can be given no traffic at all, and be given some again."""
    steering = world.adapter()
    steering.set_weights({EAST: 0, WEST: 100})
    assert world.weights() == {EAST: 0, WEST: 100}
    steering.set_weights(BEFORE)
    assert world.weights() == BEFORE


def changes_nothing_twice(world: World) -> None:
    """Weights that stand already are not set again."""
    steering = world.adapter()
    steering.set_weights({EAST: 25, WEST: 75})
    before = world.changes
    steering.set_weights({EAST: 25, WEST: 75})
    assert world.changes == before


def checks_before_it_changes(world: World) -> None:
    """`check` sees what stands and can prevent the change; `accepted` is called after it."""
    steering, told = world.adapter(), []

    def refuse(shown: Any) -> None:
        assert steering.by_region(shown) == BEFORE
        raise SteeringError("not now")

    with pytest.raises(SteeringError, match="not now"):
        steering.set_weights({EAST: 0, WEST: 100}, check=refuse, accepted=lambda: told.append(1))
    assert world.weights() == BEFORE
    assert not told
    steering.set_weights({EAST: 0, WEST: 100}, accepted=lambda: told.append(world.weights()[EAST]))
    assert told == [0]


def plans_what_it_sets(world: World) -> None:
    """What is planned, part by part, is what stands after the step."""
    steering = world.adapter()
    planned = steering.plan({EAST: 10, WEST: 90})
    assert world.weights() == BEFORE
    steering.set_weights({EAST: 10, WEST: 90})
    assert {key: one.weight for key, one in steering.shown().items()} == planned


def refuses_other_regions(world: World) -> None:
    """Weights for other regions than there are: nothing changes."""
    for wrong in ({EAST: 100}, {EAST: 50, WEST: 25, "us-east-1": 25}):
        with pytest.raises(SteeringError):
            world.adapter().set_weights(wrong)
    assert world.weights() == BEFORE


def rounds_to_what_can_be_had(world: World) -> None:
    """A share above 0 never becomes weight 0, and what is had is said."""
    steering = world.adapter()
    weights = steering.weights_for(BEFORE, EAST, 0.01)
    assert weights[EAST] > 0
    had = steering.share_had(BEFORE, EAST, 25)
    steering.set_weights(steering.weights_for(BEFORE, EAST, 25))
    now = world.weights()
    assert had == pytest.approx(100 * now[EAST] / sum(now.values()))
    assert abs(had - 25) <= 100 / steering.units


def reverts_twice(world: World) -> None:
    """Put back by another process, to the odd weights of before; again changes nothing."""
    fault = shift(world, 0)
    back = again(world, fault)
    fault.apply()
    assert world.weights()[EAST] == 0
    assert not back.read_back().ok
    for _ in range(2):
        back.revert()
        assert back.read_back().ok
        assert world.weights() == BEFORE


def reverts_after(world: World, trouble: Trouble, moved: bool | None) -> None:
    """A change that raised is put back, whether it was made, not made, or made in half."""
    fault = shift(world, 0, sets=[])
    planned = world.adapter().plan(fault_weights(fault))
    fault = shift(world, 0, sets=[planned], before=BEFORE, saved=world.adapter().saved())
    back = again(world, fault)
    world.trouble(trouble)
    with pytest.raises(SteeringError):
        fault.apply()
    world.trouble(None)
    if moved is not None:
        assert (world.weights() != BEFORE) == moved
    back.revert()
    assert back.read_back().ok
    assert world.weights() == BEFORE


def fault_weights(fault: TrafficShift) -> dict[str, int]:
    """The weights that a shift sets, which needs those of before."""
    fault.undo_params()
    return fault.weights()


def asks_before_each_change(world: World) -> None:
    """Whoever may have lost the target changes nothing of it."""
    with taken_away():
        world.adapter().set_weights({EAST: 0, WEST: 100})
    with taken_away():
        parts = {part: one.weight + 1 for part, one in world.adapter().shown().items()}
        world.adapter().set_parts(parts)
    assert world.weights() == BEFORE


def says_what_is_refused(world: World) -> None:
    """The platform refuses: nothing changes, and the message says so in one line."""
    world.trouble("refuses")
    with pytest.raises(SteeringError) as caught:
        world.adapter().set_weights({EAST: 0, WEST: 100})
    assert str(caught.value)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert world.weights() == BEFORE


def late_before_the_effect(world: World) -> None:
    """No answer, and nothing was done."""
    reverts_after(world, "late before", moved=False)


def late_after_the_effect(world: World) -> None:
    """No answer, and all was done."""
    reverts_after(world, "late after", moved=True)


def half_an_effect(world: World) -> None:
    """One region's weight was set; where that cannot happen, a step is one call."""
    if world.halves:
        reverts_after(world, "half", moved=True)
        return
    world.adapter().set_weights({EAST: 0, WEST: 100})
    assert world.changes == 1


def believes_no_nonsense(world: World) -> None:
    """An answer of the wrong shape is an error, never a weight."""
    steering = world.adapter()
    world.trouble("nonsense")
    for look in (steering.shown, steering.weights, steering.saved):
        with pytest.raises(SteeringError):
            look()


def sees_another(world: World) -> None:
    """Somebody else's weight, other change, or missing part is told from the drill's own."""
    harms: tuple[Callable[[], None], ...] = (
        lambda: world.put(EAST, 50),
        lambda: world.put_rest(WEST),
        lambda: world.remove(WEST),
    )
    for harm in harms:
        steering, expected = world.adapter(), Expected()
        expected.begin(steering.shown())
        assert expected.differs(steering.shown(), 0.0) == ""
        harm()
        assert expected.differs(steering.shown(), 1.0) != ""


def leaves_another(world: World) -> None:
    """A weight that somebody else set since is left, and a person is told; the rest goes back."""
    fault = shift(world, 0, sets=[world.adapter().plan({EAST: 0, WEST: 100})])
    back = again(world, fault)
    fault.apply()
    world.put(WEST, 77)
    back.revert()
    assert world.weights() == {EAST: 60, WEST: 77}
    shown = back.read_back()
    assert shown.ok
    assert "77" in shown.another


def saves_what_stood(world: World) -> None:
    """What is saved is JSON, and says on another machine what stood."""
    steering = world.adapter()
    saved = json.loads(json.dumps(steering.saved()))
    shown = steering.shown()
    steering.set_weights({EAST: 0, WEST: 100})
    assert world.adapter().stood(saved) == shown
    assert restoration(shown, steering.shown(), [steering.plan({EAST: 0, WEST: 100})]).weights
    assert world.adapter().stood({}) == {}


def names_what_it_touches(world: World) -> None:
    """In its own words, without asking anybody: the world answers nothing meanwhile."""
    steering = world.adapter()
    world.trouble("nonsense")
    touched = steering.touches()
    assert touched
    assert all(one.kind != "regions" and one.name for one in touched)
    assert steering.subject
    assert steering.name
    assert steering.timeout_s > 0


def tells_a_person(world: World) -> None:
    """The line by hand names the weights of before and holds no secret."""
    steering = world.adapter()
    line = steering.command(json.loads(json.dumps(steering.saved())), BEFORE)
    assert line is not None
    assert "\n" not in line
    assert "60" in line
    assert "40" in line
    assert SECRET not in line


CHECKS: tuple[Callable[[World], None], ...] = (
    shows_what_stands,
    sets_all_regions,
    sets_to_nothing,
    changes_nothing_twice,
    checks_before_it_changes,
    plans_what_it_sets,
    refuses_other_regions,
    rounds_to_what_can_be_had,
    reverts_twice,
    asks_before_each_change,
    says_what_is_refused,
    late_before_the_effect,
    late_after_the_effect,
    half_an_effect,
    believes_no_nonsense,
    sees_another,
    leaves_another,
    saves_what_stood,
    names_what_it_touches,
    tells_a_person,
)
