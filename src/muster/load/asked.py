"""Estimates the load before it starts: requests a second, and tokens of a request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Protocol

from muster import home
from muster.contract import Profile
from muster.load.requests import prompts_of
from muster.load.schedule import Schedule, Source
from muster.load.spent import FRAME_TOKENS, tokens_of
from muster.load.trace import TraceSource
from muster.load.traffic import traffic_of
from muster.targets.request_form import OF_TRACE, RequestForm


class Access(Protocol):
    """The target settings that the estimate needs."""

    @property
    def form(self) -> RequestForm: ...
    @property
    def trace(self) -> str | None: ...


@dataclass(frozen=True)
class Asked:
    """Requests a second after the ramp, the ramp in seconds, and mean tokens of a request."""

    per_s: float
    ramp_s: float
    tokens_in: float
    tokens_out: float


def asked_of(profile: Profile, scale: float, access: Access) -> Asked:
    """Estimate a load of `profile` at `scale`. Raises BadInput for its trace or prompts."""
    trace = None if access.trace is None else TraceSource(home.root() / Path(access.trace))
    source: Source | None = trace
    schedule = Schedule(traffic_of(profile), scale=scale, seed=0, source=source)
    tokens_in = fmean(tokens_of(prompt) for prompt in prompts_of(access.form.prompts))
    if access.form.prompts == OF_TRACE and trace is not None:
        tokens_in = FRAME_TOKENS + trace.mean_context(access.form.prompt_tokens_max)
    return Asked(
        per_s=schedule.ramp.rate_per_s,
        ramp_s=schedule.ramp.ramp_s,
        tokens_in=tokens_in,
        tokens_out=schedule.source.mean_tokens,
    )
