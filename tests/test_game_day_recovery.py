"""The check between two drills: it waits for what is as before, and names what is not."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from drill_runner import TARGET
from held_clock import HeldClock

from muster import targets
from muster.contract import load
from muster.drill.game_day import recovery
from muster.drill.game_day.recovery import CHECKS, await_recovery, waited
from muster.drill.phases import preflight
from muster.drill.stop import StopFlag, StopReason
from muster.home import root
from muster.platform.metrics import MetricsError, RawSeries

REGIONS = ("eu-west-1", "eu-central-1")
WEIGHTS = {"eu-west-1": 50, "eu-central-1": 50}


class Platform:
    """Samples of now, and the weights; `noise(signal, seconds)` gives the value of a sample."""

    def __init__(self, clock: HeldClock) -> None:
        self.clock = clock
        self.weights_now = dict(WEIGHTS)
        self.noise = {"circuit_open": 0.0, "queue_age": 0.0, "admission_failures": 7.0}
        self.silent: set[str] = set()

    def raw(self, signal: str, selector: str, window_s: float, *at: float) -> list[RawSeries]:
        if signal in self.silent:
            return []
        labels = {"route": "primary", "reason": "redis_unavailable"}
        now, value = (self.clock.now_s(),), (self.noise[signal],)
        return [RawSeries(signal, signal, {**labels, "region": one}, now, value) for one in REGIONS]

    def weights(self) -> dict[str, int]:
        return self.weights_now


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def platform(clock: HeldClock) -> Platform:
    return Platform(clock)


@pytest.fixture
def looking(clock: HeldClock, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A looker on that platform, on which preflight's own checks hold."""
    contract = load(root() / "contract" / "phase5.yaml")
    held = tuple(preflight.Check(name, lambda looked: "") for name in CHECKS)
    monkeypatch.setattr(preflight, "CHECKS", held)
    return SimpleNamespace(
        plan=SimpleNamespace(contract=contract, time_scale=30.0, gate=contract.gates["M3"]),
        target=targets.load(str(TARGET)),
        metrics=platform,
        steering=platform,
        stop=StopFlag(clock),
        clock=clock,
    )


def quiet_s(looking: Any) -> float:
    return float(looking.plan.contract.drill.recovery_quiet_s) / looking.plan.time_scale


def test_a_quiet_platform_is_as_before_after_the_quiet_time(looking: Any) -> None:
    """Not at the first look: quiet is what stays quiet."""
    found = await_recovery(looking, WEIGHTS, 60.0)
    assert found.ok
    assert found.took_s >= quiet_s(looking)


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        ("circuit_open", "circuit of route primary open in eu-west-1"),
        ("queue_age", "queue of eu-west-1 over"),
        ("admission_failures", "redis_unavailable increased in eu-west-1"),
    ],
)
def test_a_signal_that_is_not_quiet_in_time_is_named(
    looking: Any, clock: HeldClock, platform: Platform, signal: str, words: str
) -> None:
    """A queue over the gate's limit, an open circuit, a hard failure that goes on."""

    def louder(_: float) -> None:
        platform.noise[signal] += 100.0

    clock.on_wait = louder
    found = await_recovery(looking, WEIGHTS, 20.0)
    assert not found.ok
    assert any(words in one for one in found.wrong)
    assert found.took_s >= 20.0


def test_a_platform_that_becomes_quiet_in_time_is_as_before(
    looking: Any, clock: HeldClock, platform: Platform
) -> None:
    """The breaker closes after five seconds."""
    platform.noise["circuit_open"] = 1.0

    def closes(passed_s: float) -> None:
        platform.noise["circuit_open"] = 1.0 if passed_s < 5.0 else 0.0

    clock.on_wait = closes
    found = await_recovery(looking, WEIGHTS, 60.0)
    assert found.ok
    assert found.took_s >= 5.0 + quiet_s(looking) - 1.0


def test_no_data_is_not_quiet(looking: Any, platform: Platform) -> None:
    """A signal that vanished is unknown."""
    platform.silent.add("queue_age")
    found = await_recovery(looking, WEIGHTS, 10.0)
    assert any("no data of queue_age" in one for one in found.wrong)


def test_weights_must_be_those_that_the_drill_found(looking: Any, platform: Platform) -> None:
    """Whoever moved them: the day does not go on over it. Unknown weights are not compared."""
    platform.weights_now = {"eu-west-1": 40, "eu-central-1": 60}
    found = await_recovery(looking, WEIGHTS, 10.0)
    assert any(one.startswith("weights: ") for one in found.wrong)
    assert await_recovery(looking, None, 60.0).ok


def test_a_check_of_preflight_that_fails_is_named(
    looking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that cannot look."""

    def cannot(looked: Any) -> str:
        raise MetricsError("no answer")

    checks = (
        preflight.Check("toxics", lambda looked: "eu-west-1 redis: toxics ['slow']"),
        preflight.Check("incident", cannot),
        preflight.Check("headroom", lambda looked: "not asked: no load runs"),
    )
    monkeypatch.setattr(preflight, "CHECKS", checks)
    found = await_recovery(looking, WEIGHTS, 5.0)
    assert found.wrong == ("toxics: eu-west-1 redis: toxics ['slow']", "incident: no answer")


def test_every_named_check_is_one_of_preflight() -> None:
    """A check that is renamed there would no longer be made here."""
    assert set(CHECKS) <= {one.name for one in preflight.CHECKS}


def test_a_stop_of_the_day_ends_the_wait(looking: Any, clock: HeldClock) -> None:
    """What was not known to be as before stays so."""

    def stop(_: float) -> None:
        looking.stop.set(StopReason("signal:SIGINT", "ABORTED", "received", clock.now_s()))

    clock.on_wait = stop
    found = await_recovery(looking, WEIGHTS, 60.0)
    assert not found.ok
    assert "cut short: signal:SIGINT" in found.wrong[-1]
    assert found.took_s < 60.0


def test_a_look_that_never_came_has_not_held(looking: Any) -> None:
    """Fail closed, whatever the look does."""
    looks: list[Sequence[str]] = []
    found = waited(looking, lambda: looks.append(()) or ["x"], 3.0)  # type: ignore[func-returns-value]
    assert found.wrong == ("x",)
    assert recovery.Recovered(0.0, ("nothing was looked at",)).ok is False
