"""Which step brings a primary back, by what Sentinel and the servers show; a stand-in for both.

The real ones are in test_testbed_sentinel.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from held_clock import HeldClock

from muster.faults import FaultError
from muster.faults.redis_fail_back import FAIL_BACK_S_MAX, STEADY_S, fail_back, why_not_whole
from muster.faults.redis_pair import Server, Sight

HERE, THERE = ("127.0.0.1", 1), ("127.0.0.1", 2)
PRIMARY = Server("master", "here", False, 1)
OTHER = Server("master", "there", False, 0)
IN_STEP = Server("slave", "here", True, 0)


WHOLE = Sight(HERE, False, (THERE,), 1)


@dataclass
class Pair:
    """What is asked and told; `follows` and `promotes` are what comes of it."""

    seen: Sight = WHOLE
    servers: dict[Any, Server] = field(
        default_factory=lambda: {HERE: PRIMARY, THERE: replace(IN_STEP, run_id="there")}
    )
    path: str = "here"
    deaf: int = 0
    told: list[Any] = field(default_factory=list)

    def sight(self) -> Sight:
        if self.deaf:
            self.deaf -= 1
            raise FaultError("no answer")
        return self.seen

    def on_the_path(self) -> Server:
        return next(one for one in self.servers.values() if one.run_id == self.path)

    def server(self, address: Any) -> Server:
        return self.servers[address]

    def follow(self, address: Any, primary: Any) -> None:
        self.told.append(("follow", address, primary))
        one = self.servers[address]
        self.servers[address] = replace(one, role="slave", linked=True, followers=0)
        other = self.servers[primary]
        self.servers[primary] = replace(other, followers=1)

    def fail_over(self) -> None:
        self.told.append("fail over")
        self.seen = Sight(HERE, False, (THERE,), 1)
        self.servers[HERE] = replace(PRIMARY, followers=0)
        self.path = "here"


def test_nothing_is_done_where_nothing_is_to_do() -> None:
    """It looks for a while, since Sentinel acts on what it saw a moment ago."""
    clock, pair = HeldClock(), Pair()
    fail_back(pair, HERE, clock)  # type: ignore[arg-type]
    assert pair.told == []
    assert STEADY_S <= clock.passed_s < STEADY_S + 1


def test_it_follows_is_promoted_and_the_other_follows_it() -> None:
    """In this order, from a server that was started empty."""
    pair = Pair(
        Sight(THERE, False, (HERE,), 1), {HERE: replace(PRIMARY, followers=0), THERE: OTHER}
    )
    pair.path = "there"
    fail_back(pair, HERE, HeldClock())  # type: ignore[arg-type]
    assert pair.told == [("follow", HERE, THERE), "fail over", ("follow", THERE, HERE)]


def test_it_waits_for_sentinel_and_for_answers() -> None:
    """Nothing is told while a promotion is under way, or while nobody answers."""
    clock = HeldClock()
    pair = Pair(Sight(HERE, True, (THERE,), 1), deaf=5)

    def settle(passed_s: float) -> None:
        if passed_s > 4:
            pair.seen = replace(pair.seen, busy=False)

    clock.on_wait = settle
    fail_back(pair, HERE, clock)  # type: ignore[arg-type]
    assert pair.told == []
    assert clock.passed_s == pytest.approx(4 + STEADY_S, abs=0.5)


def test_it_is_not_promoted_before_it_is_in_step() -> None:
    """What the other one has would be lost."""
    clock = HeldClock()
    late = replace(IN_STEP, linked=False)
    pair = Pair(Sight(THERE, False, (HERE,), 1), {HERE: late, THERE: OTHER}, "there")
    with pytest.raises(FaultError, match=f"not back after {FAIL_BACK_S_MAX:g} s"):
        fail_back(pair, HERE, clock)  # type: ignore[arg-type]
    assert pair.told == []
    assert clock.passed_s <= FAIL_BACK_S_MAX + 1


def test_without_an_answer_it_ends_with_the_reason() -> None:
    """A Sentinel that is gone: told, and never taken for back."""
    with pytest.raises(FaultError, match="no answer"):
        fail_back(Pair(deaf=10_000), HERE, HeldClock())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"seen": Sight(THERE, False, (HERE,), 1)}, "127.0.0.1:2 is the primary"),
        ({"seen": Sight(HERE, True, (THERE,), 1)}, "is about to change it"),
        ({"seen": Sight(HERE, False, (THERE,), 0)}, "Sentinel reaches no replica"),
        ({"servers": {HERE: IN_STEP}}, "the server is a slave"),
        ({"servers": {HERE: replace(PRIMARY, followers=0)}}, "it has no replica"),
        ({"servers": {HERE: PRIMARY, THERE: OTHER}, "path": "there"}, "another server"),
    ],
)
def test_each_part_that_is_not_whole_is_named(change: dict[str, Any], why: str) -> None:
    """One of them is enough."""
    found = why_not_whole(Pair(**change), HERE)  # type: ignore[arg-type]
    assert why in found
    assert bool(found) is bool(why)
