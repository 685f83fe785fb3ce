"""The power suite itself: a right adapter passes it; a wrong one fails where it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conformance import power as suite
from conformance.memory import InMemory
from conformance.power import CHECKS, CHECKS_UNSTOPPED, SERVES, World
from conformance.world import REGION, SECRET
from conformance.wrong import assert_found, kinds

from muster.platform.port import Change, PortError, Proof, Touch
from muster.platform.power import Power, PowerState
from muster.platform.power.none import PowerByNobody
from muster.platform.power.registry import POWERS
from muster.targets.model import Region
from muster.targets.power import NoPower

SIZE = 3


class Memory(InMemory, World):
    """Gateways in memory: how many run."""

    def __init__(self, kind: Callable[[Memory], Power]) -> None:
        super().__init__(kind, whole=SIZE, half=1)

    def state(self) -> Any:
        return {0: "off", SIZE: "on"}.get(self.now, "partly")

    def put(self, state: Any) -> None:
        self.now = SIZE if state == "on" else 0

    def paste(self, line: str) -> None:
        self.now = int(line.rpartition(" ")[2])


class Right(Power):
    """An adapter without a fault."""

    timeout_s = 1.0

    def __init__(self, world: Memory) -> None:
        super().__init__(REGION)
        self.world = world

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("commands", "m"),)

    def change(self, *, kill: bool = False) -> Change:
        return Change(f"{self.world.shown()} run", "killed" if kill else "0 run")

    def before(self, *, drained: bool = False) -> dict[str, Any]:
        if not (running := self.world.shown()):
            raise PortError("memory: nothing runs")
        return {"running": running}

    def stop(self) -> None:
        self.world.change(0)

    def kill(self) -> None:
        self.world.change(0)

    def start(self, before: Any) -> None:
        self.world.change(before["running"])

    def state(self, before: Any) -> PowerState | None:
        running = self.world.shown()
        return PowerState(f"{before['running']} run", f"{running} run", running == SIZE)

    def dark(self, look: Any, answered: int | None, others: Any) -> Proof:
        running, seen = self.world.shown(), look()
        return Proof(not running and not seen.listens, f"{running} run", {})

    def command(self, before: Any) -> str | None:
        return f"m start {before['running']}"


class CountsOne(Right):
    """Takes one gateway for all of them."""

    def state(self, before: Any) -> PowerState | None:
        running = self.world.shown()
        return PowerState("some run", f"{running} run", running > 0)


class NeverWhole(Right):
    """Finds something missing where all is there."""

    def state(self, before: Any) -> PowerState | None:
        return PowerState("all run", f"{self.world.shown()} run", False)


class Lazy(Right):
    """Says that it has stopped and does nothing."""

    def stop(self) -> None:
        self.world.shown()


class NeverKills(Right):
    """Says that it can kill and does nothing."""

    def kill(self) -> None:
        self.world.shown()


class StartsOne(Right):
    """Starts one gateway of several."""

    def start(self, before: Any) -> None:
        self.world.change(SIZE if self.world.shown() == SIZE else 1)


class Toggles(Right):
    """Stops what it was told to start, where that runs already."""

    def start(self, before: Any) -> None:
        self.world.change(0 if self.world.shown() == SIZE else SIZE)


class Begins(Right):
    """Begins from a region that is off."""

    def before(self) -> dict[str, Any]:
        return {"running": self.world.shown()}


class Sleeps(Right):
    """Changes what another may own by now."""

    def __init__(self, world: Memory) -> None:
        super().__init__(world)
        world.asks = False


class Talks(Right):
    """Says its secret when it is refused."""

    def stop(self) -> None:
        try:
            super().stop()
        except PortError as error:
            raise PortError(f"{error}: Bearer {SECRET}") from error


class Stutters(Right):
    """Says in several lines why it was refused."""

    def stop(self) -> None:
        try:
            super().stop()
        except PortError as error:
            raise PortError(f"{error}\nand more") from error


class Swallows(Right):
    """Takes a stop that was not answered for one that was made."""

    def stop(self) -> None:
        try:
            super().stop()
        except PortError:
            if self.world.fails != "late before":
                raise


class Remembers(Right):
    """Believes that a stop which raised did nothing, and looks no more."""

    def stop(self) -> None:
        try:
            super().stop()
        except PortError:
            self.world.believed = True
            raise

    def state(self, before: Any) -> PowerState | None:
        shown = super().state(before)
        return PowerState("", "", True) if hasattr(self.world, "believed") else shown


class Believes(Right):
    """Makes something of an answer that it does not understand."""

    def before(self) -> dict[str, Any]:
        return {"running": self.world.now or SIZE} if self.world.fails else super().before()

    def change(self, *, kill: bool = False) -> Change:
        return Change("3 run", "killed" if kill else "0 run")


class Guesses(Right):
    """Takes an answer that it does not understand for a region that is whole."""

    def state(self, before: Any) -> PowerState | None:
        whole = PowerState("3 run", "3 run", True)
        return whole if self.world.fails == "nonsense" else super().state(before)


class Trusts(Right):
    """Takes its own stop for a proof."""

    def stop(self) -> None:
        super().stop()
        self.world.stopped = True

    def dark(self, look: Any, answered: int | None, others: Any) -> Proof:
        look()
        return Proof(hasattr(self.world, "stopped"), "it was stopped", {})


class Switched(Right):
    """Takes its switch's word for a proof."""

    def dark(self, look: Any, answered: int | None, others: Any) -> Proof:
        return Proof(not self.world.shown(), "the switch says so", {})


class Blind(Right):
    """Takes a look that showed nothing for a region that is gone."""

    def dark(self, look: Any, answered: int | None, others: Any) -> Proof:
        try:
            seen = look()
        except PortError:
            return Proof(True, "nothing is to be seen", {})
        return Proof(not self.world.shown() and seen != SERVES, "gone", {})


class Nameless(Right):
    """Names nothing that it touches."""

    def touches(self) -> tuple[Touch, ...]:
        return ()


class Asks(Right):
    """Asks the platform for what it touches."""

    def touches(self) -> tuple[Touch, ...]:
        self.world.shown()
        return super().touches()


class Eager(Right):
    """Asks the platform as soon as it is made."""

    def __init__(self, world: Memory) -> None:
        super().__init__(world)
        world.shown()


class Tells(Right):
    """Says its secret in the line by hand."""

    def command(self, before: Any) -> str | None:
        return f"m --token {SECRET} start {before['running']}"


class HalfALine(Right):
    """Gives a line that starts only a part."""

    def command(self, before: Any) -> str | None:
        return "m start 1"


class Meddles(PowerByNobody):
    """Says that it stops nothing, and kills all the same."""

    def __init__(self, world: Memory) -> None:
        super().__init__(REGION, NoPower(kind="none"))

    def kill(self) -> None:
        """Nothing is said."""


WRONG: dict[Any, tuple[Any, ...]] = {
    NeverWhole: (suite.looks_without_a_change,),
    Lazy: (suite.stops,),
    NeverKills: (suite.kills,),
    StartsOne: (suite.starts_as_it_was,),
    Toggles: (suite.starts_twice,),
    Begins: (suite.refuses_what_is_off,),
    Sleeps: (suite.asks_before_each_change,),
    Talks: (suite.says_what_is_refused,),
    Stutters: (suite.says_what_is_refused,),
    Swallows: (suite.late_before_the_effect,),
    Remembers: (suite.late_after_the_effect,),
    CountsOne: (suite.half_an_effect,),
    Believes: (suite.believes_no_nonsense,),
    Guesses: (suite.believes_no_nonsense,),
    Trusts: (suite.sees_another,),
    Switched: (suite.believes_the_front,),
    Blind: (suite.believes_the_front,),
    Nameless: (suite.names_what_it_touches,),
    Asks: (suite.names_what_it_touches,),
    Eager: (suite.names_what_it_touches,),
    Tells: (suite.tells_a_person,),
    HalfALine: (suite.tells_a_person,),
    Meddles: (suite.stops_nothing_and_says_so,),
}
ALONE = (
    Begins, Sleeps, Swallows, CountsOne, Believes, Guesses, Switched, Blind, Nameless, Asks,
    Tells, HalfALine,
)  # fmt: skip
"""Wrong in one thing that no other check needs: they fail in theirs and pass all others."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_right_adapter_passes(check):
    """The suite asks for nothing that cannot be had."""
    check(Memory(Right))


@pytest.mark.parametrize("kind", WRONG, ids=lambda one: one.__name__)
def test_a_wrong_adapter_fails(kind):
    """Each in the check that is there for it, and where it can in no other."""
    suite_of_it = CHECKS_UNSTOPPED if kind is Meddles else CHECKS
    assert_found(kind, suite_of_it, lambda: Memory(kind), WRONG[kind], ALONE)


def test_every_check_has_failed():
    """No check of the suite is one that cannot fail."""
    found = {check for checks in WRONG.values() for check in checks}
    assert found == {*CHECKS, *CHECKS_UNSTOPPED}


def test_every_kind_of_a_target_has_an_adapter():
    """The registry and the target's model name the same kinds."""
    assert kinds(Region.model_fields["power"].annotation) == set(POWERS)
