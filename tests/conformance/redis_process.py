"""What every adapter to a Redis server's process must do, whatever stands behind it.

A `World` is a Redis that runs, with a way to look at it that is not the adapter's own, and with the
ways in which the platform misbehaves. `CHECKS` are the suite; `CHECKS_NOBODY` are that of an
adapter which reaches no process.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from conformance.world import Outside, attempted, taken_away
from muster.platform.redis_process import RedisProcess


class World(Outside):
    """A Redis that runs."""

    @abstractmethod
    def is_now(self) -> str:
        """What the process is, seen from outside: running, halted or gone."""

    @abstractmethod
    def adapter(self) -> RedisProcess:
        """A new adapter of this world, as another process would make it."""


def halts_and_goes_on(world: World) -> None:
    """Halted, and by another process let go on, twice."""
    world.adapter().halt()
    assert world.is_now() == world.adapter().state() == "halted"
    for _ in range(2):
        world.adapter().run()
        assert world.is_now() == world.adapter().state() == "running"


def kills_and_starts(world: World) -> None:
    """Killed, and by another process started, twice."""
    world.adapter().kill()
    assert world.is_now() == world.adapter().state() == "gone"
    for _ in range(2):
        world.adapter().run()
        assert world.is_now() == "running"


def kills_a_halted_one(world: World) -> None:
    """A process that is halted can be ended all the same."""
    world.adapter().halt()
    world.adapter().kill()
    assert world.is_now() == "gone"
    world.adapter().run()
    assert world.is_now() == "running"


def asks_before_each_change(world: World) -> None:
    """Whoever may have lost the target changes nothing of it."""
    for verb in ("halt", "kill", "run"):
        with taken_away():
            getattr(world.adapter(), verb)()
    assert world.is_now() == "running"


def says_what_is_refused(world: World) -> None:
    """The platform refuses: nothing is changed, and one line without a secret says so."""
    world.trouble("refuses")
    for verb in ("halt", "kill", "run"):
        assert attempted(getattr(world.adapter(), verb))
    assert world.is_now() == "running"


def late_before_the_effect(world: World) -> None:
    """No answer, and nothing was done: an error in bounded time, and it can be tried again."""
    world.trouble("late before")
    assert attempted(world.adapter().halt)
    assert world.is_now() == "running"
    world.trouble(None)
    world.adapter().halt()
    assert world.is_now() == "halted"


def late_after_the_effect(world: World) -> None:
    """No answer, and all was done: whether it raises or not, it goes on by another call."""
    world.trouble("late after")
    attempted(world.adapter().halt)
    assert world.is_now() == "halted"
    world.trouble(None)
    world.adapter().run()
    assert world.is_now() == "running"


def half_an_effect(world: World) -> None:
    """The platform says that it is done, and it is not: an error, not a belief."""
    world.trouble("half")
    for verb in ("halt", "kill"):
        assert attempted(getattr(world.adapter(), verb))


def believes_no_nonsense(world: World) -> None:
    """An answer of the wrong shape is no state, and no change that went well."""
    world.trouble("nonsense")
    for verb in ("state", "halt", "kill", "run"):
        assert attempted(getattr(world.adapter(), verb))


def names_what_it_touches(world: World) -> None:
    """In its own words, without asking anybody."""
    before = world.calls
    adapter = world.adapter()
    assert adapter.usable
    assert adapter.touches() == world.touches
    assert adapter.timeout_s > 0
    assert world.calls == before


def reaches_nothing_and_says_so(world: World) -> None:
    """Every verb is refused in words, names nothing and takes no time."""
    adapter = world.adapter()
    assert not adapter.usable
    for verb in ("state", "halt", "kill", "run"):
        assert "redis_process" in attempted(getattr(adapter, verb))
    assert adapter.timeout_s == 0
    assert adapter.touches() == ()
    assert world.calls == 0


CHECKS: tuple[Callable[[World], None], ...] = (
    halts_and_goes_on,
    kills_and_starts,
    kills_a_halted_one,
    asks_before_each_change,
    says_what_is_refused,
    late_before_the_effect,
    late_after_the_effect,
    half_an_effect,
    believes_no_nonsense,
    names_what_it_touches,
)
CHECKS_NOBODY = (reaches_nothing_and_says_so,)
