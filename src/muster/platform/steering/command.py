"""Steers traffic by the target's own command, for a load balancer that Muster does not know.

`argv weights` answers {"weights": {REGION: n, …}, "rest": {REGION: text, …}}; `argv set REGION=n …`
sets all of them. `rest` is optional: whatever else must stay unchanged, so that a change by
somebody else is noticed. docs/command.md has an example.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from muster.aws import Pace
from muster.clock import SYSTEM_CLOCK, Clock
from muster.documents import Document
from muster.errors import BadInput
from muster.platform.command import ByCommand, Command, Temporary, TimedOut
from muster.platform.steering.model import (
    Check,
    RegionWeights,
    Saved,
    Steering,
    SteeringError,
    Trial,
    as_steering,
    no_check,
    not_told,
)
from muster.platform.steering.parts import Shown, Snapshot, Weights, weights_of
from muster.targets.steering import CommandSteering as Settings

AWAY = (Temporary, TimedOut)
"""A command that was killed waited for an API that does not answer."""


class WeightsAnswer(Document):
    """What `weights` answers."""

    weights: dict[str, Annotated[int, Field(ge=0)]]
    rest: dict[str, Annotated[str, Field(max_length=1000)]] = Field(default={})


class CommandSteering(ByCommand, Steering):
    """One part for each region: the command reads and sets the weights of all regions."""

    def __init__(
        self,
        settings: Settings,
        regions: tuple[str, ...],
        stand_in: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._command = Command(settings.argv, None, settings.timeout_s, settings.timeout_s, clock)
        self._regions = regions
        self._pace = Pace(settings.calls_per_s_max, clock)
        self.units = settings.weight_sum

    @property
    def subject(self) -> str:
        return f"command {self.name}"

    @property
    def name(self) -> str:
        return shlex.join(self._command.argv)

    @property
    def timeout_s(self) -> float:
        return self._command.timeout_s

    def shown(self) -> dict[str, Shown]:
        self._pace.wait()
        with as_steering(AWAY):
            answer = self._command.ask(WeightsAnswer, "weights")
        unknown = sorted({*answer.weights, *answer.rest} - set(self._regions))
        if unknown:
            wanted = f"the target's regions are {', '.join(self._regions)}"
            raise SteeringError(f"{self._command.name} weights: got {unknown[0]!r}, {wanted}")
        return {
            region: Shown(weight, answer.rest.get(region, ""))
            for region, weight in answer.weights.items()
        }

    def by_region(self, shown: Snapshot) -> dict[str, int]:
        return weights_of(shown)

    def plan(self, weights: RegionWeights) -> dict[str, int]:
        return self._checked(self.shown(), weights)

    def set_weights(
        self,
        weights: RegionWeights,
        *,
        check: Check = no_check,
        accepted: Callable[[], None] = not_told,
    ) -> None:
        shown = self.shown()
        check(shown)
        planned = self._checked(shown, weights)
        if planned != weights_of(shown):
            self._set(planned)
        accepted()

    def set_parts(self, weights: Weights) -> None:
        shown = weights_of(self.shown())
        planned = {region: weights.get(region, weight) for region, weight in shown.items()}
        if planned != shown:
            self._set(planned)

    def saved(self) -> dict[str, Any]:
        return {"shown": {part: [one.weight, one.rest] for part, one in self.shown().items()}}

    def stood(self, saved: Saved) -> dict[str, Shown]:
        shown = saved.get("shown") or {}
        return {part: Shown(int(weight), str(rest)) for part, (weight, rest) in shown.items()}

    def command(self, saved: Saved, before: RegionWeights) -> str | None:
        return self._command.line("set", *_words(before))

    def trial(self) -> Trial:
        wanted = "route53: the safety net's drill writes its own record, which a command cannot do"
        raise BadInput("target", "steering.kind", "command", wanted)

    def _checked(self, shown: Snapshot, weights: RegionWeights) -> dict[str, int]:
        if set(shown) != set(weights):
            raise SteeringError(
                f"{self._command.name} weights: shows {sorted(shown)}, asked for {sorted(weights)}"
            )
        return {region: int(weights[region]) for region in shown}

    def _set(self, weights: RegionWeights) -> None:
        self._pace.wait()
        with as_steering(AWAY):
            self._command.tell("set", *_words(weights))


def _words(weights: RegionWeights) -> list[str]:
    return [f"{region}={weight}" for region, weight in sorted(weights.items())]
