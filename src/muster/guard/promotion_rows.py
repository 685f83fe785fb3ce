"""What each trigger says of one region in a promotion: held, or unknown because samples are
missing.

The guard reports a trigger that fired. This module asks whether one *could* have fired in unseen
time, and whether there was anything to judge at all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from muster.contract.model import Contract, Gate, Tier
from muster.guard.rate_triggers import RATE_SLOS, RateSlo, WindowCounts, tolerated
from muster.guard.triggers import Fresh

State = Literal["held", "roll_back", "unknown"]
RowState = Literal["held", "roll_back", "unknown", "declared"]
"""`declared`: the platform does not have the signal, so that the trigger can never fire."""


SIGNAL_OF = {
    "queue_age": "queue_age",
    "circuit_open": "circuit_open",
    "hard_failure": "admission_failures",
}
"""The signal that a trigger hangs on alone."""


@dataclass(frozen=True)
class Rules:
    """What a promotion is judged by. `scrape_s`: seconds between scrapes.

    `declared`: signals that the platform does not have, with the reasons.
    """

    contract: Contract
    gate: Gate
    tier: Tier
    regions: tuple[str, ...]
    scrape_s: float
    streams_broken_named: bool = True
    declared: Mapping[str, str] = field(default_factory=dict)

    @property
    def stale_s(self) -> float:
        """How old a sample may be to stand for a moment, in seconds."""
        return self.contract.measurement.gap_s_max(self.scrape_s)

    @property
    def fires_after_s(self) -> dict[str, float]:
        """How long each trigger must be watched before it could fire, in seconds."""
        rules = self.contract.triggers
        slack_s = self.stale_s + 2 * self.scrape_s
        return {
            "rate_5xx": rules.rate_5xx.windows * rules.window_s + slack_s,
            "success_2xx": rules.success_2xx.windows * rules.window_s + slack_s,
            "circuit_open": rules.circuit_open.open_s_max + slack_s,
            "queue_age": rules.queue_age.over_s_max + slack_s,
            "hard_failure": rules.hard_failure.unresolved_s + slack_s,
        }

    @property
    def needed_s(self) -> float:
        """How long to watch until every trigger could have fired, in seconds."""
        return max(self.fires_after_s.values())


@dataclass(frozen=True)
class Row:
    """One trigger in one region. `since_s`: when its state began, in seconds since the epoch."""

    trigger: str
    region: str
    state: RowState
    detail: str = ""
    since_s: float | None = None


def rows_of(
    rules: Rules,
    region: str,
    own: Sequence[Fresh],
    closed: Sequence[WindowCounts],
    span: tuple[float, float],
) -> list[Row]:
    """Judge every trigger in `region` over `span`; `own` are the region's series."""
    rows = [_rate_row(rules, slo, region, own, closed, span) for slo in RATE_SLOS]
    rows += [_queue_row(rules, region, own, span), _circuit_row(rules, region, own, span)]
    reasons = rules.contract.triggers.hard_failure.reasons
    rows += [_failure_row(rules, reason, region, own, span) for reason in reasons]
    return [_declared(rules, row, own) for row in rows]


def _declared(rules: Rules, row: Row, own: Sequence[Fresh]) -> Row:
    """`row`, or that it hangs on a signal that the platform does not have.

    A signal that is seen all the same is judged by what is seen, and is never held by it.
    """
    signal = SIGNAL_OF.get(row.trigger.partition(":")[0], "")
    reason = rules.declared.get(signal)
    if reason is None:
        return row
    if _of(own, signal):
        told = f"{signal} is declared none, and shows samples"
        return Row(row.trigger, row.region, "unknown", told)
    return Row(row.trigger, row.region, "declared", f'{signal}: declared none: "{reason}"')


def _rate_row(
    rules: Rules,
    slo: RateSlo,
    region: str,
    own: Sequence[Fresh],
    closed: Sequence[WindowCounts],
    span: tuple[float, float],
) -> Row:
    """Whether windows without data may hide as many breaches in a row as make it fire."""
    needed = getattr(rules.contract.triggers, slo).windows
    if wrong := codes_wrong(own):
        return Row(slo, region, "unknown", wrong)
    if slo == "success_2xx" and rules.streams_broken_named and not _of(own, "streams_broken"):
        return Row(
            slo, region, "unknown", "streams_broken has no series, although the target names it"
        )
    if silent := _silent(rules, _of(own, "requests"), "requests", span):
        return Row(slo, region, "unknown", silent)
    bad_max = tolerated(rules.tier, slo)
    run = longest = known = unseen = 0
    since_s: float | None = None
    for counts in closed:
        if counts.region != region or counts.source != "server" or counts.start_s < span[0]:
            continue
        bad = counts.bad[slo]
        if counts.total == 0:
            continue
        judged = counts.total is not None and bad is not None
        unseen += not judged
        known += judged
        if judged and Fraction(round(bad or 0)) <= bad_max * Fraction(round(counts.total or 0)):
            run, since_s = 0, None
            continue
        since_s = counts.start_s if since_s is None else since_s
        run += 1
        longest = max(longest, run)
    if longest >= needed:
        why = f"{unseen} windows without data may hide {needed} in breach in a row"
        return Row(slo, region, "unknown", why, since_s)
    if known < needed:
        why = f"{known} windows with requests were judged, {needed} are needed to fire"
        return Row(slo, region, "unknown", why)
    detail = f"in breach for {run} of {needed} windows" if run else f"{known} windows judged"
    return Row(slo, region, "held", detail, since_s)


def codes_wrong(own: Sequence[Fresh]) -> str:
    """Codes that are no HTTP status: with them the rates would read 0 %."""
    for _, _, labels, _, _ in _of(own, "requests"):
        code = labels.get("code", "")
        if not (len(code) == 3 and code.isdigit() and code[0] in "12345"):
            return f"requests has code={code!r}, which is no three-digit HTTP status"
    return ""


def _queue_row(rules: Rules, region: str, own: Sequence[Fresh], span: tuple[float, float]) -> Row:
    limit_s, over_s_max = rules.gate.queue_age_s_max, rules.contract.triggers.queue_age.over_s_max
    queues = _of(own, "queue_age")
    why = _silent(rules, queues, "queue_age", span)
    clear = list(_clear(queues, rules.stale_s, lambda age_s: age_s <= limit_s))
    word = "at or under its limit"
    return _gauge_row("queue_age", region, why, clear, over_s_max, span, word, rules)


def _circuit_row(rules: Rules, region: str, own: Sequence[Fresh], span: tuple[float, float]) -> Row:
    rule = rules.contract.triggers.circuit_open
    circuits = [one for one in _of(own, "circuit_open") if one[2].get("route") == rule.route]
    why = _silent(rules, circuits, f"circuit_open of route {rule.route}", span)
    clear = list(_clear(circuits, rules.stale_s, lambda value: value <= 0))
    return _gauge_row("circuit_open", region, why, clear, rule.open_s_max, span, "closed", rules)


def _failure_row(
    rules: Rules, reason: str, region: str, own: Sequence[Fresh], span: tuple[float, float]
) -> Row:
    failures = [one for one in _of(own, "admission_failures") if one[2].get("reason") == reason]
    why = _silent(rules, failures, f"admission_failures of reason {reason}", span)
    seen = list(_clear(failures, rules.stale_s, lambda value: True))
    unresolved_s = rules.contract.triggers.hard_failure.unresolved_s
    name = f"hard_failure:{reason}"
    return _gauge_row(name, region, why, seen, unresolved_s, span, "sampled", rules)


def _gauge_row(
    name: str,
    region: str,
    why: str,
    clear_s: Sequence[float],
    most_s: float,
    span: tuple[float, float],
    word: str,
    rules: Rules,
) -> Row:
    """Unknown if it was not seen clear for longer than it takes to fire; the state runs from there.

    Two scrapes are added because a state is known only at its samples: the guard counts from the
    first to the last of them.
    """
    start_s, end_s = span
    unseen_s_max = most_s + 2 * rules.scrape_s
    if why:
        return Row(name, region, "unknown", why)
    if end_s - start_s <= most_s:
        told = f"in rotation and watched for {end_s - start_s:.0f} s, over {most_s:g} s are needed"
        return Row(name, region, "unknown", told)
    last_s = start_s
    for t_s in [*(t for t in clear_s if start_s < t <= end_s), end_s]:
        if t_s - last_s > unseen_s_max:
            told = f"not seen {word} for {t_s - last_s:.0f} s; it fires after {most_s:g} s"
            return Row(name, region, "unknown", told, last_s)
        last_s = t_s
    seen_s = [t for t in clear_s if start_s < t <= end_s]
    since_s = seen_s[-1] if seen_s else start_s
    if end_s - since_s > rules.stale_s:
        return Row(name, region, "held", f"not {word} for {end_s - since_s:.0f} s", since_s)
    return Row(name, region, "held")


def _clear(
    series: Sequence[Fresh], stale_s: float, good: Callable[[float], bool]
) -> Iterator[float]:
    """Moments at which every recently seen process was `good`."""
    latest: dict[str, tuple[float, bool]] = {}
    points = sorted(
        (t_s, labels.get("instance", ""), value)
        for _, _, labels, times, values in series
        for t_s, value in zip(times, values, strict=True)
        if value is not None
    )
    for t_s, instance, value in points:
        latest[instance] = (t_s, good(value))
        if all(fine or seen_s < t_s - stale_s for seen_s, fine in latest.values()):
            yield t_s


def _silent(rules: Rules, series: Sequence[Fresh], what: str, span: tuple[float, float]) -> str:
    """Why a signal has no current samples; empty if it has."""
    shown = (_newest_s(one, span[1]) for one in series)
    newest_s = max((t_s for t_s in shown if t_s is not None), default=None)
    if newest_s is None:
        return f"{what} has no samples"
    if newest_s < span[1] - 2 * rules.stale_s:
        return f"no sample of {what} for {span[1] - newest_s:.0f} s"
    return ""


def _newest_s(one: Fresh, until_s: float) -> float | None:
    """When a series last had a number, up to `until_s`."""
    _, _, _, times, values = one
    for index in range(bisect_right(times, until_s) - 1, -1, -1):
        if values[index] is not None:
            return times[index]
    return None


def _of(series: Sequence[Fresh], signal: str) -> list[Fresh]:
    return [one for one in series if one[0] == signal]
