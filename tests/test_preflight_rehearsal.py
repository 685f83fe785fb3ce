"""Which of a drill's changes are rehearsed before the first one is made."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from muster.drill.phases import preflight
from muster.drill.plan.outline import Step
from muster.drill.stop import StopFlag


def fault(kind: str, subject: str, refused: str = "") -> SimpleNamespace:
    asked: list[str] = []

    def rehearse() -> tuple[str, ...]:
        asked.append(kind)
        return (refused,) if refused else ()

    return SimpleNamespace(kind=kind, subject=subject, rehearse=rehearse, asked=asked)


def session() -> SimpleNamespace:
    """A drill that nobody stops."""
    return SimpleNamespace(stop=StopFlag())


@pytest.fixture
def steps(monkeypatch):
    """The steps of a drill, which a test fills."""
    found: list[Step] = []
    monkeypatch.setattr(preflight, "_steps", lambda session: tuple(found))
    return found


def test_each_kind_of_fault_is_rehearsed_on_each_subject(steps):
    """Two of one subject need rights of their own, as a loss needs more than a stop."""
    stop, loss = fault("stop", "eu"), fault("loss", "eu", "no right to delete pods")
    elsewhere, again = fault("stop", "us"), fault("stop", "eu", "never asked")
    steps += [Step("a", "", (stop,)), Step("b", "", (loss, elsewhere)), Step("c", "", (again,))]
    assert preflight.rehearsed(session()) == "no right to delete pods"
    assert (stop.asked, loss.asked, elsewhere.asked) == (["stop"], ["loss"], ["stop"])
    assert again.asked == []


def test_what_takes_a_fault_back_is_not_rehearsed_as_one(steps):
    """It is the inverse of one that was."""
    steps.append(Step("back", "", (fault("stop", "eu", "never asked"),), back=True))
    assert preflight.rehearsed(session()) == ""


def test_a_long_rehearsal_is_seen_to_go_on(steps, monkeypatch):
    """Each may take as long as a cluster's pace lets it: the watchdog must not end the drill."""
    one = session()
    looks: list[str] = []
    monkeypatch.setattr(one.stop, "check", lambda: looks.append("look"))
    steps += [Step("a", "", (fault("stop", "eu"), fault("loss", "eu"), fault("stop", "us")))]
    preflight.rehearsed(one)
    assert looks == ["look"] * 3
