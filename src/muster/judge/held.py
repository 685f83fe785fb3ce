"""Judges the open streams of a phase against what the load itself asked for.

- The expected number at a moment is the number of arrivals offered until then whose asked length is
  not over. A phase that has just begun therefore includes the arrivals of the phase before it.
- An attempt that did not succeed is judged by the SLOs. Here it counts as if its stream had never
  existed: the floor falls by a whole stream from the moment it ended. Retries add streams and are
  not expected, so they only help.
- The floor is the expectation minus the contract's tolerance and standard errors. The standard
  errors are those of Poisson arrivals although the arrivals are known: this is wider than chance,
  so a healthy platform is not blamed.
- Below the floor, streams were shorter than asked for. That is a fail if the target says that
  lengths are kept, else unknown. If the load asked for too few, it is unknown and the rig's fault.
- Above the expectation, streams last longer than asked for. That passes here, with a note. Each
  stream past a completion threshold counts against completion, and the load ends a stream that
  never ends at a time limit, as unsuccessful.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from muster.contract.model import Profile
from muster.judge.evaluate import Judging
from muster.judge.findings import Finding
from muster.judge.phases import Phase
from muster.samples.counting import Status
from muster.samples.series import Array, Samples, Series
from muster.samples.windows import Window, total_growth

BASELINE = "baseline"
"""Judged by itself, against the target of the run and not against the offered load."""
GRID = 20
"""Steps for each mean stream length: the age resolution of arrivals."""
TRACE_OFF = 0.1
"""Our choice: lengths and bursts of a replayed trace may differ this much from the profile's."""


@dataclass(frozen=True)
class Asked:
    """What the load asked for: `streams_target` streams with the lengths of `profile`.

    `lengths_kept`: the platform says that it generates as many tokens as asked for. `traced`:
    lengths come from a replayed trace, whose mean follows from the target and the arrivals.
    `strict`: apply only the contract's tolerance, for a trace too.
    """

    profile: Profile
    streams_target: int
    lengths_kept: bool = False
    traced: bool = False
    strict: bool = False

    @property
    def widened(self) -> float:
        """The share by which the contract's tolerance is widened."""
        return TRACE_OFF if self.traced and not self.strict else 0.0


@dataclass(frozen=True)
class Held:
    """Means over the moments at which the streams were scraped, in streams.

    `expected` counts attempts that succeeded, `offered` all that were started. `error` is the
    standard error of either. `gap_s` is the longest time without a scrape.
    """

    seen: float
    expected: float
    offered: float
    error: float
    scrapes: int
    gap_s: float


def judge_held(judging: Judging, phases: Sequence[Phase], asked: Asked) -> list[Finding]:
    """Return a finding for each judged phase except the baseline."""
    return [
        _finding(judging, phase, asked)
        for phase in phases
        if phase.tier is not None and phase.name != BASELINE
    ]


def needs_widening(judging: Judging, phases: Sequence[Phase], asked: Asked) -> bool:
    """Whether a phase failed by the contract's own tolerance, without the widening for traces."""
    if not asked.widened:
        return False
    strictly = judge_held(judging, phases, replace(asked, strict=True))
    return any(finding.status != "pass" for finding in strictly)


def held(samples: Samples, window: Window, asked: Asked) -> Held | None:
    """Open and expected streams in `window`; None where a part has no data."""
    moments, streams = _streams(samples.of("client_streams"), window)
    offered = _curve(samples.of("client_offered"), window)
    attempts = samples.of("client_attempts")
    failed = _curve([one for one in attempts if _failed(one)], window, from_zero=True)
    if not len(moments) or offered is None or failed is None or not attempts:
        return None
    stretch = _stretch(samples, window, asked)
    if stretch is None:
        return None
    started = _present(offered, moments, asked.profile, stretch, _survival)
    lost = _present(failed, moments, asked.profile, stretch, _any_survival)
    expected = max(0.0, float((started - lost).mean()))
    length_s = max(window.end_s - window.start_s, 1e-9)
    remembered = 2 * asked.profile.residual_s * stretch / length_s
    share = min(1.0, remembered + 1 / len(moments))
    edges = [window.start_s, *moments.tolist(), window.end_s]
    return Held(
        seen=float(streams.mean()),
        expected=expected,
        offered=float(started.mean()),
        error=sqrt(max(1.0, float(started.mean())) * share),
        scrapes=len(moments),
        gap_s=float(np.max(np.diff(edges))),
    )


def _finding(judging: Judging, phase: Phase, asked: Asked) -> Finding:
    window = Window(phase.start_s, phase.end_s, judging.stale_s, judging.absences)
    rules = judging.contract.load_validity
    found = held(judging.samples, window, asked)
    status: Status = "unknown"
    floor = None
    reason = "no data"
    if found is not None:
        share = float(rules.streams_tolerance) + asked.widened
        chance = rules.streams_standard_errors * found.error
        floor = max(0.0, found.expected * (1 - share) - chance)
        status, reason = _judged(found, floor, share, chance, window.stale_s, asked)
    return Finding(
        slo="streams_held",
        tier=None,
        phase=phase.name,
        region=None,
        source="client",
        window=(window.start_s, window.end_s),
        threshold=None if floor is None else round(floor, 1),
        measured=None if found is None else round(found.seen, 1),
        margin=None if found is None or floor is None else round(found.seen - floor, 1),
        unit="streams",
        samples=None if found is None else found.scrapes,
        status=status,
        reason=reason,
    )


def _judged(
    found: Held, floor: float, share: float, chance: float, stale_s: float, asked: Asked
) -> tuple[Status, str]:
    said = f"{found.expected:.0f} are expected from the arrivals and the lengths asked for"
    if found.seen < floor:
        short = f"{said}: streams were shorter than that"
        if asked.lengths_kept:
            return "fail", f"{short}, and the target says that lengths are kept"
        return "unknown", f"{short}, and the target does not say that lengths are kept"
    if found.gap_s > stale_s:
        return "unknown", f"{said}; no scrape of the load for {found.gap_s:.0f} s"
    wanted = asked.streams_target
    if found.offered < wanted * (1 - share) - chance:
        return "unknown", f"the load asked for {found.offered:.0f} of {wanted} streams"
    if found.seen > found.offered * (1 + share) + chance:
        said += "; they lasted longer, which completion is judged by"
    return "pass", said


def _streams(series: Sequence[Series], window: Window) -> tuple[Array, Array]:
    """Scrape times of the load within `window`, and the sum of open streams at each of them.

    A moment at which one of the series is unknown is left out.
    """
    nothing = np.array([])
    known = [one for one in series if len(one.t)]
    if not known or len(known) != len(series):
        return nothing, nothing
    first = known[0].t
    moments = first[(first >= window.start_s) & (first <= window.end_s)]
    if not len(moments):
        moments = np.array([window.end_s])
    total = np.zeros(len(moments))
    for one in known:
        index = np.searchsorted(one.t, moments, "right") - 1
        at = np.maximum(index, 0)
        fresh = (index >= 0) & (moments - one.t[at] <= window.stale_s)
        total += np.where(fresh, one.v[at], np.nan)
    good = ~np.isnan(total)
    return moments[good], total[good]


def _failed(series: Series) -> bool:
    """A failed retry lowers nothing, because it was not expected."""
    labels = series.labels
    return labels.get("outcome") != "success" and labels.get("kind") != "retry"


def _curve(
    series: Sequence[Series], window: Window, *, from_zero: bool = False
) -> Callable[[Array], Array] | None:
    """The counters' sum at any moment; None if one started late, ended early or decreased.

    `from_zero`: a counter that starts late stood at 0 before, and there may be none at all.
    """
    points: list[tuple[Array, Array]] = []
    for one in series:
        good = ~np.isnan(one.v)
        t, v = one.t[good], one.v[good]
        if not len(t) or bool((np.diff(v) < 0).any()):
            return None
        late = t[0] > window.start_s and not from_zero
        if late or window.end_s - t[-1] > window.stale_s:
            return None
        points.append((t, v))
    if not points and not from_zero:
        return None

    def at(moments: Array) -> Array:
        total = np.zeros(moments.shape)
        for t, v in points:
            total += np.interp(moments, t, v, left=0.0 if from_zero else v[0])
        return total

    return at


def _stretch(samples: Samples, window: Window, asked: Asked) -> float | None:
    """The ratio of the lengths asked for to the profile's; None if unknown."""
    if not asked.traced:
        return 1.0
    grown = total_growth(samples.of("client_scheduled"), window)
    if not grown:
        return None
    per_s = grown / max(window.end_s - window.start_s, 1e-9)
    return asked.streams_target / per_s / asked.profile.mean_stream_s


def _present(
    begun: Callable[[Array], Array],
    moments: Array,
    profile: Profile,
    stretch: float,
    lasting: Callable[[Profile, Array], Array],
) -> Array:
    """Of what had started before each moment, how much is still open by its asked length."""
    longest_s = profile.first_token_s_mean + _longest_tokens(profile) / profile.tokens_per_s
    step_s = profile.mean_stream_s / GRID
    ages = np.arange(0.0, longest_s + step_s, step_s)
    edges = begun(moments[:, None] - stretch * ages[None, :])
    middles = (ages[:-1] + ages[1:]) / 2
    present: Array = (-np.diff(edges, axis=1)) @ lasting(profile, middles)
    return present


def _survival(profile: Profile, age_s: Array) -> Array:
    """Share of streams that last longer than `age_s`."""
    shares = np.array([float(share) for share, _ in profile.stream_tokens_quantiles])
    tokens = np.array([float(count) for _, count in profile.stream_tokens_quantiles])
    made = (age_s - profile.first_token_s_mean) * profile.tokens_per_s
    found: Array = 1.0 - np.interp(made, tokens, shares, left=0.0, right=1.0)
    return found


def _any_survival(profile: Profile, age_s: Array) -> Array:
    """The larger of the remaining shares of a new stream and of one under way; which it is, is
    unknown.

    A stream that is observed under way is more often a long one. Its remaining time exceeds `age_s`
    with the share of all stream time that lies beyond that age.
    """
    fine = np.linspace(0.0, float(age_s[-1]) * 2, 20 * len(age_s))
    alive = _survival(profile, fine)
    beyond = np.cumsum(alive[::-1])[::-1]
    left = np.interp(age_s, fine, beyond / beyond[0])
    found: Array = np.maximum(_survival(profile, age_s), left)
    return found


def _longest_tokens(profile: Profile) -> float:
    return max(float(count) for _, count in profile.stream_tokens_quantiles)
