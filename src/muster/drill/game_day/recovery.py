"""The check between two drills: everything as before, and the platform's own signals quiet.

It looks with the checks of preflight (nothing left in an undo log or in the store, regions ready,
weights, toxics, drains, fresh samples, no incident), at the weights that the drill had found, and
at the signals that must be quiet after a fault. All of them must hold at one look, and the signals
through the contract's quiet time. No load runs, so nothing of the load is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from muster.drill.doctor.examined import Examined
from muster.drill.phases import preflight
from muster.drill.sight.quiet import Quiet
from muster.errors import DrillAborted, MusterError
from muster.platform.metrics import believed
from muster.samples.series import NAN, Series, series_of
from muster.targets.declared import QUIET

LOOK_S = 1.0
CHECKS = (
    "leftover_undo",
    "regions_ready",
    "steering",
    "toxics",
    "drain_state",
    "prometheus",
    "incident",
)
"""The checks of preflight that say whether the target is as before a drill."""
TIME_OVER = "the wait was cut short"


@dataclass(frozen=True)
class Recovered:
    """The result. `wrong`: what did not hold at the last look; empty if everything did."""

    took_s: float
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything was as before, in time."""
        return not self.wrong


Look = Callable[[], Sequence[str]]


def await_recovery(
    looking: Examined, weights: Mapping[str, int] | None, seconds_max: float
) -> Recovered:
    """Wait until everything is as before, at most `seconds_max`; a stop of the day ends the wait.

    `weights`: those that the drill found when it began (None: unknown, so not compared).
    """
    return waited(looking, _look_of(looking, weights), seconds_max)


def waited(looking: Examined, look: Look, seconds_max: float) -> Recovered:
    """Call `look` until it finds nothing wrong, at most `seconds_max`."""
    clock = looking.clock
    began_s = clock.monotonic_s()
    wrong: tuple[str, ...] = ("nothing was looked at",)

    def holds() -> bool:
        nonlocal wrong
        wrong = tuple(look())
        return not wrong

    try:
        looking.stop.wait_until(holds, seconds_max, LOOK_S)
    except DrillAborted as error:
        wrong = (*wrong, f"{TIME_OVER}: {error}") if wrong else (f"{TIME_OVER}: {error}",)
    return Recovered(round(clock.monotonic_s() - began_s, 1), wrong)


def _look_of(looking: Examined, weights: Mapping[str, int] | None) -> Look:
    checks = [one for one in preflight.CHECKS if one.name in CHECKS]
    rules = looking.plan.contract
    quiet_s = float(rules.drill.recovery_quiet_s) / looking.plan.time_scale
    stale_s = rules.measurement.gap_s_max(looking.target.prometheus.scrape_interval_s)
    clock, delay_s = looking.clock, looking.target.prometheus.delay_s
    quiet = Quiet(
        regions=tuple(looking.target.regions),
        reasons=rules.triggers.hard_failure.reasons,
        queue_age_s_max=float(looking.plan.gate.queue_age_s_max),
        began_s=clock.now_s() - delay_s,
        signals=[name for name in QUIET if name not in looking.target.declared],
    )

    def look() -> list[str]:
        found: list[str] = []
        for check in checks:
            try:
                said = check.look(looking)
            except DrillAborted as error:
                looking.stop.check()
                said = str(error)
            except MusterError as error:
                said = str(error)
            found += [f"{check.name}: {said}"] if said else []
        found += _weights(looking, weights)
        until_s = clock.now_s() - delay_s
        try:
            quiet.look(lambda signal: _series(looking, signal, quiet_s + stale_s), until_s, stale_s)
        except MusterError as error:
            return [*found, f"signals: {error}"]
        if quiet.signals and quiet.quiet_for_s(until_s) < quiet_s:
            last = quiet.since(until_s - quiet_s)
            found.append(f"signals: {last or f'not yet quiet for {quiet_s:.0f} s'}")
        return found

    return look


def _weights(looking: Examined, before: Mapping[str, int] | None) -> list[str]:
    if before is None:
        return []
    try:
        now = looking.steering.weights()
    except MusterError as error:
        return [f"weights: {error}"]
    return [] if dict(now) == dict(before) else [f"weights: {dict(now)}, before {dict(before)}"]


def _series(looking: Examined, signal: str, window_s: float) -> list[Series]:
    window_s += looking.target.prometheus.delay_s
    found = believed(looking.metrics, signal, looking.target.signals[signal], window_s)
    return [
        series_of(
            signal,
            raw.name,
            raw.labels,
            zip(raw.t_s, (NAN if v is None else v for v in raw.v), strict=True),
        )
        for raw in found
        if raw.t_s
    ]
