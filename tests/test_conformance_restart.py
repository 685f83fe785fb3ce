"""The suite of the restart port can fail: each check finds an adapter that is wrong in its way."""

from __future__ import annotations

from typing import Any

import pytest
from conformance import restart as suite
from conformance.memory import InMemory
from conformance.restart import CHECKS, CHECKS_NOBODY, World
from conformance.world import SECRET, Trouble
from conformance.wrong import assert_found, kinds

from muster import effects
from muster.platform.port import PortError, Touch
from muster.platform.restart import Restart
from muster.platform.restart.none import RestartByNobody
from muster.platform.restart.registry import RESTARTS
from muster.targets.model import ToxiproxyAccess
from muster.targets.restart import NoRestart


class Memory(InMemory, World):
    """A server in memory: whether it answers, and how often it was started."""

    def __init__(self, kind: Any) -> None:
        super().__init__(kind, whole=False, half=False)
        self.begun = 0

    @property
    def restarts(self) -> int:
        return self.begun

    def answers(self) -> bool:
        return bool(self.now)

    def put_back(self) -> None:
        self.now = True

    def paste(self, line: str) -> None:
        self.now = line.endswith("restart")
        self.begun += 1

    def restart(self) -> None:
        """One restart by the adapter."""
        if self.asks:
            effects.ask()
        self.begun += self.fails in (None, "late after")
        self.change(self.now if self.fails == "nonsense" else True)


class Right(Restart):
    """An adapter without a fault."""

    timeout_s = 1.0

    def __init__(self, world: Memory) -> None:
        super().__init__()
        self.world = world

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("commands", "m"),)

    def restart(self) -> None:
        self.world.restart()

    def command(self) -> str | None:
        return "m restart"


class Swallows(Right):
    """Takes a restart that failed in its way for one that went well."""

    ways: tuple[Trouble, ...] = ()

    def restart(self) -> None:
        try:
            super().restart()
        except PortError:
            if self.world.fails not in self.ways:
                raise


class Refused(Swallows):
    """Says nothing of a refusal."""

    ways = ("refuses",)


class Impatient(Swallows):
    """Says nothing of an answer that did not come."""

    ways = ("late before",)


class Halfway(Swallows):
    """Takes an end without a start for a restart."""

    ways = ("half",)


class Believes(Swallows):
    """Takes an answer that it does not understand for a restart."""

    ways = ("nonsense",)


class Lazy(Right):
    """Says that it has restarted and does nothing."""

    def restart(self) -> None:
        self.world.asked += 1


class Once(Right):
    """Restarts no server a second time."""

    def restart(self) -> None:
        if not self.world.begun:
            super().restart()


class Toggles(Right):
    """Stops a server that answers."""

    def restart(self) -> None:
        if self.world.now and not self.world.begun:
            self.world.now = False
        else:
            super().restart()


class GivesUp(Right):
    """Ends the server for good where an answer came late."""

    def restart(self) -> None:
        try:
            super().restart()
        except PortError:
            if self.world.fails == "late after":
                self.world.now = False
            raise


class Sleeps(Right):
    """Changes what another may own by now."""

    def __init__(self, world: Memory) -> None:
        super().__init__(world)
        world.asks = False


class Talks(Right):
    """Says its secret when it is refused."""

    def restart(self) -> None:
        try:
            super().restart()
        except PortError as error:
            raise PortError(f"{error}: Bearer {SECRET}") from error


class Stutters(Right):
    """Says in several lines why it was refused."""

    def restart(self) -> None:
        try:
            super().restart()
        except PortError as error:
            raise PortError(f"{error}\nand more") from error


class Nameless(Right):
    """Names nothing that it touches."""

    def touches(self) -> tuple[Touch, ...]:
        return ()


class Asks(Right):
    """Asks the platform for what it touches."""

    def touches(self) -> tuple[Touch, ...]:
        self.world.asked += 1
        return super().touches()


class Eager(Right):
    """Asks the platform as soon as it is made."""

    def __init__(self, world: Memory) -> None:
        super().__init__(world)
        world.asked += 1


class Endless(Right):
    """Says no bound in time."""

    timeout_s = 0.0


class Tells(Right):
    """Says its secret in the line by hand."""

    def command(self) -> str | None:
        return f"m --token {SECRET} restart"


class HalfALine(Right):
    """Gives a line that only ends the server."""

    def command(self) -> str | None:
        return "m stop"


class Meddles(RestartByNobody):
    """Says that nobody restarts it, and pretends all the same."""

    def __init__(self, world: Memory) -> None:
        super().__init__(NoRestart())

    def restart(self) -> None:
        """Nothing is said."""


WRONG: dict[Any, tuple[Any, ...]] = {
    Lazy: (suite.restarts,),
    Once: (suite.restarts_twice,),
    Toggles: (suite.restarts_after_another,),
    Refused: (suite.says_what_is_refused,),
    Sleeps: (suite.asks_before_each_change,),
    Talks: (suite.says_what_is_refused,),
    Stutters: (suite.says_what_is_refused,),
    Impatient: (suite.late_before_the_effect,),
    GivesUp: (suite.late_after_the_effect,),
    Halfway: (suite.half_an_effect,),
    Believes: (suite.believes_no_nonsense,),
    Nameless: (suite.names_what_it_touches,),
    Asks: (suite.names_what_it_touches,),
    Eager: (suite.names_what_it_touches,),
    Endless: (suite.names_what_it_touches,),
    Tells: (suite.tells_a_person,),
    HalfALine: (suite.tells_a_person,),
    Meddles: (suite.restarts_nothing_and_says_so,),
}
ALONE = tuple(kind for kind in WRONG if kind not in (Lazy, Talks, Stutters))
"""Wrong in one thing that no other check needs: they fail in theirs and pass all others."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_right_adapter_passes(check):
    """The suite asks for nothing that cannot be had."""
    check(Memory(Right))


@pytest.mark.parametrize("kind", WRONG, ids=lambda one: one.__name__)
def test_a_wrong_adapter_fails(kind):
    """Each in the check that is there for it, and where it can in no other."""
    suite_of_it = CHECKS_NOBODY if kind is Meddles else CHECKS
    assert_found(kind, suite_of_it, lambda: Memory(kind), WRONG[kind], ALONE)


def test_every_check_has_failed():
    """No check of the suite is one that cannot fail."""
    found = {check for checks in WRONG.values() for check in checks}
    assert found == {*CHECKS, *CHECKS_NOBODY}


def test_every_kind_of_a_target_has_an_adapter():
    """The registry and the target's model name the same kinds."""
    assert kinds(ToxiproxyAccess.model_fields["restart"].annotation) == set(RESTARTS)
