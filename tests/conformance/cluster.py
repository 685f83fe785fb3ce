"""What every disruption of every cluster adapter must do: the same checks, whatever stands behind.

A `World` is a region whose pods an adapter disrupts in one way, with a way to look at it that is
not the adapter's own, and with the ways in which its platform misbehaves. `CHECKS` are the suite;
`CHECKS_NOBODY` are that of an adapter which disrupts nothing.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from conformance.world import REGION, SECRET, Outside, attempted, taken_away
from muster.platform.cluster import Disruption, RegionCluster
from muster.platform.port import PortError


class World(Outside):
    """A region that is whole."""

    @abstractmethod
    def adapter(self) -> RegionCluster:
        """A new adapter of this world, as another process would make it."""

    @abstractmethod
    def disruption(self) -> Disruption:
        """The way of this world, by a new adapter."""

    @abstractmethod
    def disrupted(self) -> bool:
        """Whether anything was done, looked at from outside."""

    @abstractmethod
    def whole(self) -> bool:
        """Whether all is as it was at first, or as good; waits for what comes by itself."""

    def shows(self, before: dict[str, Any]) -> bool:
        """Whether a new adapter says that the effect shows, in time."""
        return self.disruption().look(before).proven


def kept(before: dict[str, Any]) -> dict[str, Any]:
    """What another process reads from the undo log."""
    found: dict[str, Any] = json.loads(json.dumps(before))
    return found


def done(world: World) -> dict[str, Any]:
    """It is done; what the undo log holds."""
    one = world.disruption()
    before = kept(one.before())
    one.apply(before)
    return before


def bites_and_goes_away(world: World) -> None:
    """Seen only once it is done; taken back twice by others, from the undo log alone."""
    one = world.disruption()
    before = kept(one.before())
    assert not one.look(before).proven
    assert not world.disrupted()
    one.apply(before)
    assert world.disrupted()
    assert world.shows(before)
    for _ in range(2):
        world.disruption().revert(before)
        state = world.disruption().state(before)
        assert (state.whole, state.another) == (True, ""), state
        assert state.shown == state.expected
    assert world.whole()


def takes_back_what_was_never_done(world: World) -> None:
    """The drill died between its undo entry and the change."""
    before = kept(world.disruption().before())
    world.disruption().revert(before)
    assert world.disruption().state(before).whole
    assert not world.disrupted()


def asks_before_each_change(world: World) -> None:
    """Whoever may have lost the target changes nothing of it."""
    before = kept(world.disruption().before())
    with taken_away():
        world.disruption().apply(before)
    assert not world.disrupted()


def says_what_is_refused(world: World) -> None:
    """Told beforehand, in one line each, and again by the change, which does nothing."""
    assert world.disruption().rehearse() == ()
    before = kept(world.disruption().before())
    world.trouble("refuses")
    said = world.disruption().rehearse()
    assert said
    assert not any("\n" in one or SECRET in one for one in said)
    assert attempted(lambda: world.disruption().apply(before))
    assert not world.disrupted()


def late_before_the_effect(world: World) -> None:
    """No answer, and nothing was done: an error in bounded time, and it can be tried again."""
    before = kept(world.disruption().before())
    world.trouble("late before")
    assert attempted(lambda: world.disruption().apply(before))
    assert not world.disrupted()
    world.trouble(None)
    world.disruption().apply(before)
    assert world.disrupted()


def late_after_the_effect(world: World) -> None:
    """No answer, and all was done: whether it raises or not, another process takes it back."""
    before = kept(world.disruption().before())
    world.trouble("late after")
    attempted(lambda: world.disruption().apply(before))
    assert world.disrupted()
    world.trouble(None)
    world.disruption().revert(before)
    assert world.disruption().state(before).whole
    assert world.whole()


def believes_no_nonsense(world: World) -> None:
    """An answer of the wrong shape is no state, no effect, and nothing that is whole."""
    before = kept(world.disruption().before())
    world.trouble("nonsense")
    one = world.disruption()
    for ask in (one.before, one.change, one.rehearse):
        assert attempted(lambda ask=ask: ask() and None)
    for ask in (one.look, one.state):
        with pytest.raises(PortError):
            ask(before)


def names_what_it_touches(world: World) -> None:
    """In its own words, without asking anybody."""
    asked = world.calls
    one = world.disruption()
    assert world.adapter().disrupts
    assert world.adapter().region == REGION
    assert one.touches() == world.touches
    assert one.unusable() is None
    assert one.look_s_max > 0
    assert one.timeout_s > 0
    assert world.calls == asked


def keeps_no_secret(world: World) -> None:
    """What goes into the undo log, and what is told, holds no value of a pod's environment."""
    one = world.disruption()
    told = (one.before(), one.change(), one.command(kept(one.before())))
    assert SECRET not in str(told)


def tells_a_person(world: World) -> None:
    """The line by hand takes it back; None where there is no such line."""
    before = done(world)
    line = world.disruption().command(before)
    if line is None:
        return
    assert "\n" not in line
    world.paste(line)
    assert world.whole()


def disrupts_nothing_and_says_so(world: World) -> None:
    """Refused by the key that is missing; to take it back needs nothing."""
    adapter = world.adapter()
    assert not adapter.disrupts
    for one in (adapter.killing(10, 1), adapter.draining(), adapter.releasing("image")):
        found = one.unusable()
        assert found is not None
        assert found.key == "kind"
        assert one.touches() == ()
        for ask in (one.before, one.change):
            with pytest.raises(PortError, match=rf"names no regions\.{REGION}\.cluster"):
                ask()
        for act in (one.apply, one.look, one.state):
            with pytest.raises(PortError, match=rf"names no regions\.{REGION}\.cluster"):
                act({})
        assert one.rehearse()
        one.revert({})
        assert one.command({}) is None
        assert one.timeout_s == 0


CHECKS: tuple[Callable[[World], None], ...] = (
    bites_and_goes_away,
    takes_back_what_was_never_done,
    asks_before_each_change,
    says_what_is_refused,
    late_before_the_effect,
    late_after_the_effect,
    believes_no_nonsense,
    names_what_it_touches,
    keeps_no_secret,
    tells_a_person,
)
CHECKS_NOBODY = (disrupts_nothing_and_says_so,)
