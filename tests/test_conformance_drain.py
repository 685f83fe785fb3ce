"""The drain suite itself: a right adapter passes it; a wrong one fails where it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
from conformance import drain as suite
from conformance.drain import CHECKS, CHECKS_UNASKED, World
from conformance.memory import InMemory
from conformance.world import REGION, SECRET
from conformance.wrong import assert_found, kinds

from muster.platform.drain import Drain
from muster.platform.drain.none import DrainByNobody
from muster.platform.drain.registry import DRAINS
from muster.platform.port import PortError, Touch
from muster.targets import drain as models


class Memory(InMemory, World):
    """A state in memory."""

    def __init__(self, kind: Callable[[Memory], Drain]) -> None:
        super().__init__(kind, whole="serving", half="mixed")

    def state(self) -> Any:
        return self.now

    def put(self, state: Any) -> None:
        self.now = state

    def paste(self, line: str) -> None:
        self.now = line.rpartition(" ")[2]


class Right(Drain):
    """An adapter without a fault."""

    timeout_s = 1.0

    def __init__(self, world: Memory) -> None:
        super().__init__(REGION)
        self.world = world

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("commands", "m"),)

    def ask(self, state: Any) -> None:
        self.world.change(state)

    def shown(self) -> str:
        return self.world.shown()

    def command(self) -> str | None:
        return "m drain serving"


class TwoStates(Right):
    """Shows `draining` for anything but serving."""

    def shown(self) -> str:
        shown = super().shown()
        return "draining" if shown in ("closing", "draining") else shown


class Lazy(Right):
    """Says that it has asked and does nothing."""

    def ask(self, state: Any) -> None:
        if state == "serving" or self.world.fails:
            super().ask(state)


class Toggles(Right):
    """Drains what it was told to take back, where nothing drains."""

    def ask(self, state: Any) -> None:
        serves = self.world.now == state == "serving" and hasattr(self.world, "drained")
        self.world.drained = True
        super().ask("draining" if serves else state)


class Sleeps(Right):
    """Changes what another may own by now."""

    def __init__(self, world: Memory) -> None:
        super().__init__(world)
        world.asks = False


class Talks(Right):
    """Says its secret when it is refused."""

    def ask(self, state: Any) -> None:
        try:
            super().ask(state)
        except PortError as error:
            raise PortError(f"{error}: Bearer {SECRET}") from error


class Swallows(Right):
    """Takes what was not answered for what was done."""

    def ask(self, state: Any) -> None:
        try:
            super().ask(state)
        except PortError:
            if self.world.fails != "late before":
                raise


class Remembers(Right):
    """Believes that a call which raised in the end did nothing."""

    def ask(self, state: Any) -> None:
        try:
            super().ask(state)
        except PortError:
            self.world.believed = self.world.fails == "late after"
            raise

    def shown(self) -> str:
        return "serving" if getattr(self.world, "believed", False) else super().shown()


class CountsOne(Right):
    """Takes one part for the whole."""

    def shown(self) -> str:
        shown = super().shown()
        return "draining" if shown == "mixed" else shown


class Believes(Right):
    """Makes something of an answer that it does not understand."""

    def shown(self) -> str:
        return "serving" if self.world.fails == "nonsense" else super().shown()


class Keeps(Right):
    """Shows what it asked for, whatever became of it."""

    def ask(self, state: Any) -> None:
        super().ask(state)
        self.world.kept = state

    def shown(self) -> str:
        return getattr(self.world, "kept", None) or super().shown()


class Nameless(Right):
    """Names nothing that it touches."""

    def touches(self) -> tuple[Touch, ...]:
        return ()


class Eager(Right):
    """Asks the platform as soon as it is made."""

    def __init__(self, world: Memory) -> None:
        super().__init__(world)
        world.shown()


class Tells(Right):
    """Says its secret in the line by hand."""

    def command(self) -> str | None:
        return f"m --token {SECRET} drain serving"


class WrongLine(Right):
    """Gives a line that leaves the drain as it is."""

    def command(self) -> str | None:
        return "m drain closing"


class Pretends(DrainByNobody):
    """Takes a drain that nobody was asked for."""

    def __init__(self, world: Memory) -> None:
        super().__init__(REGION)

    def ask(self, state: Any) -> None:
        """Nothing is said."""


WRONG: dict[Any, Any] = {
    TwoStates: suite.shows_what_stands,
    Lazy: suite.asks,
    Toggles: suite.takes_back_twice,
    Sleeps: suite.asks_before_each_change,
    Talks: suite.says_what_is_refused,
    Swallows: suite.late_before_the_effect,
    Remembers: suite.late_after_the_effect,
    CountsOne: suite.half_an_effect,
    Believes: suite.believes_no_nonsense,
    Keeps: suite.sees_another,
    Nameless: suite.names_what_it_touches,
    Eager: suite.names_what_it_touches,
    Tells: suite.tells_a_person,
    WrongLine: suite.tells_a_person,
    Pretends: suite.asks_nobody_and_says_so,
}
ALONE = (
    Toggles, Sleeps, Swallows, Remembers, CountsOne, Believes, Keeps, Nameless, Eager, Tells,
    WrongLine,
)  # fmt: skip
"""Wrong in one thing that no other check needs: they fail in theirs and pass all others."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_right_adapter_passes(check):
    """The suite asks for nothing that cannot be had."""
    check(Memory(Right))


@pytest.mark.parametrize("kind", WRONG, ids=lambda one: one.__name__)
def test_a_wrong_adapter_fails(kind):
    """Each in the check that is there for it, and where it can in no other."""
    suite_of_it = CHECKS_UNASKED if kind is Pretends else CHECKS
    assert_found(kind, suite_of_it, lambda: Memory(kind), {WRONG[kind]}, ALONE)


def test_every_check_has_failed():
    """No check of the suite is one that cannot fail."""
    assert set(WRONG.values()) == {*CHECKS, *CHECKS_UNASKED}


def test_every_kind_of_a_target_has_an_adapter():
    """The registry and the target's model name the same kinds."""
    assert kinds(get_args(models.Drain)[0]) == set(DRAINS)
