"""What every drain adapter must do: the same checks, whatever stands behind it.

A `World` is the region that is asked to drain, with a way to look at it and to change it that is
not the adapter's own, and with the ways in which such a region misbehaves. `CHECKS` are the suite;
`CHECKS_UNASKED` are that of an adapter which asks nobody.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal, get_args

import pytest

from conformance.world import REGION, SECRET, Outside, attempted, taken_away
from muster.platform.drain import Drain, DrainState
from muster.platform.port import PortError


class World(Outside):
    """A region that is serving."""

    @abstractmethod
    def adapter(self) -> Drain:
        """A new adapter of this world, as another process would make it."""

    @abstractmethod
    def state(self) -> DrainState | Literal["mixed"]:
        """What is there, looked at from outside; `mixed`: a part of it was asked."""

    @abstractmethod
    def put(self, state: DrainState) -> None:
        """Somebody else asks for `state`."""


def shows_what_stands(world: World) -> None:
    """Every state is shown as it is; looking changes nothing."""
    for state in get_args(DrainState):
        world.put(state)
        assert world.adapter().shown() == state
        assert world.state() == state


def asks(world: World) -> None:
    """Asked for a state, the region is in it and shows it."""
    for state in get_args(DrainState):
        world.adapter().ask(state)
        assert world.state() == state
        assert world.adapter().shown() == state


def takes_back_twice(world: World) -> None:
    """Taken back by another process; again changes nothing."""
    world.adapter().ask("draining")
    for _ in range(2):
        world.adapter().ask("serving")
        assert world.state() == "serving"


def asks_before_each_change(world: World) -> None:
    """Whoever may have lost the target changes nothing of it."""
    for state in ("closing", "draining", "serving"):
        with taken_away():
            world.adapter().ask(state)
    assert world.state() == "serving"


def says_what_is_refused(world: World) -> None:
    """The platform refuses: nothing changes, and one line without a secret says so."""
    world.trouble("refuses")
    assert attempted(lambda: world.adapter().ask("closing"))
    assert world.state() == "serving"


def late_before_the_effect(world: World) -> None:
    """No answer, and nothing was done: an error, and it serves as before."""
    world.trouble("late before")
    assert attempted(lambda: world.adapter().ask("closing"))
    world.trouble(None)
    assert world.state() == "serving"
    assert world.adapter().shown() == "serving"


def late_after_the_effect(world: World) -> None:
    """No answer, and all was done: whether it raises or not, it is shown and taken back."""
    world.trouble("late after")
    attempted(lambda: world.adapter().ask("draining"))
    world.trouble(None)
    assert world.state() == "draining"
    assert world.adapter().shown() == "draining"
    world.adapter().ask("serving")
    assert world.state() == "serving"


def half_an_effect(world: World) -> None:
    """A part of it was asked: not shown as if all were, and taken back all the same."""
    world.trouble("half")
    attempted(lambda: world.adapter().ask("draining"))
    world.trouble(None)
    assert world.state() == "mixed"
    assert world.adapter().shown() != "draining"
    world.adapter().ask("serving")
    assert world.state() == "serving"


def believes_no_nonsense(world: World) -> None:
    """An answer of the wrong shape is an error, or no known state."""
    world.trouble("nonsense")
    try:
        shown = world.adapter().shown()
    except PortError:
        return
    assert shown not in get_args(DrainState)


def sees_another(world: World) -> None:
    """Somebody else takes the drain back: it is shown."""
    world.adapter().ask("closing")
    world.put("serving")
    assert world.adapter().shown() == "serving"


def names_what_it_touches(world: World) -> None:
    """In its own words, without asking anybody."""
    before = world.calls
    drain = world.adapter()
    assert drain.asks
    assert drain.region == REGION
    assert drain.touches() == world.touches
    assert drain.unusable() is None
    assert drain.timeout_s > 0
    assert world.calls == before


def tells_a_person(world: World) -> None:
    """The line by hand takes the drain back, and holds no secret."""
    world.adapter().ask("closing")
    line = world.adapter().command()
    assert line is not None
    assert "\n" not in line
    assert SECRET not in line
    world.paste(line)
    assert world.state() == "serving"


def asks_nobody_and_says_so(world: World) -> None:
    """It serves, a drain is refused, and to take one back needs nothing."""
    drain = world.adapter()
    assert not drain.asks
    for state in ("closing", "draining"):
        with pytest.raises(PortError):
            drain.ask(state)
    drain.ask("serving")
    assert drain.shown() == "serving"
    assert drain.touches() == ()
    assert drain.command() is None
    assert world.calls == 0


CHECKS: tuple[Callable[[World], None], ...] = (
    shows_what_stands,
    asks,
    takes_back_twice,
    asks_before_each_change,
    says_what_is_refused,
    late_before_the_effect,
    late_after_the_effect,
    half_an_effect,
    believes_no_nonsense,
    sees_another,
    names_what_it_touches,
    tells_a_person,
)
CHECKS_UNASKED = (asks_nobody_and_says_so,)
