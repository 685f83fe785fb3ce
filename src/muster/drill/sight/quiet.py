"""After a fault, watches the platform until its own signals are quiet and stay quiet for a while.

A reverted fault may leave damage behind: stale connections fail in a burst half a minute later, and
a breaker opens again. The phase after a fault therefore lasts until no circuit was open, no hard
failure increased and no queue was over its limit for `recovery_quiet_s`. Past its time limit the
finding `recovery_quiet` fails and names what was not quiet. A signal without data is unknown. A
signal that the target declares none is left out; if all of them are, nothing is judged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muster.samples.counting import Status
from muster.samples.series import Series
from muster.targets.declared import QUIET

if TYPE_CHECKING:
    from muster.drill.session import Session

logger = logging.getLogger("chaostoolkit")
LOOK_S = 0.5
NAMED_MAX = 4
GAPS_MIN = 8
"""The time limit is at least this many of the longest allowed gaps in the samples."""


@dataclass
class Quiet:
    """How long the signals have been quiet. Every sample is looked at once; pure.

    `reasons` are the hard failures that must not increase, `queue_age_s_max` is the gate's limit.
    """

    regions: Sequence[str]
    reasons: Sequence[str]
    queue_age_s_max: float
    began_s: float
    signals: Sequence[str] = QUIET
    noise_s: float = 0.0
    unseen_s: float = 0.0
    noise: dict[str, float] = field(default_factory=dict)
    unseen: dict[str, float] = field(default_factory=dict)
    _seen_s: dict[tuple[str, str], float] = field(default_factory=dict)
    _last: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.noise_s = self.unseen_s = self.began_s

    def look(self, series: Callable[[str], Sequence[Series]], now_s: float, stale_s: float) -> None:
        """Add the samples since the last look; older than `stale_s`, a sample shows nothing."""
        for signal in self.signals:
            shown: set[str] = set()
            for one in series(signal):
                if len(one.t) and one.t[-1] >= now_s - stale_s:
                    shown.add(one.region)
                for t_s, what in self._noise_of(signal, one):
                    self.noise[what] = self.noise_s = max(self.noise_s, t_s)
            for region in self.regions:
                if region not in shown:
                    self.unseen[f"no data of {signal} in {region}"] = self.unseen_s = now_s

    def quiet_for_s(self, now_s: float) -> float:
        """Seconds since the last sample that was not quiet, or that was missing."""
        return now_s - max(self.noise_s, self.unseen_s)

    def since(self, t_s: float) -> str:
        """What was not quiet after `t_s`, the latest first, and then what was missing."""
        found = [
            what
            for kind in (self.noise, self.unseen)
            for what, last_s in sorted(kind.items(), key=lambda item: -item[1])
            if last_s > t_s
        ]
        return "; ".join(found[:NAMED_MAX])

    def _noise_of(self, signal: str, one: Series) -> Iterator[tuple[float, str]]:
        """Samples of `one` that are new and not quiet: when, and what they show."""
        labels = one.labels
        key = (signal, "\0".join(f"{name}={labels[name]}" for name in sorted(labels)))
        since_s, before = self._seen_s.get(key, self.began_s), self._last.get(key)
        if before is None and len(one.t) and one.t[0] > self.began_s:
            before = 0.0  # a counter that appears has counted from 0
        for t_s, value in zip(one.t.tolist(), one.v.tolist(), strict=True):
            if value != value:  # NaN shows nothing
                continue
            if t_s > since_s and (what := self._what(signal, labels, value, before)):
                yield t_s, what
            before = value
        if len(one.t):
            self._seen_s[key] = max(since_s, float(one.t[-1]))
        if before is not None:
            self._last[key] = before

    def _what(
        self, signal: str, labels: Mapping[str, str], value: float, before: float | None
    ) -> str:
        region = labels.get("region", "")
        if signal == "circuit_open":
            route = labels.get("route", "")
            return f"circuit of route {route} open in {region}" if value > 0 else ""
        if signal == "queue_age":
            over = value > self.queue_age_s_max
            return f"queue of {region} over {self.queue_age_s_max:g} s" if over else ""
        reason = labels.get("reason", "")
        grew = before is not None and value > before
        return f"{reason} increased in {region}" if grew and reason in self.reasons else ""


def await_quiet(session: Session, hold_s: float = 0.0) -> None:
    """Hold for `hold_s` of real time, then until the platform is quiet; record the finding.

    The quiet time and its limit are the contract's, scaled as holds are. Raises DrillAborted.
    """
    rules, scale = session.plan.contract.drill, session.time_scale
    quiet_s = float(rules.recovery_quiet_s) / scale
    stale_s = session.plan.contract.measurement.gap_s_max(
        session.target.prometheus.scrape_interval_s
    )
    # Scrapes are never scaled: a short bound must hold more than one gap between them.
    bound_s = session.samples.bound_s(
        hold_s + max(float(rules.recovery_quiet_s_max) / scale, quiet_s + GAPS_MIN * stale_s)
    )
    quiet = Quiet(
        regions=tuple(session.target.regions),
        reasons=session.plan.contract.triggers.hard_failure.reasons,
        queue_age_s_max=float(session.plan.gate.queue_age_s_max),
        began_s=session.clock.now_s(),
        signals=[name for name in QUIET if name not in session.target.declared],
    )
    began = session.clock.monotonic_s()

    def is_quiet() -> bool:
        # Quiet is what samples show to be quiet, up to the moment that they must show by now.
        until_s = session.samples.until_s()
        quiet.look(session.facts.series, until_s, stale_s)
        # The hold's end must be seen to be quiet, not only what has come of it.
        held = session.clock.monotonic_s() - began >= session.samples.bound_s(hold_s)
        return held and quiet.quiet_for_s(until_s) >= quiet_s

    logger.info(
        "%s: holds for %.0f s, and on until the platform is quiet for %.0f s",
        session.phase,
        hold_s,
        quiet_s,
    )
    took_s = session.wait_until(is_quiet, bound_s, look_s=LOOK_S)
    until_s = session.samples.until_s()
    status: Status = "pass"
    reason = "from the fault's end to the last sample that was not quiet"
    if not quiet.signals:
        status, reason = "not_judged", f"{', '.join(QUIET)} are declared none"
    if took_s is None:
        # What was seen not to be quiet is known; what is missing is not.
        status = "fail" if quiet.noise_s > until_s - quiet_s else "unknown"
        lacking = quiet.since(until_s - quiet_s)
        reason = f"not quiet for {quiet_s:.1f} s within {bound_s:.0f} s: {lacking}"
        logger.warning("recovery: %s", reason)
    session.finding(
        "recovery_quiet",
        status,
        measured=round(max(quiet.noise_s, quiet.unseen_s) - quiet.began_s, 3),
        threshold=round(bound_s - quiet_s, 3),
        unit="s",
        source="server",
        reason=reason,
    )
