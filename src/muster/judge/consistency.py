"""Finds series that are missing although others imply them. What they would show is then unknown.

- What succeeded must also be timed, and what was timed must also be answered. This is checked
  process by process if any process exports both; else (one product counts what another one times)
  region by region, and `agreement` compares their counts. On the platform a label value has a
  series only once it occurred, so a missing one cannot be noticed.
- If one answering process exports an additional signal, each of them must export it.
- The load exports every series from the start: each of its processes must export them all.
- An optional signal that the target names must exist.
- Circuits and hard failures, which the guard watches sample by sample, must have values all the
  time; gaps of the other signals are noticed where they are judged.
- A signal that could not be mapped at any time of the window has no data for that time.
- The existing series must be possible (`oddities`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from muster.judge.findings import Finding, unmeasured
from muster.judge.oddities import named, oddities
from muster.samples.away import away
from muster.samples.rates import (
    CANARY_OUTCOMES,
    CANARY_OUTCOMES_ALWAYS,
    OUTCOMES,
    OUTCOMES_ALWAYS,
)
from muster.samples.series import REFUSED, Samples, Series
from muster.samples.windows import Window, ended

PAIRS = (
    ("server", "requests", "code", "2", ("first_token", "completion")),
    (
        "client",
        "client_attempts",
        "outcome",
        "success",
        ("client_first_token", "client_completion"),
    ),
)
BESIDES = (
    "queue_age",
    "circuit_open",
    "admission_failures",
    "streams_broken",
    "open_over",
    "build_info",
)
GUARDED = ("circuit_open", "admission_failures")
GAPS_MAX = 4
"""A series that is silent for longer than this many of the longest allowed gaps is missing."""
LOAD_BY_REGION = (
    "client_attempts",
    "client_canaries",
    "client_completion",
    "client_first_token",
    "client_open_over",
    "client_streams",
)
LOAD_BY_PROCESS = ("client_offered", "client_scheduled")
LABELLED = ("client_attempts", "client_canaries", "client_open_over", "open_over")
TOLD_APART_BY = ("kind", "le", "outcome", "phase")
KNOWN = (
    ("client_attempts", "outcome", OUTCOMES, OUTCOMES_ALWAYS),
    ("client_canaries", "outcome", CANARY_OUTCOMES, CANARY_OUTCOMES_ALWAYS),
)
Owner = tuple[str, str]
Missing = tuple[str, str, str]
"""Source, signal, and which part of it is missing."""


def judge_consistency(
    samples: Samples, window: Window, phase: str, shown: frozenset[str] = frozenset()
) -> list[Finding]:
    """Return an unknown finding for each signal of which a required part is missing.

    `shown`: optional signals that the target names.
    """
    missing = [*_refused(samples, window), *oddities(samples, window)]
    missing += _processes(samples, window)
    missing += [*_silent(samples, window)]
    missing += [*_load_processes(samples), *_labels(samples, shown)]
    missing += [
        (_source(signal), signal, "has no series, although the target names it")
        for signal in sorted(shown)
        if not samples.of(signal)
    ]
    first = {(source, signal): what for source, signal, what in reversed(missing)}
    return [
        _finding(source, phase, window, f"{signal} {what}")
        for (source, signal), what in sorted(first.items())
    ]


def _processes(samples: Samples, window: Window) -> Iterator[Missing]:
    """Processes that are active by one signal and missing in another one."""
    answering: set[Owner] = set()
    for source, counted, label, good, timed in PAIRS:
        answered = _working(
            [s for s in samples.of(counted) if s.labels.get(label, "").startswith(good)], window
        )
        if source == "server":
            answering = answered
        for histogram in timed:
            counts = samples.of(histogram, "_count")
            worked = _working(counts, window)
            if apart(samples, counted, histogram):
                yield from _regions(source, histogram, answered, _owners(counts))
                yield from _regions(source, counted, worked, _owners(samples.of(counted)))
                continue
            yield from _misses(source, histogram, answered - _owners(counts))
            yield from _misses(source, counted, worked - _owners(samples.of(counted)))
    for signal in BESIDES:
        owners = _owners(samples.of(signal))
        if owners & answering:
            yield from _misses("server", signal, answering - owners)


def _silent(samples: Samples, window: Window) -> Iterator[Missing]:
    """Series that stand for what the guard watches and show nothing for too long."""
    for signal in GUARDED:
        every = samples.of(signal)
        for one in every:
            known = one.t[~np.isnan(one.v)]
            if not len(known):
                yield "server", signal, f"shows no value in {named(one)}"
                continue
            end_s = window.end_s
            if ended(one, every, window):
                end_s = min(end_s, float(known[-1]))
            moments = [*known[known <= end_s].tolist(), end_s]
            for before_s, after_s in pairwise(moments):
                gap_s = after_s - before_s
                too_long = after_s > window.start_s and gap_s > GAPS_MAX * window.stale_s
                if too_long and not away(samples, one, window, (before_s, after_s)):
                    yield "server", signal, f"shows nothing for {gap_s:.0f} s in {named(one)}"
                    break


def apart(samples: Samples, counted: str, histogram: str) -> bool:
    """Whether no process anywhere exports both, although each is exported: the data show it."""
    counters = _owners(samples.of(counted))
    timers = _owners(samples.of(histogram, "_count"))
    return bool(counters and timers) and not counters & timers


def _regions(source: str, signal: str, working: set[Owner], shown: set[Owner]) -> Iterator[Missing]:
    """Regions with active processes of other signals in which `signal` has no process."""
    missing = {region for region, _ in working} - {region for region, _ in shown}
    if missing:
        yield (
            source,
            signal,
            f"has no series in {min(missing)}, although other signals show it at work",
        )


def _refused(samples: Samples, window: Window) -> Iterator[Missing]:
    """Signals that could not be mapped at some time of the window."""
    for one in samples.of(REFUSED):
        signal = one.labels.get("signal", "")
        inside = (one.t > window.start_s - window.stale_s) & (one.t <= window.end_s)
        if inside.any() and not signal.startswith("x_"):
            yield _source(signal), signal, f"could not be mapped: {one.labels.get('why', '')}"


def _load_processes(samples: Samples) -> Iterator[Missing]:
    """Processes of the load that export one of its signals and not another one."""
    by_region = {signal: _owners(samples.of(signal)) for signal in LOAD_BY_REGION}
    alone = {signal: _owners(samples.of(signal)) for signal in LOAD_BY_PROCESS}
    pairs: set[Owner] = set().union(*by_region.values())
    # These have no region, so only the process must be present.
    processes = {("", instance) for _, instance in pairs.union(*alone.values())}
    for shown, everyone in ((by_region, pairs), (alone, processes)):
        for signal, owners in shown.items():
            if owners and everyone - owners:
                region, instance = min(everyone - owners)
                where = f" in {region}" if region else ""
                yield "client", signal, f"lacks {instance or 'a process'} of the load{where}"


def _labels(samples: Samples, shown: frozenset[str]) -> Iterator[Missing]:
    """Label values that one process exports and another lacks, or that the load always exports."""
    for signal in LABELLED:
        source = _source(signal)
        by_owner: dict[Owner, set[tuple[tuple[str, str], ...]]] = {}
        for one in samples.of(signal):
            own = sorted((k, v) for k, v in one.labels.items() if k in TOLD_APART_BY)
            by_owner.setdefault(one.owner, set()).add(tuple(own))
        every = set().union(*by_owner.values())
        for (region, instance), own_labels in by_owner.items():
            if every - own_labels:
                what = ", ".join(value for _, value in min(every - own_labels))
                yield source, signal, f"lacks {what} of {instance or 'a process'} in {region}"
    for signal, label, every_value, always in KNOWN:
        values = every_value if "client_streams_short" in shown else always
        known = {one.labels.get(label, "") for one in samples.of(signal)}
        if known and set(values) - known:
            yield "client", signal, f"lacks every {min(set(values) - known)}"


def _source(signal: str) -> str:
    return "client" if signal.startswith("client") else "server"


def _misses(source: str, signal: str, owners: set[Owner]) -> Iterator[Missing]:
    if owners:
        region, instance = min(owners)
        who = instance or "a process"
        yield source, signal, f"lacks {who} of {region}, although other signals show it at work"


def _owners(series: Sequence[Series]) -> set[Owner]:
    return {one.owner for one in series}


def _working(series: Sequence[Series], window: Window) -> set[Owner]:
    """Processes whose counters grew within the window, or may have grown by an unknown amount."""
    found: set[Owner] = set()
    for one in series:
        inside = (one.t > window.start_s - window.stale_s) & (one.t <= window.end_s)
        seen = one.v[inside]
        if len(seen) and ((seen != seen[0]).any() or (one.t[0] > window.start_s and seen[0] > 0)):
            found.add(one.owner)
    return found


def _finding(source: str, phase: str, window: Window, reason: str) -> Finding:
    return unmeasured(
        "samples_complete",
        source,
        "unknown",
        reason,
        phase=phase,
        window=(window.start_s, window.end_s),
    )
