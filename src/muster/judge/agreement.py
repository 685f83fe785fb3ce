"""Compares the platform's request counts with the load's; if they disagree, the platform's are
unknown.

The load knows how many attempts began, were answered and ended. A platform counts an answer at some
moment between these, so its count must lie between them. It may differ by

- attempts that failed before an answer: the platform may or may not have counted them (more);
- streams that broke: a platform that counts at the end never counted them (fewer);
- what is counted between the scrapes of the two sides, and in processes that were stopped before
  their next scrape;
- the contract's tolerance.

Where other processes time the answers than count them, what was timed is compared in the same way:
at least what succeeded, at most what was sent.

More than that are canaries, where it is as many as there were: then they are in the platform's
figures, and `taken` says how many to take out. Else they are requests of others or series that are
there twice. Fewer are processes that nobody scrapes or that do not count all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

from muster.judge.consistency import apart
from muster.judge.findings import Finding
from muster.samples.rates import is_status
from muster.samples.series import Samples, Series
from muster.samples.windows import Window, at, total_growth

SLO = "attempts_agree"
UNANSWERED = frozenset({"refused", "reset", "timeout"})
SERVER_SLOS = frozenset(
    {"success_2xx", "rate_5xx", "rate_429", "first_token_p95", "completion_p95"}
)
TIMED = ("first_token", "completion")
LATE_S = 1.0
"""How long after its scrape time a busy process may still count what the scrape shows, in seconds.
"""
PEAK = 1.5
"""The highest rate of attempts as a multiple of the mean rate: retries after a loss."""
FEW = 20.0
NOBODY = "unknown"


@dataclass(frozen=True)
class Agreement:
    """`wrong` says why the counts disagree or cannot be compared; empty if they agree.

    `canaries` says what the counts tell of the canaries, where there were any. `taken`: by signal
    of the platform (`requests`, `first_token`, `completion`), the canaries that its count holds.
    """

    wrong: str
    client: float | None
    server: float | None
    canaries: str = ""
    taken: Mapping[str, float] = field(default_factory=dict)


class Agreements:
    """What both sides' counts say of each window; each is compared once."""

    def __init__(self, samples: Samples, tolerance: Fraction, scrape_s: float) -> None:
        self._samples = samples
        self._tolerance = tolerance
        self._scrape_s = scrape_s
        self._known: dict[tuple[float, float], Agreement] = {}

    def of(self, window: Window) -> Agreement:
        """The comparison of `window`."""
        key = (window.start_s, window.end_s)
        if key not in self._known:
            self._known[key] = compare(self._samples, window, self._tolerance, self._scrape_s)
        return self._known[key]


@dataclass(frozen=True)
class _Sent:
    """The load's counts in a window, in all regions or in one: the least and the most to expect."""

    least: float
    most: float
    answered: float


def agreed(
    findings: Sequence[Finding], stretches: Sequence[tuple[str, Window]], agreements: Agreements
) -> list[Finding]:
    """Return `findings` plus one for each stretch (name, window): do both sides' counts agree?

    Where they disagree, every finding that uses the platform's counts becomes unknown.
    """
    found: list[Finding] = []
    for one in findings:
        if one.source == "server" and one.slo in SERVER_SLOS and one.window is not None:
            window = replace(stretches[0][1], start_s=one.window[0], end_s=one.window[1])
            if wrong := agreements.of(window).wrong:
                reason = f"{one.reason}; {wrong}".removeprefix("; ")
                one = replace(one, status="unknown", reason=reason)
        found.append(one)
    return [*found, *(_finding(name, window, agreements.of(window)) for name, window in stretches)]


def compare(samples: Samples, window: Window, tolerance: Fraction, scrape_s: float) -> Agreement:
    """Counts of client and server in `window`, over all regions and in each region."""
    requests = samples.of("requests")
    sent = sent_of(samples, window, None)
    served = total_growth(requests, window)
    if sent is None or served is None:
        whose = "client" if sent is None else "platform"
        return Agreement(f"the {whose} has no count to compare with", None, served)
    slack = slack_of(samples, window, sent, scrape_s)
    canaries = _canaries(samples, window)
    taken: dict[str, float] = {}
    if _holds_canaries(sent, served, slack, float(tolerance), canaries):
        taken = dict.fromkeys(("requests", *TIMED), canaries)
    wrong = _verdict(sent, served, slack, float(tolerance), taken.get("requests", 0.0), "")
    if not wrong and not _of_nobody(samples, window, canaries_too=bool(taken)):
        for region in sorted({one.region for one in requests} - {""}):
            own = sent_of(samples, window, region)
            here = [one for one in requests if one.region == region]
            own_served = total_growth(here, window, siblings=requests)
            if own is not None and own_served is not None:
                where = f" in {region}"
                also = _canaries(samples, window, region) if taken else 0.0
                wrong = wrong or _verdict(own, own_served, slack, float(tolerance), also, where)
    for histogram in TIMED:
        if not wrong and apart(samples, "requests", histogram):
            wrong, held = _timed(samples, window, histogram, sent, slack, float(tolerance))
            taken[histogram] = held
    told = _told(sent, served, slack, float(tolerance), canaries, taken)
    return Agreement(wrong, sent.answered, served, told, taken)


def _holds_canaries(
    sent: _Sent, served: float, slack: float, tolerance: float, canaries: float
) -> bool:
    """Whether `served` is what the load sent and its canaries, and not what it sent without."""
    slack += tolerance * max(sent.most, served)
    with_canaries = sent.least + canaries - slack <= served <= sent.most + canaries + slack
    return canaries > slack and served > sent.most + slack and with_canaries


def _told(
    sent: _Sent,
    served: float,
    slack: float,
    tolerance: float,
    canaries: float,
    taken: Mapping[str, float],
) -> str:
    """What the counts tell of the canaries: in the platform's figures, not in them, or neither."""
    if not canaries:
        return ""
    if taken.get("requests"):
        return f"{canaries:.0f} canaries are in it, and are subtracted as successful requests"
    slack += tolerance * max(sent.most, served)
    if served < sent.least + canaries - slack:
        return f"{canaries:.0f} canaries are not in it"
    return f"{canaries:.0f} canaries may be in it: they are too few to tell"


def _timed(
    samples: Samples,
    window: Window,
    histogram: str,
    sent: _Sent,
    slack: float,
    tolerance: float,
) -> tuple[str, float]:
    """Why other processes cannot have timed what the load was answered (empty: they can), and how
    many canaries they timed too.

    Over all regions, and in each where the load knows the region of all its answers.
    """
    counts = samples.of(histogram, "_count")
    canaries = _canaries(samples, window)
    parts: list[tuple[str | None, _Sent | None]] = [(None, sent)]
    if not _of_nobody(samples, window):
        regions = sorted({one.region for one in counts} - {""})
        parts += [(region, sent_of(samples, window, region)) for region in regions]
    held = 0.0
    for region, own in parts:
        here = [one for one in counts if region in (None, one.region)]
        timed = total_growth(here, window, siblings=counts)
        failed = _growth(samples.of("client_attempts"), window, partial(_untimed, region))
        if timed is None or failed is None or own is None:
            return f"no count of {histogram} to compare", 0.0
        apart_max = slack + tolerance * max(own.most, timed)
        where = f" in {region}" if region else ""
        said = f"{histogram} counts {timed:.0f}{where}, the load {own.answered:.0f} answers"
        if timed < own.least - failed - apart_max:
            return f"{said}: processes that nobody scrapes, or answers that nobody timed", 0.0
        if timed > own.most + canaries + apart_max:
            return f"{said}: requests of others, or series that are there twice", 0.0
        if region is None and timed > own.most + apart_max:
            held = canaries
    return "", held


def _untimed(region: str | None, one: Series) -> bool:
    """Whether it counts attempts that were answered, and need not be timed."""
    outcome = one.labels.get("outcome")
    return region in (None, one.region) and outcome not in {"success", "broken", *UNANSWERED}


def _verdict(
    sent: _Sent, served: float, slack: float, tolerance: float, canaries: float, where: str
) -> str:
    """Why `served` is not what the load sent and `canaries`; empty if it is."""
    slack += tolerance * max(sent.most, served)
    if sent.least + canaries - slack <= served <= sent.most + canaries + slack:
        return ""
    counts = f"the platform counts {served:.0f} answers{where}, the load {sent.answered:.0f}"
    if canaries:
        counts += f" and {canaries:.0f} canaries"
    if served > sent.most + canaries:
        return f"{counts}: it counts other clients' requests, or series twice"
    return f"{counts}: some processes are not scraped, or do not count every answer"


def sent_of(samples: Samples, window: Window, region: str | None) -> _Sent | None:
    """Counts from the load's counters; None if unknown."""

    def here(one: Series) -> bool:
        return region is None or one.region == region

    attempts = samples.of("client_attempts")
    failed = _growth(
        attempts, window, lambda one: here(one) and one.labels.get("outcome") in UNANSWERED
    )
    ended = _growth(
        attempts, window, lambda one: here(one) and one.labels.get("outcome") not in UNANSWERED
    )
    broken = _growth(
        attempts, window, lambda one: here(one) and one.labels.get("outcome") == "broken"
    )
    answers = samples.of("client_answers")
    answered = ended
    if answers:
        answered = _growth(
            answers, window, lambda one: here(one) and is_status(one.labels.get("code", ""))
        )
    if failed is None or ended is None or broken is None or answered is None:
        return None
    opened = 0.0
    for one in filter(here, samples.of("client_streams")):
        before = at(one, window.start_s, window.stale_s)
        after = at(one, window.end_s, window.stale_s)
        opened += 0.0 if before is None or after is None else after - before
    moments = (ended, answered, ended + failed + opened)
    return _Sent(min(moments) - broken - failed, max(moments) + failed, answered)


def _growth(
    series: Sequence[Series], window: Window, keep: Callable[[Series], bool]
) -> float | None:
    """Growth of the series that pass `keep`; zero if there are only other series."""
    chosen = [one for one in series if keep(one)]
    if not chosen:
        return 0.0 if series else None
    return total_growth(chosen, window, siblings=series)


def slack_of(samples: Samples, window: Window, sent: _Sent, scrape_s: float) -> float:
    """How far the two sides may differ because they were scraped at different moments."""
    per_s = PEAK * max(sent.most, 0.0) / max(window.end_s - window.start_s, 1e-9)
    counted = (*samples.of("requests"), *samples.of("client_attempts"))
    ages_s = sum(_age(counted, t_s, window.stale_s) for t_s in (window.start_s, window.end_s))
    stopped = sum(
        window.start_s - window.stale_s <= one.start_s <= window.end_s for one in window.absences
    )
    return FEW + per_s * (ages_s + 2 * LATE_S + stopped * (scrape_s + LATE_S))


def _age(series: Sequence[Series], t_s: float, stale_s: float) -> float:
    """The greatest age of a sample that stands for `t_s`, over the series that exist."""
    oldest_s = 0.0
    for one in series:
        index = int(one.t.searchsorted(t_s, "right")) - 1
        if index >= 0 and t_s - one.t[index] <= stale_s:
            oldest_s = max(oldest_s, float(t_s - one.t[index]))
    return oldest_s


def _canaries(samples: Samples, window: Window, region: str | None = None) -> float:
    """Canaries that the platform answered, in all regions or in one."""
    series = samples.of("client_canaries")
    silent = {f"unavailable_{outcome}" for outcome in UNANSWERED}

    def answered(one: Series) -> bool:
        return region in (None, one.region) and one.labels.get("outcome") not in silent

    return _growth(series, window, answered) or 0.0


def _of_nobody(samples: Samples, window: Window, *, canaries_too: bool = False) -> bool:
    """Whether the load does not know the region of some answers."""
    signals = ("client_attempts", "client_canaries") if canaries_too else ("client_attempts",)
    silent = UNANSWERED | {f"unavailable_{outcome}" for outcome in UNANSWERED}

    def lost(one: Series) -> bool:
        return one.region in ("", NOBODY) and one.labels.get("outcome") not in silent

    return any(_growth(samples.of(signal), window, lost) for signal in signals)


def _finding(phase: str, window: Window, agreement: Agreement) -> Finding:
    client, server = agreement.client, agreement.server
    share = None if not client or server is None else round(100 * server / client, 2)
    said = ""
    if client is not None and server is not None:
        said = f"the platform counts {server:.0f} answers, the load {client:.0f}"
    return Finding(
        slo=SLO,
        tier=None,
        phase=phase,
        region=None,
        source="server",
        window=(window.start_s, window.end_s),
        threshold=None,
        measured=share,
        margin=None,
        unit="%",
        samples=None if server is None else round(server),
        status="unknown" if agreement.wrong else "pass",
        reason=agreement.wrong or "; ".join(part for part in (said, agreement.canaries) if part),
    )
