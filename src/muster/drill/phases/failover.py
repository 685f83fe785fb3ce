"""The phases of a failover drill. Each waits for observed facts, never for time alone.

Before a phase changes anything, it writes the inverse to the undo log. If a phase observes that the
platform does not follow, it stops the drill and attributes the stop to the platform. Every wait is
bounded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from muster.drill.phases.arrivals import arrivals_needed, few_seconds, judgeable_s
from muster.drill.phases.held import release_held
from muster.drill.session import Session
from muster.drill.sight import observe, proofs
from muster.drill.sight.rig_cpu import points_between, read_cpu
from muster.drill.sight.shown import load_not_shown
from muster.drill.sight.sound import unsound
from muster.drill.sight.split import Look, gone
from muster.drill.sight.steered import look, steer
from muster.drill.stop import StopReason
from muster.errors import DrillAborted, MusterError
from muster.faults.drain import Drain
from muster.faults.region_power import RegionPower
from muster.faults.traffic_shift import TrafficShift
from muster.load.schedule import ramp_seconds
from muster.platform.drain import DrainState
from muster.platform.metrics import MetricsError
from muster.platform.steering import shares_of
from muster.targets.signals import SIGNALS_DEFAULT

logger = logging.getLogger("chaostoolkit")
HEALTHY_S_MAX = 60.0
SHOWN_S_MAX = 10.0
STAY_S_MAX = 30.0


@contextmanager
def phase(session: Session, name: str, tier: str | None) -> Iterator[None]:
    """Record the phase `name`, judged by `tier` (None: not judged), with its start and end."""
    session.stop.check()
    session.phase_start(name, tier)
    outcome = "aborted"
    try:
        yield
        outcome = "ok"
    except DrillAborted:
        raise
    except MusterError:
        outcome = "failed"
        raise
    finally:
        session.phase_end(outcome)


def hold(session: Session, name: str, tier: str | None, minutes: float) -> None:
    """Let `minutes` of scaled time pass under watch, in a phase of its own."""
    with phase(session, name, tier):
        before = read_cpu(session.rig_pids(), session.clock)
        wait_scaled(session, minutes)
        points = points_between(before, read_cpu(session.rig_pids(), session.clock))
        if points is not None:
            session.record("rig_cpu", phase=name, points=round(points, 1))
            logger.info("%s: testbed and load used %.2f cores", name, points / 100)


def wait_scaled(session: Session, minutes: float) -> None:
    """Wait `minutes` / time scale."""
    session.let_pass(minutes * 60.0 / session.time_scale)


def ramp(session: Session) -> None:
    """Start the load and wait until its streams are reached and steady.

    If the load is not up after its ramp plus three times the longest stream, either the load is
    short of its schedule (the rig's fault) or the platform does not carry it.
    """
    with phase(session, "ramp", None):
        session.slow(lambda: session.load.start(session.stop.check), session.load.start_s_max)
        session.watchdog.hand_over_load(session.load.handed)
        session.record(
            "load_started",
            shards=session.load.shards,
            pids=session.load.pids,
            counts=list(SIGNALS_DEFAULT),
            **session.load.told,
        )
        session.watch.require_load()
        target = session.streams_target
        # Twice the tolerance of `streams_achieved`: baseline judges it, here it only has to be
        # close.
        tolerance = max(0.04 * target, 6.0 * target**0.5)
        ramp_s = ramp_seconds(session.plan.profile.ramp_s, target)
        seconds_max = session.samples.bound_s(ramp_s + 3 * session.target.stream_seconds_max + 30)

        def steady() -> bool:
            streams = session.facts.total("client_streams")
            return streams is not None and abs(streams - target) <= tolerance

        took = session.wait_until(steady, seconds_max)
        if took is None:
            stop_not_reached(session)
        await_load_shown(session)
        session.stop.wait(min(5.0, session.target.stream_seconds_max / 6))
        if session.wait_until(steady, seconds_max) is None:
            stop_not_reached(session)
        check_sound(session)


def check_sound(session: Session) -> None:
    """Check that the platform's figures under load are possible. Raises DrillAborted if not."""
    try:
        wrong = unsound(session)
    except MetricsError as error:
        wrong = str(error)
    if wrong:
        now_s = session.clock.now_s()
        session.stop_now(StopReason("signals:unsound", "INCONCLUSIVE", wrong, now_s))


def await_load_shown(session: Session) -> None:
    """Check that Prometheus has every signal of the load. Raises DrillAborted if not."""

    def lacks() -> str:
        try:
            return load_not_shown(session, session.load.parts_elsewhere)
        except MetricsError as error:
            return str(error)

    bound_s = session.samples.bound_s(SHOWN_S_MAX)
    if session.wait_until(lambda: not lacks(), bound_s) is None and (hidden := lacks()):
        now_s = session.clock.now_s()
        session.stop_now(StopReason("load:not_shown", "INCONCLUSIVE", hidden, now_s))


def stop_not_reached(session: Session) -> None:
    """Decide which side did not reach the streams, and stop. Raises DrillAborted."""
    await_load_shown(session)
    scheduled = session.facts.total("client_scheduled")
    offered = session.facts.total("client_offered")
    streams = session.facts.total("client_streams")
    shown = "unknown" if streams is None else f"{streams:.0f}"
    detail = f"{shown} of {session.streams_target} streams"
    if not scheduled or offered is None or offered < 0.99 * scheduled:
        reason = StopReason("load:short_of_schedule", "INCONCLUSIVE", detail, session.clock.now_s())
        session.stop_now(reason)
    session.fail("platform:streams_not_reached", detail)


def evacuate(session: Session, shares_pct: Sequence[float], tier: str) -> None:
    """Lower the region's traffic share step by step, each one only if the survivors can take it."""
    region = session.target.evacuate
    with phase(session, "evacuate", tier):
        # Streams that broke before it are not its own: they must be counted by then.
        session.await_samples()
        began = session.clock.monotonic_s()
        before = session.steering.weights()
        session.weights_before = before
        shift = TrafficShift(session.platform, region, before=before, sets=())
        session.write_undo(shift)
        ask_drain(session, "closing")
        for source, count in observe.broken(session, region).items():
            session.counts_before[f"broken:{source}"] = count
        for share_pct in shares_pct:
            await_headroom(session)
            shift.share_pct = share_pct
            session.record("step", shares={region: share_pct}, weights=shift.weights())
            if share_pct == shares_pct[0]:
                session.timing("decide_s", session.clock.monotonic_s() - began)
            steer(session, shift.weights())
            await_split(session, shift.share_had_pct, leaving=True)
        shift_s = observe.shift_seconds(session, region)
        if shift_s is not None:
            session.timing("shift_s", shift_s)


def ask_drain(session: Session, state: DrainState) -> None:
    """Ask the region to release its clients, if its target has a drain hook."""
    region = session.target.evacuate
    drain = Drain(session.platform, region, state)
    if not drain.asks:
        return
    session.write_undo(drain)
    session.drain_look.rest()  # what the drill itself changes is nobody else's change
    session.slow(drain.apply)
    session.drain_look.stands(state)


def _look_at_drain(session: Session) -> None:
    """Check the drain once outside the polls. Raises DrillAborted if somebody else changed it."""
    session.drain_look.once()
    session.stop.check()


def await_headroom(session: Session) -> None:
    """Wait until the survivors report room for every stream, and are ready."""
    survivors = session.target.survivors
    wrong = "their stream limits are unknown"

    def room() -> bool:
        nonlocal wrong
        wrong = observe.short_of_room(session, session.facts.by_region("streams_limit"))
        return not wrong and all(observe.ready(session, region) for region in survivors)

    bound_s = session.samples.bound_s(HEALTHY_S_MAX)
    if session.wait_until(room, bound_s, look_s=0.5) is None:
        session.fail(
            "limit:survivor_headroom",
            wrong or f"survivors {', '.join(survivors)} are not ready",
        )


def await_split(
    session: Session, share_pct: float, *, leaving: bool, most_pct: float | None = None
) -> Look | None:
    """Wait until new streams are split as the records say, within 5 points (under 1 % for 0).

    The look that showed it is returned (None for 0). `most_pct`: the widest tolerance, in points,
    by which a look may tell it (None: twice the contract's). The time limit is what DNS and its
    clients may take: every resolver's TTL, a health check's detection, and three polls of the
    samples, and what a small load needs for enough arrivals.
    """
    region = session.target.evacuate
    observed: float | None = None
    seen: Look | None = None

    def follows() -> bool:
        nonlocal observed, seen
        if share_pct == 0:
            observed = gone(session.split, region, session.gone_pct)
            return observed is not None and observed < session.gone_pct
        seen = replace(session.split, most_pct=most_pct).look(region, share_pct)
        observed = None if seen is None else seen.share_pct
        return seen is not None and seen.holds

    bound_s = observe.split_seconds_max(session, leaving=leaving)
    took = session.wait_until(follows, bound_s + few_seconds(session, share_pct, most_pct))
    session.record("observed_split", region=region, share_pct=observed, wanted_pct=share_pct)
    if took is not None:
        return seen
    # If somebody else changed weights or drain, the platform did not refuse to follow.
    look(session)
    _look_at_drain(session)
    shown = "unknown" if observed is None else f"{observed:.1f} %"
    detail = f"{region} takes {shown} of the new streams, but its records say {share_pct:g} %"
    if observed is None and (arrivals := session.split.seen()) > 0:
        # The samples are there: it is the load that is too small to tell.
        needed = arrivals_needed(session, share_pct, most_pct)
        few = StopReason(
            "load:too_few_arrivals",
            "INCONCLUSIVE",
            f"{detail}: {arrivals:.0f} arrivals were seen at most, "
            f"{needed} are needed; a larger scale brings them sooner",
            session.clock.now_s(),
        )
        session.stop_now(few)
    if observed is None:
        lost = StopReason("data_lost", "ABORTED", detail, session.clock.now_s())
        session.stop_now(session.watch.blamed(lost))
    session.fail(
        "platform:traffic_would_not_leave" if leaving else "platform:traffic_would_not_return",
        detail,
    )
    return None


def drain(session: Session, tier: str) -> None:
    """Wait until the region's streams have ended by themselves; past the limit: FAIL, not dark."""
    region = session.target.evacuate
    with phase(session, "drain", tier):
        began, began_s = session.clock.monotonic_s(), session.clock.now_s()
        ask_drain(session, "draining")
        asked_s = session.clock.now_s()
        seconds_max = session.samples.bound_s(
            session.ttl_s + session.target.stream_seconds_max + 3 * session.poll_s
        )

        def empty() -> bool:
            if not observe.shown_since(session, region, asked_s):
                return False
            seen = session.facts.by_region("client_streams").get(region)
            served = session.facts.by_region("streams_active").get(region)
            return seen == 0 and served == 0 and not unseen_streams(session, region)

        if session.wait_until(empty, seconds_max) is None:
            _look_at_drain(session)  # a drain that another took back is not the platform's either
            if unseen := unseen_streams(session, region):
                detail = (
                    f"{region} had {unseen:.0f} streams open in processes that fell silent: "
                    "nobody sees whether they ended"
                )
                lost = StopReason("data_lost", "ABORTED", detail, session.clock.now_s())
                session.stop_now(session.watch.blamed(lost))
            left = session.facts.by_region("client_streams").get(region)
            shown = "unknown" if left is None else f"{left:.0f}"
            session.fail(
                "platform:drain_bound_passed",
                f"{region} still has {shown} streams after {seconds_max:.0f} s",
            )
        session.timing("drain_s", session.shown_after_s(began_s, "client_streams"))
        observe.record_streams_cut(session, region)
        stay_s = judgeable_s(session, tier) - (session.clock.monotonic_s() - began)
        if stay_s > 0:
            session.let_pass(min(stay_s, STAY_S_MAX))


def unseen_streams(session: Session, region: str) -> float:
    """Streams of `region` in processes that show nothing any more and may still hold them.

    A process that has ended would have shown 0 before; and no stream outlasts its bound.
    """
    since_s = session.clock.now_s() - session.target.stream_seconds_max
    return session.facts.unseen("streams_active", region, since_s)


def darken(session: Session, tier: str, minutes: float) -> None:
    """Stop the region, verify at every poll that it is dark, and hold."""
    region = session.target.evacuate
    with phase(session, "dark", tier):
        observe.check_last_healthy(session, region)
        power = RegionPower(session.platform, region, steady_s=observe.steady_s(session))
        power.drained = True
        session.write_undo(power)
        session.declare_fault(power)
        session.drain_look.rest()
        session.slow(power.apply)
        session.record("fault_applied", fault=power.kind, region=region)
        if proofs.await_bite(session, power).proven:
            session.record("region_dark", region=region)
        session.dark_at_s = session.clock.monotonic_s()
        counted_s = session.clock.now_s()
        with proofs.throughout(session, power, proofs.lit(session, region)):
            session.await_samples()
            session.counts_before["reached"] = observe.reached(session, region, counted_s)
            wait_scaled(session, minutes)
        observe.record_dark_traffic(session, region)


def restore_traffic(session: Session, shares_pct: Sequence[float], tier: str) -> None:
    """Start the region, wait until it is fully back, and raise its share step by step."""
    region = session.target.evacuate
    with phase(session, "restore", tier):
        began = session.clock.monotonic_s()
        power = session.fault_from_undo(RegionPower)
        session.slow(power.revert)
        session.fault_reverted(power)
        session.record("region_lit", region=region)
        session.timing("dark_s", session.clock.monotonic_s() - session.dark_at_s)
        observe.await_back(session, power)
        session.slow(Drain(session.platform, region).revert)
        session.drain_look.stands("serving")
        before = session.weights_before or {}
        shift = TrafficShift(session.platform, region, before=before)
        final_pct = shares_of(before)[region]
        released = release_held(session)
        for share_pct in [*shares_pct, final_pct]:
            await_headroom(session)
            shift.share_pct = share_pct
            last = share_pct == final_pct
            weights = before if last else shift.weights()
            session.record("step", shares={region: share_pct}, weights=weights)
            steer(session, weights)
            await_split(session, shares_of(weights)[region], leaving=False)
        for drain in released:
            session.slow(drain.revert)
        session.timing("restore_s", session.clock.monotonic_s() - began)
        session.drain_look.rest()
