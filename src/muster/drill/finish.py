"""The end of a drill: restore, end the load, end the guard's duty, judge, stop the testbed.

Each step runs whatever happened in the step before; only the verdict says how they went.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from muster import home, testbed
from muster.drill.abort import restore_all
from muster.drill.closing import closing
from muster.drill.conclude import conclude
from muster.drill.session import Session
from muster.drill.sight.spending import offered_in, spent_in
from muster.drill.stop import StopReason
from muster.drill.undo.restore import changes_in, record_verify, restore
from muster.drill.undo.rig import end_rig
from muster.jsonl import LogLost
from muster.judge.verdict import Verdict, judge
from muster.ledger import read_ledger
from muster.redact import redacted

logger = logging.getLogger("chaostoolkit")
JUDGE_S_MAX = 600.0
"""Judging two hours of evidence and drawing its report takes seconds, or more on a busy machine.
"""
STREAMS_LOOK_S = 0.2
LOAD_ENDS_S_MAX = 90.0
"""A Job and its pods may take this long to end, where the API server is slow."""


def passed_so_far(session: Session) -> bool:
    """Whether the evidence passes as it is after the method.

    The guard's duty ends first, because judging must not delay anything that is guarded. If
    something is not restored the duty goes on, and the drill cannot pass anyway.
    """
    _see_to_the_end(session)
    # Nothing checks the stop flag while streams end: a trip or an abort must not wait for that.
    session.watchdog.act()
    _record_stop(session)
    end_measuring(session)
    if session.stop.is_set or not _back(session):
        return False
    session.stop.allow(JUDGE_S_MAX)
    if not end_duty(session):
        return False
    return judge(session.bundle, ended=False).verdict == "PASS"


def end_measuring(session: Session) -> None:
    """End load and watch, once: let streams end by themselves, and keep the final scrape."""
    if session.concluded:
        return
    session.concluded = True
    for guard in session.guards:
        guard.disarm()
    session.watch.release_load()
    if session.load.started:
        session.load.stop_arrivals()
        asked_s = session.clock.now_s()
        _let_streams_end(session, asked_s)
        # One more scrape and one more poll: the load's last counts must be in the samples.
        _rest(session, session.samples.bound_s(session.target.prometheus.scrape_interval_s + 0.2))
    session.watch.close()
    if session.load.started:
        session.watchdog.load_ended()
        session.stop.allow(LOAD_ENDS_S_MAX)
        session.load.stop()
        _notice_lost(session)
        _try("load_ended", lambda: session.record("load_ended", **_offered(session)))
        _try("refusals", lambda: _say_refusals(session))
        _try("spent", lambda: record_spent(session))
    session.stop.allow(LOAD_ENDS_S_MAX)
    _try("rig", lambda: end_rig(session.target.load, session.undo, session.ledger))


def _offered(session: Session) -> dict[str, int]:
    """The totals of all parts; none if a record cannot be read."""
    try:
        return offered_in(session.bundle)
    except (OSError, ValueError) as error:
        logger.warning("load: its totals are unknown: %s", error)
        return {}


def _notice_lost(session: Session) -> None:
    """A part that was lost after the last look: what it should have measured is not known."""
    if lost := session.load.lost():
        session.stop.set(StopReason("load_died", "INCONCLUSIVE", lost, session.clock.now_s()))


def _say_refusals(session: Session) -> None:
    """What the platform itself said as it refused the first requests."""
    from muster.reports.refusals import first_refusals

    for one in first_refusals(session.bundle):
        logger.warning("load: %s", one)


def record_spent(session: Session) -> None:
    """What the load cost, from its own records; not recorded if one of them cannot be read."""
    spent = spent_in(session.bundle)
    cost = session.target.load.cost
    priced = {} if cost is None else {"money": spent.money(cost), "currency": cost.currency}
    session.record("load_spent", **asdict(spent), **priced)
    logger.info("load: %s", spent.line(cost))


def _see_to_the_end(session: Session) -> None:
    """Let the guards see all that they guard, where samples come late; a stop ends the wait."""
    if session.concluded or not session.load.started or not session.samples.delay_s:
        return
    end_s = session.clock.monotonic_s() + session.samples.bound_s(session.poll_s)
    while session.clock.monotonic_s() < end_s and not session.stop.is_set:
        session.stop.allow(STREAMS_LOOK_S)
        session.clock.sleep(STREAMS_LOOK_S)


def _rest(session: Session, seconds: float) -> None:
    session.stop.allow(seconds)
    session.clock.sleep(seconds)


def _let_streams_end(session: Session, asked_s: float) -> None:
    """Wait until no stream is open, at most as long as a stream may last.

    Seen in samples from after `asked_s` (since the epoch), when arrivals were stopped. To the
    platform, cutting thousands of streams is a fault. No phase is judged here.
    """
    seconds_max = session.samples.bound_s(session.target.stream_seconds_max)
    end_s = session.clock.monotonic_s() + seconds_max
    while session.load.alive() and session.clock.monotonic_s() < end_s:
        if session.facts.total_since("client_streams", asked_s) == 0:
            return
        _rest(session, STREAMS_LOOK_S)


def end_duty(session: Session) -> bool:
    """End the guard's duty in the ledger; return whether a live watchdog guarded the drill until
    here.

    Everything is restored or was tried, and the load has ended. Later events (a takeover, a signal,
    a busy machine) do not change what the evidence says.
    """
    if session.released:
        return True
    _record_stop(session)
    alive = session.watchdog.release()
    session.released = True
    if not alive:
        _record_stop(session)
    state = "released" if alive else "lost"
    session.record("watchdog", state=state, detail=session.watchdog.lost or "", back=_back(session))
    return alive


def finish(session: Session, journal: Any = None) -> Verdict:
    """End the session and judge it. Restores first whatever is still changed."""
    session.stop.allow(JUDGE_S_MAX)
    if not session.released:
        _end_effects(session)
    session.stop.allow(JUDGE_S_MAX)
    _try("drill_ended", lambda: session.record("drill_ended"))
    _try("ledger", session.ledger.close)
    _try("undo", session.undo.close)
    _try("journal", lambda: _write_journal(session.bundle, journal))
    try:
        verdict = conclude(session.bundle)
        _try("closing", lambda: _announce(session, verdict))
        return verdict
    finally:
        _try("latest", lambda: link_latest(session.bundle))
        _try("prometheus", session.metrics.close)
        if session.owns_testbed:
            _try("testbed", lambda: testbed.down(session.plan.target.name))
        _try("lock", session.lock.release)
        # Last of all: if this process is killed before, the watchdog cleans up.
        session.watchdog.stand_down()


def _end_effects(session: Session) -> None:
    """Restore everything and end the load; then the drill needs no guard any more."""
    _see_to_the_end(session)
    session.watchdog.act()
    _record_stop(session)
    if changes_in(session.undo):
        _try("restore", lambda: restore_all(session))
    elif not session.restored and not _verified(session):
        _try("verify", lambda: _verify(session))
    _try("end of measuring", lambda: end_measuring(session))
    session.stop.allow(JUDGE_S_MAX)
    _try("watchdog", lambda: end_duty(session))


def _record_stop(session: Session) -> None:
    """Write the reason to stop to the ledger, once."""
    reason = session.stop.reason
    if reason is None or session.stop_recorded:
        return
    session.stop_recorded = True
    _try(
        "stopped",
        lambda: session.record(
            "stopped",
            by=reason.by,
            verdict=reason.verdict,
            detail=reason.detail,
            t_trip=reason.t_trip_s,
        ),
    )


def _back(session: Session) -> bool:
    """Whether everything is restored, read from the real systems."""
    return not session.undo.pending and _verified(session)


def _verified(session: Session) -> bool:
    """Whether the method itself already read everything back."""
    events = read_ledger(session.ledger.path).of("verify")
    return bool(events) and bool(events[-1].get("verified"))


def _verify(session: Session) -> None:
    record_verify(
        session.ledger,
        session.undo,
        restore(session.platform, session.undo, session.ledger, clock=session.clock),
    )


def _write_journal(bundle: Path, journal: Any) -> None:
    if isinstance(journal, dict):
        text = json.dumps(journal, indent=2, default=str, ensure_ascii=False)
        (bundle / "journal.json").write_text(redacted(text) + "\n", encoding="utf-8")


def link_latest(bundle: Path) -> None:
    """Point `latest` to this bundle."""
    latest = home.out_dir() / "latest"
    temporary = latest.with_name(f".latest-{bundle.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(bundle.name)
    temporary.replace(latest)


def _announce(session: Session, verdict: Verdict) -> None:
    events = read_ledger(session.ledger.path).events
    report = session.bundle / "report.html"
    for level, text in closing(verdict, events, session.plan.target_file, report):
        logger.log(level, "%s", text)


def _try(what: str, call: Callable[[], object]) -> None:
    try:
        call()
    except LogLost as error:
        logger.error("%s: %s", what, error)
    except Exception as error:  # the next step of the end must still run
        logger.error("%s: %s: %s", what, type(error).__name__, error)
        logger.debug("%s", what, exc_info=True)
