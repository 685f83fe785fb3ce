"""What every power adapter must do: the same checks, whatever stands behind it.

A `World` is the region that an adapter stops and starts, with a way to look at it and to change it
that is not the adapter's own, and with the ways in which such a region misbehaves. `CHECKS` are the
suite; `CHECKS_UNSTOPPED` are that of an adapter which stops nothing.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal, NoReturn

import pytest

from conformance.world import REGION, SECRET, Outside, attempted, taken_away
from muster.platform.looks import Look
from muster.platform.port import PortError
from muster.platform.power import Power

State = Literal["on", "off", "partly"]
SERVES = Look("answer", "answers 200", 200)
REFUSES = Look("refused", "refuses connections")


class World(Outside):
    """A region that is on."""

    kills = True
    by_hand = True
    """Whether a person can start it by a line."""

    @abstractmethod
    def adapter(self) -> Power:
        """A new adapter of this world, as another process would make it."""

    @abstractmethod
    def state(self) -> State:
        """What is there, looked at from outside; `on` only if it is all as it was at first."""

    @abstractmethod
    def put(self, state: Literal["on", "off"]) -> None:
        """Somebody else starts or stops it."""

    def look(self) -> Look:
        """The region's ready_url as it answers now."""
        return REFUSES if self.state() == "off" else SERVES


def kept(before: dict[str, Any]) -> dict[str, Any]:
    """What another process reads from the undo log."""
    found: dict[str, Any] = json.loads(json.dumps(before))
    return found


def proven(world: World, look: Callable[[], Look] | None = None) -> bool:
    """Whether a new adapter says that the region is dark."""
    return world.adapter().dark(look or world.look, 200, lambda: True).proven


def whole(world: World, before: dict[str, Any]) -> bool:
    """Whether a new adapter says that all of the region is there."""
    shown = world.adapter().state(before)
    assert shown is not None
    assert shown.expected
    assert shown.shown
    return shown.whole


def looks_without_a_change(world: World) -> None:
    """What is on is shown as whole and not as dark; looking changes nothing."""
    power = world.adapter()
    before = kept(power.before())
    assert power.stops
    assert whole(world, before)
    assert not proven(world)
    for change in (power.change(), power.change(kill=True)):
        assert change.before
        assert change.after
        assert change.before != change.after
    assert world.state() == "on"


def stops(world: World) -> None:
    """Stopped, seen to be dark, and shown as not whole."""
    power = world.adapter()
    before = kept(power.before())
    power.stop()
    assert world.state() == "off"
    assert proven(world)
    assert not whole(world, before)


def kills(world: World) -> None:
    """Killed, or refused with its reason before anything is done."""
    power = world.adapter()
    before = kept(power.before())
    assert bool(power.why_not_kill()) == (not world.kills)
    if world.kills:
        power.kill()
        assert world.state() == "off"
        assert proven(world)
        world.adapter().start(before)
    assert world.state() == "on"


def starts_as_it_was(world: World) -> None:
    """Another process starts it from what the undo log kept, and all of it is there."""
    before = kept(world.adapter().before())
    world.adapter().stop()
    assert world.state() == "off"
    world.adapter().start(before)
    assert world.state() == "on"
    assert whole(world, before)
    assert not proven(world)


def starts_twice(world: World) -> None:
    """Started again, and started though it was never stopped: it stays on."""
    before = kept(world.adapter().before())
    world.adapter().start(before)
    assert world.state() == "on"
    world.adapter().stop()
    for _ in range(2):
        world.adapter().start(before)
        assert world.state() == "on"


def refuses_what_is_off(world: World) -> None:
    """Somebody else has stopped it already: it cannot be known what to go back to."""
    world.put("off")
    with pytest.raises(PortError):
        world.adapter().before()


def asks_before_each_change(world: World) -> None:
    """Whoever may have lost the target changes nothing of it."""
    before = kept(world.adapter().before())
    with taken_away():
        world.adapter().stop()
    if world.kills:
        with taken_away():
            world.adapter().kill()
    assert world.state() == "on"
    world.adapter().stop()
    with taken_away():
        world.adapter().start(before)
    assert world.state() == "off"


def says_what_is_refused(world: World) -> None:
    """The platform refuses: nothing changes, and one line without a secret says so."""
    world.trouble("refuses")
    assert attempted(world.adapter().stop)
    assert world.state() == "on"


def late_before_the_effect(world: World) -> None:
    """No answer, and nothing was done: an error, and it is on as before."""
    before = kept(world.adapter().before())
    world.trouble("late before")
    assert attempted(world.adapter().stop)
    world.trouble(None)
    assert world.state() == "on"
    assert whole(world, before)
    assert not proven(world)
    world.adapter().start(before)
    assert world.state() == "on"


def late_after_the_effect(world: World) -> None:
    """No answer, and all was done: whether it raises or not, what is there is seen and started."""
    before = kept(world.adapter().before())
    world.trouble("late after")
    attempted(world.adapter().stop)
    world.trouble(None)
    assert world.state() == "off"
    assert proven(world)
    assert not whole(world, before)
    world.adapter().start(before)
    assert world.state() == "on"


def half_an_effect(world: World) -> None:
    """Half of it was stopped: neither dark nor whole, and it is started all the same."""
    before = kept(world.adapter().before())
    world.trouble("half")
    attempted(world.adapter().stop)
    world.trouble(None)
    assert world.state() == "partly"
    assert not proven(world)
    assert not whole(world, before)
    world.adapter().start(before)
    assert world.state() == "on"


def believes_no_nonsense(world: World) -> None:
    """An answer of the wrong shape is an error: neither on, nor whole, nor stopped."""
    before = kept(world.adapter().before())
    world.put("off")
    world.trouble("nonsense")
    power = world.adapter()
    for look in (power.before, power.change):
        with pytest.raises(PortError):
            look()
    try:
        shown = power.state(before)
    except PortError:
        return
    assert shown is not None
    assert not shown.whole


def sees_another(world: World) -> None:
    """Somebody else starts what the drill stopped, or stops what it started."""
    before = kept(world.adapter().before())
    world.adapter().stop()
    world.put("on")
    assert not proven(world)
    assert whole(world, before)
    world.put("off")
    assert not whole(world, before)


def believes_the_front(world: World) -> None:
    """A region that still answers is not dark, whatever its switch says; a blind look is none."""
    world.adapter().before()
    world.adapter().stop()
    assert world.state() == "off"
    assert not proven(world, lambda: SERVES)

    def blind() -> NoReturn:
        raise PortError("its name does not resolve")

    with pytest.raises(PortError):
        proven(world, blind)


def names_what_it_touches(world: World) -> None:
    """In its own words, without asking anybody."""
    before = world.calls
    power = world.adapter()
    assert power.region == REGION
    assert power.touches() == world.touches
    assert power.unusable() is None
    assert power.why_not_kill() == "" or not world.kills
    assert power.timeout_s > 0
    assert power.look_s_max >= 0
    assert power.ready_s_max > 0
    assert world.calls == before


def tells_a_person(world: World) -> None:
    """The line by hand starts it as it was, and holds no secret."""
    power = world.adapter()
    before = kept(power.before())
    power.stop()
    line = world.adapter().command(before)
    assert (line is not None) == world.by_hand
    if line is not None:
        assert "\n" not in line
        assert SECRET not in line
        world.paste(line)
        assert world.state() == "on"


def stops_nothing_and_says_so(world: World) -> None:
    """Every word of it says that the region is not stopped; a loss is refused."""
    power = world.adapter()
    assert not power.stops
    assert not power.own_samples
    before = kept(power.before())
    power.stop()
    assert world.state() == "on"
    assert "not stopped" in power.dark(world.look, 200, lambda: True).why
    assert power.change().before == "on"
    assert power.why_not_kill()
    with pytest.raises(PortError):
        power.kill()
    power.start(before)
    assert world.state() == "on"
    assert power.state(before) is None
    assert power.touches() == ()
    assert (power.command(before) or "").startswith("#")
    assert power.ready_s_max > 0
    assert world.calls == 0


CHECKS: tuple[Callable[[World], None], ...] = (
    looks_without_a_change,
    stops,
    kills,
    starts_as_it_was,
    starts_twice,
    refuses_what_is_off,
    asks_before_each_change,
    says_what_is_refused,
    late_before_the_effect,
    late_after_the_effect,
    half_an_effect,
    believes_no_nonsense,
    sees_another,
    believes_the_front,
    names_what_it_touches,
    tells_a_person,
)
CHECKS_UNSTOPPED = (stops_nothing_and_says_so,)
