"""What every partition adapter must do: the same checks, whatever stands behind it.

A `World` is a region that everyone reaches, with a way to look at it that is not the adapter's own,
and with the ways in which such a region misbehaves. `CHECKS` are the suite; `CHECKS_NOBODY` are
that of an adapter which cuts nothing.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

from conformance.world import REGION, SECRET, Outside, attempted, taken_away
from muster.platform.partition import Partition


class World(Outside):
    """A region that everyone reaches."""

    @abstractmethod
    def is_now(self) -> str:
        """What the region is, looked at from outside: whole, cut or partly."""

    @cached_property
    def before(self) -> dict[str, Any]:
        """What another process reads from the undo log."""
        found: dict[str, Any] = json.loads(json.dumps(self.adapter().before()))
        return found

    @abstractmethod
    def adapter(self) -> Partition:
        """A new adapter of this world, as another process would make it."""


def cuts_and_joins(world: World) -> None:
    """Cut off, and by another process joined, twice."""
    assert world.adapter().state(world.before) == "whole"
    world.adapter().cut(world.before)
    assert world.is_now() == world.adapter().state(world.before) == "cut"
    for _ in range(2):
        world.adapter().join(world.before)
        assert world.is_now() == world.adapter().state(world.before) == "whole"


def joins_what_is_half_cut(world: World) -> None:
    """A part of it was cut: shown as such, never as cut, and joined all the same."""
    world.trouble("half")
    assert attempted(lambda: world.adapter().cut(world.before))
    world.trouble(None)
    for before in (world.before, {}):
        assert world.adapter().state(before) == "partly"
    world.adapter().join(world.before)
    assert world.is_now() == "whole"


def asks_before_each_change(world: World) -> None:
    """Whoever may have lost the target changes nothing of it."""
    with taken_away():
        world.adapter().cut(world.before)
    assert world.is_now() == "whole"
    world.adapter().cut(world.before)
    with taken_away():
        world.adapter().join(world.before)
    assert world.is_now() == "cut"
    world.adapter().join(world.before)


def says_what_is_refused(world: World) -> None:
    """The platform refuses: nothing changes, and one line without a secret says so."""
    world.trouble("refuses")
    assert attempted(lambda: world.adapter().cut(world.before))
    assert world.is_now() == "whole"


def late_before_the_effect(world: World) -> None:
    """No answer, and nothing was done: an error in bounded time, and it can be tried again."""
    world.trouble("late before")
    assert attempted(lambda: world.adapter().cut(world.before))
    assert world.is_now() == "whole"
    world.trouble(None)
    world.adapter().cut(world.before)
    assert world.is_now() == "cut"


def late_after_the_effect(world: World) -> None:
    """No answer, and all was done: whether it raises or not, another call joins it."""
    world.trouble("late after")
    attempted(lambda: world.adapter().cut(world.before))
    assert world.is_now() == "cut"
    world.trouble(None)
    world.adapter().join(world.before)
    assert world.is_now() == "whole"


def believes_no_nonsense(world: World) -> None:
    """An answer of the wrong shape is no state, and no change that went well."""
    before = world.before
    world.trouble("nonsense")
    for verb in ("state", "cut"):
        change = getattr(world.adapter(), verb)
        assert attempted(lambda change=change: change(before) and None)


def names_what_it_touches(world: World) -> None:
    """In its own words, without asking anybody."""
    before = world.calls
    adapter = world.adapter()
    assert adapter.cuts
    assert adapter.region == REGION
    assert adapter.touches() == world.touches
    assert adapter.unusable() is None
    assert 0 < adapter.look_s_max <= adapter.timeout_s
    assert world.calls == before


def tells_a_person(world: World) -> None:
    """The line by hand joins it, and holds no secret; None where there is no such line."""
    world.adapter().cut(world.before)
    line = world.adapter().command(world.before)
    if line is None:
        return
    assert "\n" not in line
    assert SECRET not in line
    world.paste(line)
    assert world.is_now() == "whole"


def cuts_nothing_and_says_so(world: World) -> None:
    """A cut is refused by the key that is missing; to join needs nothing."""
    adapter = world.adapter()
    assert not adapter.cuts
    assert f"regions.{REGION}.partition" in attempted(lambda: adapter.cut(world.before))
    adapter.join(world.before)
    assert adapter.state(world.before) == "whole"
    assert adapter.timeout_s == adapter.look_s_max == 0
    assert adapter.touches() == ()
    assert adapter.command(world.before) is None
    assert world.calls == 0


CHECKS: tuple[Callable[[World], None], ...] = (
    cuts_and_joins,
    joins_what_is_half_cut,
    asks_before_each_change,
    says_what_is_refused,
    late_before_the_effect,
    late_after_the_effect,
    believes_no_nonsense,
    names_what_it_touches,
    tells_a_person,
)
CHECKS_NOBODY = (cuts_nothing_and_says_so,)
