"""What a game day does next, from its ledger alone: killed anywhere, no drill twice, none lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.drill.game_day.progress import Progress, Step, progress_of, unfinished

DRILLS = 3


def started(drills: int = DRILLS, **changes: Any) -> dict[str, Any]:
    listed = [{"number": number} for number in range(1, drills + 1)]
    return {"event": "day_started", "t": 100.0, "drills": listed, "identity": "same", **changes}


def begun(number: int, drill_id: str = "") -> dict[str, Any]:
    return {
        "event": "drill_begun",
        "t": 1.0,
        "number": number,
        "drill_id": drill_id or f"d{number}",
    }


def ended(number: int, verdict: str = "PASS", **changes: Any) -> dict[str, Any]:
    outcome = {
        "verdict": verdict, "left": [], "seal": "", "stopped_by": None,
        "digests": {"manifest.json": "ab"},
    }  # fmt: skip
    own = {key: changes.pop(key) for key in tuple(changes) if key in outcome}
    return {
        "event": "drill_ended", "t": 2.0, "number": number, "drill_id": f"d{number}",
        "outcome": outcome | own, **changes,
    }  # fmt: skip


def recovered(number: int, *wrong: str) -> dict[str, Any]:
    return {
        "event": "recovery", "t": 3.0, "number": number, "ok": not wrong, "took_s": 1.0,
        "wrong": list(wrong),
    }  # fmt: skip


def after(*events: dict[str, Any]) -> Progress:
    return progress_of([started(), *events])


PASSED = [one for number in (1, 2, 3) for one in (begun(number), ended(number), recovered(number))]


@pytest.mark.parametrize(
    ("events", "on_fail", "step"),
    [
        ([], "stop", Step("run", 1)),
        ([begun(1)], "stop", Step("settle", 1)),
        ([begun(1), {"event": "drill_never_began", "t": 2.0, "number": 1}], "stop", Step("run", 1)),
        ([begun(1), ended(1)], "stop", Step("recover", 1)),
        (PASSED[:3], "stop", Step("run", 2)),
        (PASSED, "stop", Step("end")),
        ([begun(1), ended(1, "FAIL"), recovered(1)], "go_on", Step("run", 2)),
        ([begun(1), ended(1, "FAIL")], "stop", Step("recover", 1)),
        (
            [begun(1), ended(1, "FAIL"), recovered(1)],
            "stop",
            Step("stop", 1, "on_fail", "drill 1 is FAIL, and on_fail is stop"),
        ),
        # Who aborts the drill means the day.
        (
            [begun(1), ended(1, "ABORTED", stopped_by="operator"), recovered(1)],
            "go_on",
            Step("stop", 1, "operator", "drill 1 was aborted by a person"),
        ),
        # Whoever starts the day again goes on, whatever became of the drill that was cut off.
        ([begun(1), ended(1, "ABORTED", interrupted=True), recovered(1)], "stop", Step("run", 2)),
        # A drill that ended by itself while no day ran is judged as any other.
        (
            [begun(1), ended(1, "FAIL", interrupted=True), recovered(1)],
            "stop",
            Step("stop", 1, "on_fail", "drill 1 is FAIL, and on_fail is stop"),
        ),
        (
            [begun(1), ended(1, "ROLLBACK_FAILED", left=["redis eu"])],
            "go_on",
            Step("stop", 1, "left_changed", "d1 left: redis eu"),
        ),
        ([begun(1), ended(1, left=["x"])], "go_on", Step("stop", 1, "left_changed", "d1 left: x")),
        (
            [begun(1), ended(1), recovered(1, "signals: circuit open")],
            "go_on",
            Step("stop", 1, "not_recovered", "signals: circuit open"),
        ),
        # The last drill has no other after it: nothing is stopped.
        ([*PASSED[:6], begun(3), ended(3, "FAIL"), recovered(3)], "stop", Step("end")),
        (
            [{"event": "day_stopped", "t": 2.0, "by": "signal:SIGTERM", "detail": "received"}],
            "go_on",
            Step("stop", 0, "signal:SIGTERM", "received"),
        ),
        ([*PASSED, {"event": "day_ended", "t": 9.0, "verdict": "PASS"}], "stop", Step("end")),
    ],
)
def test_the_ledger_says_what_is_next(
    events: list[dict[str, Any]], on_fail: str, step: Step
) -> None:
    """Each state of the day has one next step."""
    assert after(*events).next(on_fail) == step


@pytest.mark.parametrize(
    ("events", "verdict", "word"),
    [
        (PASSED, "PASS", "all 3 drills passed"),
        (PASSED[:6], "INCONCLUSIVE", "drill 3 was not run"),
        (PASSED[:-1], "INCONCLUSIVE", "nothing was checked after drill 3"),
        ([*PASSED[:-1], recovered(3, "queue")], "INCONCLUSIVE", "after drill 3: queue"),
        ([*PASSED[:6], begun(3), ended(3, "FAIL"), recovered(3)], "FAIL", "drill 3: FAIL"),
        ([*PASSED[:7], ended(3, seal="altered: x"), recovered(3)], "INCONCLUSIVE", "altered: x"),
        ([*PASSED[:7], ended(3, left=["x"]), recovered(3)], "ROLLBACK_FAILED", "drill 3 left x"),
        ([*PASSED[:7], ended(3, "MADE_UP"), recovered(3)], "INCONCLUSIVE", "drill 3"),
        ([*PASSED[:7], ended(3, digests={}), recovered(3)], "INCONCLUSIVE", "drill 3: no digest"),
        # What the platform's own data stopped is known, and outweighs what is not.
        (
            [*PASSED[3:], begun(1), ended(1, "FAIL", stopped_by="trigger:x"), recovered(1, "y")],
            "FAIL",
            "drill 1: FAIL",
        ),
        ([*PASSED[3:], begun(1), ended(1, "FAIL"), recovered(1, "y")], "INCONCLUSIVE", "y"),
        # Drills that are left out because one failed are not missing: the day failed.
        (
            [
                begun(1), ended(1, "FAIL"), recovered(1),
                {"event": "day_stopped", "t": 2.0, "by": "on_fail", "detail": ""},
            ],
            "FAIL",
            "drill 1: FAIL",
        ),
        # Left out because one failed, and no line shows one that failed.
        *(
            (
                [*PASSED[:3], {"event": "day_stopped", "t": 2.0, "by": by, "detail": "x"}],
                "INCONCLUSIVE",
                "drill 2 was not run",
            )
            for by in ("on_fail", "left_changed")
        ),
        (
            [*PASSED[:3], {"event": "day_stopped", "t": 2.0, "by": "signal:SIGINT", "detail": "x"}],
            "ABORTED",
            "signal:SIGINT",
        ),
    ],
)  # fmt: skip
def test_the_verdict_of_a_day(events: list[dict[str, Any]], verdict: str, word: str) -> None:
    """PASS only if every drill passed with an intact seal and all was as before after each one."""
    found, why = after(*events).verdict_so_far()
    assert found == verdict
    assert word in why


def test_a_day_without_a_drill_has_not_passed() -> None:
    """Nothing was run, so nothing is known."""
    assert progress_of([]).verdict_so_far()[0] == "INCONCLUSIVE"
    assert progress_of([started(0)]).verdict_so_far()[0] == "INCONCLUSIVE"


class Killed(Exception):
    """The day's process is gone."""


@dataclass
class World:
    """What outlives the day's process: its ledger, and the drills that ran."""

    events: list[dict[str, Any]] = field(default_factory=lambda: [started()])
    effects: list[int] = field(default_factory=list)
    verdicts: dict[int, str] = field(default_factory=dict)
    bundles: set[str] = field(default_factory=set)
    lives: int = 0

    def day(self, acts: int) -> bool:
        """One process of the day, killed after `acts` acts; whether the day came to its end."""
        left = acts

        def act() -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1

        def write(event: dict[str, Any]) -> None:
            act()
            self.events.append(event)

        self.lives += 1
        try:
            while True:
                step = progress_of(self.events).next("go_on")
                number = step.number
                if step.kind in ("end", "stop"):
                    return True
                if step.kind == "run":
                    drill_id = f"{number}-{self.lives}"
                    write(begun(number, drill_id))
                    act()  # the process gets the word, and does not need the day any more
                    self.effects.append(number)
                    self.bundles.add(drill_id)
                    write(ended(number, self.verdicts.get(number, "PASS")))
                elif step.kind == "settle":
                    under_way = progress_of(self.events).under_way
                    assert under_way is not None
                    if under_way.drill_id in self.bundles:
                        write(ended(number, "ABORTED", interrupted=True))
                    else:
                        write({"event": "drill_never_began", "t": 2.0, "number": number})
                else:
                    write(recovered(number))
        except Killed:
            return False


@given(
    kills=st.lists(st.integers(0, 12), max_size=8),
    verdicts=st.dictionaries(
        st.integers(1, DRILLS), st.sampled_from(["PASS", "FAIL", "INCONCLUSIVE"])
    ),
)
def test_killed_at_any_point_no_drill_runs_twice_and_none_is_lost(
    kills: list[int], verdicts: dict[int, str]
) -> None:
    """However often the day's process dies, each drill has effects exactly once, in order."""
    world = World(verdicts=verdicts)
    for acts in kills:
        world.day(acts)
    assert world.day(1000)
    assert world.effects == [1, 2, 3]
    progress = progress_of(world.events)
    assert sorted(progress.ended) == sorted(progress.recovered) == [1, 2, 3]
    assert progress.under_way is None
    passes = all(one.verdict == "PASS" for one in progress.ended.values())
    assert (progress.verdict_so_far()[0] == "PASS") is passes


def test_the_newest_unfinished_day_of_the_same_drills_is_continued() -> None:
    """Not an ended one, not one of other drills or settings, not one from long ago."""
    over = [started(t=300.0), {"event": "day_ended", "t": 301.0, "verdict": "PASS"}]
    other = [started(t=310.0, identity="other")]
    assert unfinished([("a", [started()])], "same", 50.0) == "a"
    assert unfinished([("a", [started()]), ("b", [started(t=200.0)])], "same", 50.0) == "b"
    assert unfinished([("a", [started()])], "same", 150.0) == ""
    assert unfinished([("a", over)], "same", 50.0) == ""
    assert unfinished([("a", [started()]), ("b", over)], "same", 50.0) == ""
    assert unfinished([("a", other)], "same", 50.0) == ""
    assert unfinished([("a", [])], "same", 50.0) == ""
