"""The phases of faults of DNS that no single hold can show: no record at all, and stale records."""

from __future__ import annotations

from muster.drill.phases import share_shift
from muster.drill.phases.applied import apply_declared
from muster.drill.phases.failover import await_split, phase, wait_scaled
from muster.drill.session import Session
from muster.drill.sight import observe, proofs
from muster.drill.sight.quiet import await_quiet
from muster.faults.dns_empty import DnsEmpty
from muster.faults.dns_stale import DnsStale

SERVED_S_MARGIN = 10.0
"""How long attempts are waited for beyond the limit: a platform that misses it is told by how
much.
"""
ANSWERS_MIN = 30
FEWER_SHARE = 0.05


def leave_empty(session: Session, seconds: float) -> None:
    """The phase `outage`: no record for `seconds`, then until attempts no longer fail.

    No tier judges it, since no platform serves anyone. Time since the revert is judged by the
    target's limit.
    """
    with phase(session, "outage", None):
        observe.check_last_healthy(session, None)
        fault = DnsEmpty(session.platform)
        apply_declared(session, fault)
        proofs.await_bite(session, fault)
        with proofs.throughout(session, fault):
            session.let_pass(seconds)
        began_s = session.clock.now_s()
        session.slow(fault.revert)
        session.fault_reverted(fault)
        _await_served(session, began_s)


def _await_served(session: Session, since_s: float) -> None:
    """Wait, in bounded time, until no more attempts fail than may; record how long that took."""
    objective = session.target.dns_outage
    rto_s = objective.rto_s_max if objective is not None else 0.0
    scrape_s = session.target.prometheus.scrape_interval_s

    def served() -> bool:
        if session.samples.shown_at_s(session.facts, "client_answers") < since_s + 3 * scrape_s:
            return False
        all_of_it = session.facts.increase("client_answers", 2 * scrape_s)
        well = session.facts.increase(
            "client_answers", 2 * scrape_s, lambda labels: labels.get("code") == "200"
        )
        total = sum(all_of_it.values())
        return total >= ANSWERS_MIN and sum(well.values()) >= total * (1 - session.gone_pct / 100)

    bound_s = session.samples.bound_s(rto_s + SERVED_S_MARGIN)
    if session.wait_until(served, bound_s) is not None:
        session.timing("served_again_s", session.shown_after_s(since_s))
        _await_full(session)


def _await_full(session: Session) -> None:
    """Wait, in bounded time, until as many streams are open as before: they begin one by one."""
    wanted = (1 - FEWER_SHARE) * session.streams_target

    def full() -> bool:
        streams = session.facts.total("client_streams")
        return streams is not None and streams >= wanted

    session.wait_until(full, session.samples.bound_s(2 * session.target.stream_seconds_max))


def hold_after(session: Session, minutes: float, tier: str) -> None:
    """The phase `back_in_dns`: with the tier again, until the platform is quiet."""
    with phase(session, "back_in_dns", tier):
        wait_scaled(session, minutes)
        await_quiet(session)


def go_stale(session: Session, share_pct: float, seconds: float, tier: str) -> None:
    """The phase `stale`: old records are answered, and a shift of weights does nothing."""
    with phase(session, "stale", tier):
        fault = DnsStale(session.platform)
        apply_declared(session, fault)
        share_shift.set_away(session, share_pct)
        proofs.await_bite(session, fault)
        with proofs.throughout(session, fault):
            session.let_pass(seconds)


def catch_up(session: Session, minutes: float, tier: str) -> None:
    """The phase `caught_up`: the name server reads again, and new streams follow the weights."""
    with phase(session, "caught_up", tier):
        fault = session.fault_from_undo(DnsStale)
        shift = share_shift.shift_away(session)
        began_s = session.clock.now_s()
        session.slow(fault.revert)
        session.fault_reverted(fault)
        session.step_at_s = began_s
        look = await_split(session, shift.share_had_pct, leaving=True)
        took_s = session.shown_after_s(began_s)
        session.timing("caught_up_s", took_s)
        observe.record_look(session, look, "pass", share_shift.AWAY)
        with proofs.throughout(session, shift):
            wait_scaled(session, minutes)
