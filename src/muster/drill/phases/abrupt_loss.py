"""The phases of a loss: users lose the region, wait until DNS leaves it, hold, bring it back.

By what they lose it is the fault's business: killed, cut off, or failing while it looks well.

No weight is changed and no region is asked to drain: the drill tests the platform's own detection.
The phase `loss` lasts for detection + TTL + 2 s, and no tier judges it; then the tier applies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from muster.drill.phases.failover import await_headroom, await_split, phase, wait_scaled
from muster.drill.session import Session
from muster.drill.sight import observe, proofs
from muster.drill.sight.quiet import await_quiet
from muster.drill.stop import StopReason
from muster.errors import DrillAborted
from muster.faults import Proof, fault_of
from muster.faults.region_away import RegionAway
from muster.judge.rig_pinned import blackout
from muster.platform.steering import shares_of
from muster.samples.series import Samples
from muster.samples.windows import Window

logger = logging.getLogger("chaostoolkit")
UNPROVEN = "fault:not_proven"
"""The stop reason of a drill whose fault took no effect: nothing would detect it."""
ANSWERS_MIN = 30
"""At least this many DNS answers are needed before a region counts as gone from them."""


def lose(session: Session, kind: Callable[..., RegionAway]) -> None:
    """Apply the fault that `kind` makes, and wait until the traffic must have gone elsewhere."""
    region = session.target.evacuate
    with phase(session, "loss", None):
        # Streams that broke before the loss must be counted by then.
        session.await_samples()
        observe.check_last_healthy(session, region)
        await_headroom(session)
        session.weights_before = session.steering.weights()
        fault = kind(session.platform, region, steady_s=observe.steady_s(session))
        session.write_undo(fault)
        broken_before = observe.broken(session, region)["client"]
        session.declare_fault(fault)
        lost_at_s = session.clock.now_s()
        session.dark_at_s = session.clock.monotonic_s()
        session.slow(fault.apply)
        lost_at_s = fault.cut_at_s or lost_at_s
        session.record("fault_applied", fault=fault.kind, region=region, cut_at=lost_at_s)
        seen = proofs.await_bite(session, fault)
        if not seen.proven:
            # Nothing was lost that anybody could detect: no finding about the platform.
            detail = f"{fault.subject}: no effect in {fault.bite_s_max:g} s: {seen.why}"
            reason = StopReason(UNPROVEN, "INCONCLUSIVE", detail, session.clock.now_s())
            session.stop_now(reason)
        session.record("region_dark" if fault.stops_region else "region_lost", region=region)
        detected_s = _await_detection(session, fault, lost_at_s)
        session.timing("detect_s", detected_s - lost_at_s)
        after_s = session.ttl_s + float(session.plan.contract.drill.shift_after_ttl_s)
        session.record("loss_detected", region=region, after_s=round(detected_s - lost_at_s, 3))
        session.let_pass(max(0.0, detected_s + after_s - session.clock.now_s()))
        session.record_proof(fault.kind, region, _cut(session, region, broken_before))
        _record_rig(session, lost_at_s)


def _await_detection(session: Session, fault: RegionAway, lost_at_s: float) -> float:
    """When the region was last in the DNS answers, since the epoch; past the time limit the drill
    fails.

    The limit is a health check's detection, plus the delays of name server and samples.
    """
    region, objective = fault.region, getattr(session.target, fault.kind)
    rto_s = objective.rto_s_max if objective is not None else 0.0
    bound_s = session.samples.bound_s(
        max(session.detection_s, rto_s) + session.ttl_s + 3 * session.poll_s + 10
    )
    look_back_s = 3 * session.target.prometheus.scrape_interval_s

    def gone() -> bool:
        answers = session.facts.increase("client_dns_answers", look_back_s)
        total = sum(answers.values())
        named = 100 * answers.get(region, 0.0) / total if total >= ANSWERS_MIN else 100.0
        return named < session.gone_pct

    if session.wait_until(gone, bound_s) is None:
        session.fail(
            "platform:loss_not_detected",
            f"the name server still answers with {region}, {bound_s:.0f} s after it was lost",
        )
    last_s = session.facts.last_share_at(
        "client_dns_answers", region, session.gone_pct / 100, lost_at_s, lambda labels: True
    )
    return session.clock.now_s() if last_s is None else max(last_s, lost_at_s)


def _cut(session: Session, region: str, before: float | None) -> Proof:
    """Record what clients saw: streams of the lost region that broke."""
    now = observe.broken(session, region)["client"]
    if now is None or before is None:
        return Proof(False, "no count of the streams that broke", {})
    cut = now - before
    return Proof(cut > 0, f"{cut:.0f} open streams of {region} broke", {"streams_broken": cut})


def _record_rig(session: Session, since_s: float) -> None:
    """Record when the rig itself was pinned, so that nobody attributes it to the platform."""
    samples = Samples({"rig_lag": session.facts.series("rig_lag")})
    rules = session.plan.contract.load_validity
    scrape_s = session.target.prometheus.scrape_interval_s
    stale_s = session.plan.contract.measurement.gap_s_max(scrape_s)
    window = Window(since_s, max(since_s, session.samples.until_s()), stale_s)
    seen = blackout(samples, window, rules.loop_lag_p99_s_max)
    for one in seen.pinned:
        session.record(
            "rig_pinned",
            component=one.component,
            instance=one.instance,
            t_from=round(one.start_s, 3),
            t_to=round(one.end_s, 3),
            pinned_s=round(one.pinned_s, 3),
            lag_s=None if one.lag_s == float("inf") else one.lag_s,
        )
    session.record(
        "rig_blackout",
        seconds=round(seen.seconds, 3),
        spans=[
            {"from": round(s.start_s, 3), "to": round(s.end_s, 3), "pinned_s": round(s.pinned_s, 3)}
            for s in seen.spans
        ],
    )
    logger.info("loss: the rig itself was pinned for %.1f s", seen.seconds)


def hold_lost(session: Session, tier: str, minutes: float) -> None:
    """The phase `failed_over`: the survivors carry all traffic, the region is still gone."""
    with phase(session, "failed_over", tier):
        fault = _lost(session)
        lit = proofs.lit(session, fault.region, stopped=fault.stops_region)
        with proofs.throughout(session, fault, lit):
            wait_scaled(session, minutes)


def come_back(session: Session, tier: str) -> None:
    """The phase `comeback`: the region as before, with its share of the streams."""
    region = session.target.evacuate
    with phase(session, "comeback", tier):
        began = session.clock.monotonic_s()
        fault = _lost(session)
        session.slow(fault.revert)
        session.fault_reverted(fault)
        session.record("region_lit", region=region)
        session.timing("lost_s", session.clock.monotonic_s() - session.dark_at_s)
        observe.await_back(session, fault)
        before = session.weights_before or session.steering.weights()
        session.step_at_s = session.clock.now_s()
        await_split(session, shares_of(before)[region], leaving=False)
        session.timing("restore_s", session.clock.monotonic_s() - began)
        await_quiet(session)


def _lost(session: Session) -> RegionAway:
    """The fault by which the region is lost, from the undo log. Raises DrillAborted."""
    for entry in session.undo.pending:
        fault = fault_of(session.platform, entry)
        if isinstance(fault, RegionAway) and fault.loses_region:
            return fault
    raise DrillAborted(f"action:{session.phase}", "the undo log holds no fault that loses a region")
