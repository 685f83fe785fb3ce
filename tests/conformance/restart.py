"""What every restart adapter must do: the same checks, whatever stands behind it.

A `World` is a Toxiproxy server that hangs, with a way to look at it and to change it that is not
the adapter's own, and with the ways in which its restart goes wrong. `CHECKS` are the suite;
`CHECKS_NOBODY` are that of an adapter which restarts nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from conformance.world import SECRET, Outside, attempted, taken_away
from muster.platform.restart import Restart


class World(Outside):
    """A server that hangs."""

    by_hand = True
    """Whether a person can restart it by a line."""

    @property
    @abstractmethod
    def restarts(self) -> int:
        """How often the server was started anew, seen from outside."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server answers, looked at from outside."""

    @abstractmethod
    def put_back(self) -> None:
        """Somebody else has restarted it: it answers."""

    @abstractmethod
    def adapter(self) -> Restart:
        """A new adapter of this world, as another process would make it."""


def restarts(world: World) -> None:
    """What hung answers once the restart has returned."""
    assert world.adapter().restarts
    assert not world.answers()
    world.adapter().restart()
    assert world.answers()
    assert world.restarts == 1


def restarts_twice(world: World) -> None:
    """Restarted again by another process, it answers."""
    for count in (1, 2):
        world.adapter().restart()
        assert world.answers()
        assert world.restarts == count


def restarts_after_another(world: World) -> None:
    """Somebody else has restarted it in the meantime: it answers afterwards all the same."""
    restart = world.adapter()
    world.put_back()
    restart.restart()
    assert world.answers()


def asks_before_each_change(world: World) -> None:
    """Whoever may have lost the target changes nothing of it."""
    with taken_away():
        world.adapter().restart()
    assert world.restarts == 0


def says_what_is_refused(world: World) -> None:
    """The platform refuses: nothing is restarted, and one line without a secret says so."""
    world.trouble("refuses")
    assert attempted(world.adapter().restart)
    assert world.restarts == 0


def late_before_the_effect(world: World) -> None:
    """No answer, and nothing was done: an error in bounded time, and it can be tried again."""
    world.trouble("late before")
    assert attempted(world.adapter().restart)
    assert world.restarts == 0
    world.trouble(None)
    world.adapter().restart()
    assert world.answers()


def late_after_the_effect(world: World) -> None:
    """No answer, and all was done: whether it raises or not, it answers, and after a second try."""
    world.trouble("late after")
    attempted(world.adapter().restart)
    assert world.restarts == 1
    world.trouble(None)
    assert world.answers()
    world.adapter().restart()
    assert world.answers()


def half_an_effect(world: World) -> None:
    """The server was ended and not started: an error, and another try starts it."""
    world.trouble("half")
    assert attempted(world.adapter().restart)
    assert not world.answers()
    world.trouble(None)
    world.adapter().restart()
    assert world.answers()


def believes_no_nonsense(world: World) -> None:
    """An answer of the wrong shape is no restart that went well."""
    world.trouble("nonsense")
    assert attempted(world.adapter().restart)


def names_what_it_touches(world: World) -> None:
    """In its own words, without asking anybody."""
    before = world.calls
    restart = world.adapter()
    assert restart.touches() == world.touches
    assert restart.unusable() is None
    assert restart.timeout_s > 0
    assert world.calls == before


def tells_a_person(world: World) -> None:
    """The line by hand restarts it, and holds no secret."""
    line = world.adapter().command()
    assert (line is not None) == world.by_hand
    if line is not None:
        assert "\n" not in line
        assert SECRET not in line
        world.paste(line)
        assert world.answers()
        assert world.restarts == 1


def restarts_nothing_and_says_so(world: World) -> None:
    """A restart is refused in words, names nothing and takes no time."""
    restart = world.adapter()
    assert not restart.restarts
    assert attempted(restart.restart)
    assert restart.timeout_s == 0
    assert restart.command() is None
    assert restart.touches() == ()
    assert restart.unusable() is None
    assert world.calls == 0
    assert not world.answers()


CHECKS: tuple[Callable[[World], None], ...] = (
    restarts,
    restarts_twice,
    restarts_after_another,
    asks_before_each_change,
    says_what_is_refused,
    late_before_the_effect,
    late_after_the_effect,
    half_an_effect,
    believes_no_nonsense,
    names_what_it_touches,
    tells_a_person,
)
CHECKS_NOBODY = (restarts_nothing_and_says_so,)
