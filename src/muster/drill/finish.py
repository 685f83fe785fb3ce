"""The end of a drill: everything back, load out, guard's duty over, judged, testbed stopped.

Each step runs whatever happened to the one before; only the verdict says how it went.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from muster import home, testbed
from muster.drill.abort import restore_all
from muster.drill.conclude import conclude
from muster.drill.session import Session
from muster.drill.undo.restore import record_verify, restore
from muster.jsonl import LogLost
from muster.judge.verdict import Verdict, judge
from muster.redact import redacted

logger = logging.getLogger("chaostoolkit")
JUDGE_S_MAX = 600.0
"""Judging two hours of evidence and drawing its report takes seconds; on a starved machine more."""
STREAMS_LOOK_S = 0.2


def passed_so_far(session: Session) -> bool:
    """Whether the evidence passes as it stands after the method.

    The guard's duty ends first: judging must hold up nobody who is guarded. Where something is not
    back the duty goes on, and nothing needs to be judged to know that the drill does not pass.
    """
    # While streams end nobody looks at the stop flag: a trip or an abort must not wait for that.
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
    """End load and watch, once: the streams by themselves, and with the final scrape kept."""
    if session.concluded:
        return
    session.concluded = True
    for guard in session.guards:
        guard.disarm()
    session.watch.release_load()
    if session.load.started:
        session.load.stop_arrivals()
        _let_streams_end(session)
        # One more scrape and one more poll: what the load counted last must be in the samples.
        session.clock.sleep(session.target.prometheus.scrape_interval_s + 0.2)
    session.watch.close()
    if session.load.started:
        session.watchdog.load_ended()
        session.load.stop()
        _try("load_ended", lambda: session.record("load_ended"))
        _try("refusals", lambda: _say_refusals(session))


def _say_refusals(session: Session) -> None:
    """What the platform itself said as it refused the first requests."""
    from muster.reports.refusals import first_refusals

    for one in first_refusals(session.bundle):
        logger.warning("load: %s", one)


def _let_streams_end(session: Session) -> None:
    """Wait until no stream is open, at most as long as a stream may last.

    A cut of thousands of streams is a fault to the platform. No phase is judged here.
    """
    end_s = session.clock.monotonic_s() + session.target.stream_seconds_max
    while session.load.alive() and session.clock.monotonic_s() < end_s:
        if session.facts.total("client_streams") == 0:
            return
        session.stop.allow(STREAMS_LOOK_S)
        session.clock.sleep(STREAMS_LOOK_S)


def end_duty(session: Session) -> bool:
    """End the guard's duty, on record; whether a live watchdog guarded the drill until here.

    Everything is back or was tried, and the load is out. What comes later (a takeover, a signal,
    a busy machine) changes nothing of what the evidence says.
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
    """End the session and judge it. Whatever is still changed is restored first."""
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
        _announce(session, verdict)
        return verdict
    finally:
        _try("latest", lambda: link_latest(session.bundle))
        _try("prometheus", session.metrics.close)
        if session.owns_testbed:
            _try("testbed", lambda: testbed.down(session.plan.target.name))
        _try("lock", session.lock.release)
        # Last of all: whatever kills this process before is the watchdog's to clean up.
        session.watchdog.stand_down()


def _end_effects(session: Session) -> None:
    """Everything back and the load out; then nobody needs to guard the drill any more."""
    session.watchdog.act()
    _record_stop(session)
    if session.undo.pending:
        _try("restore", lambda: restore_all(session))
    elif not session.restored and not _verified(session):
        _try("verify", lambda: _verify(session))
    _try("end of measuring", lambda: end_measuring(session))
    session.stop.allow(JUDGE_S_MAX)
    _try("watchdog", lambda: end_duty(session))


def _record_stop(session: Session) -> None:
    """The reason to stop, in the ledger once."""
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
    """Whether everything is back, read from the real systems."""
    return not session.undo.pending and _verified(session)


def _verified(session: Session) -> bool:
    """Whether the method itself already read everything back."""
    from muster.ledger import read_ledger

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
    """Make `latest` mean this bundle."""
    latest = home.out_dir() / "latest"
    temporary = latest.with_name(f".latest-{bundle.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(bundle.name)
    temporary.replace(latest)


def _announce(session: Session, verdict: Verdict) -> None:
    logger.info(
        "verdict: %s%s", verdict.verdict, f" ({verdict.stopped_by})" if verdict.stopped_by else ""
    )
    for finding in verdict.findings:
        if finding.status not in ("pass", "not_judged"):
            logger.warning("%s", finding.line())
    logger.info("report: %s", session.bundle / "report.html")


def _try(what: str, call: Callable[[], object]) -> None:
    try:
        call()
    except LogLost as error:
        logger.error("%s: %s", what, error)
    except Exception as error:  # the next step of the end must still run
        logger.error("%s: %s: %s", what, type(error).__name__, error)
        logger.debug("%s", what, exc_info=True)
