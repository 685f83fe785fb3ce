"""The phases of a small shift: move a share of a region's traffic away, hold, move it back.

After each move, the drill waits until the samples show the new split. A shift that the tolerance of
the split cannot distinguish from no shift is refused before the first effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from muster.drill.phases.failover import await_headroom, await_split, phase, wait_scaled
from muster.drill.session import Session
from muster.drill.sight import observe, proofs
from muster.drill.sight.looking import Looking
from muster.drill.sight.split import telling_pct
from muster.drill.sight.steered import steer
from muster.drill.stop import StopReason
from muster.faults.traffic_shift import TrafficShift
from muster.platform.steering import shares_of

STEPS = ("shift_share", "dns_stale")
"""The steps of a drill's method that have the argument `share_pct`."""
AWAY = "distance of the split of new streams from the shifted weights"
BACK = "distance of the split of new streams from the split before the shift"


def not_told(session: Looking) -> str:
    """Why the planned shift is too small to be observed; empty if it is not, or none is planned."""
    shares = [one.arguments["share_pct"] for one in session.plan.method if one.func in STEPS]
    if not shares:
        return ""
    before = session.steering.weights()
    return _too_small(session, _shift(session, before, shares[0]), before)


def move_away(session: Session, share_pct: float, tier: str) -> float:
    """The phase `shift`: move `share_pct` percent of the region's traffic to the others.

    Returns the region's share of all traffic after it, in percent.
    """
    with phase(session, "shift", tier):
        shift = set_away(session, share_pct)
        proofs.await_bite(session, shift)
        _await(session, shift.share_had_pct, leaving=True)
        return shift.share_had_pct


def set_away(session: Session, share_pct: float) -> TrafficShift:
    """Set the shifted weights, and wait for nothing. Raises DrillAborted if that tells nothing."""
    began = session.clock.monotonic_s()
    before = session.steering.weights()
    shift = _shift(session, before, share_pct)
    if wrong := _too_small(session, shift, before):
        now_s = session.clock.now_s()
        session.stop_now(StopReason("shift_too_small", "INCONCLUSIVE", wrong, now_s))
    await_headroom(session)
    session.weights_before, session.shifted_pct = before, share_pct
    session.write_undo(shift)
    session.declare_fault(shift)
    session.timing("decide_s", session.clock.monotonic_s() - began)
    _steer(session, shift.weights())
    session.record("fault_applied", fault=shift.kind, region=shift.region)
    return shift


def shift_away(session: Session) -> TrafficShift:
    """The shift that was set."""
    return _shift(session, session.weights_before or {}, session.shifted_pct)


def hold_away(session: Session, minutes: float, tier: str) -> None:
    """The phase `shifted`: check the weights at every poll, and the split at the end."""
    with phase(session, "shifted", tier):
        shift = shift_away(session)
        with proofs.throughout(session, shift):
            wait_scaled(session, minutes)
        session.await_samples()
        observe.record_split(session, shift.weights(), AWAY, most_pct=_telling(session))


def move_back(session: Session, minutes: float, tier: str) -> None:
    """The phase `shift_back`: restore the weights, wait for the former split, and hold."""
    with phase(session, "shift_back", tier):
        before = session.weights_before or {}
        _steer(session, before)
        session.fault_reverted(_shift(session, before, session.shifted_pct))
        _await(session, shares_of(before)[session.target.evacuate], leaving=False)
        wait_scaled(session, minutes)


def _shift(session: Looking, before: Mapping[str, int], less_pct: float | None) -> TrafficShift:
    """The shift from the weights `before`; its steps are added to its undo entry."""
    region = session.target.evacuate
    return TrafficShift(session.platform, region, before=before, sets=(), less_pct=less_pct)


def _steer(session: Session, weights: Mapping[str, int]) -> None:
    region = session.target.evacuate
    session.record("step", shares={region: shares_of(weights)[region]}, weights=weights)
    steer(session, weights)


def _await(session: Session, share_pct: float, *, leaving: bool) -> None:
    """Wait until the split shows the region's share; record the time and the deviation."""
    began_s = session.clock.now_s()
    look = await_split(session, share_pct, leaving=leaving, most_pct=_telling(session))
    session.timing("away_s" if leaving else "back_s", session.shown_after_s(began_s))
    observe.record_look(session, look, "pass", AWAY if leaving else BACK)


def _telling(session: Session) -> float | None:
    """The widest tolerance, in points, at which this shift is distinguished from no shift."""
    before = session.weights_before or {}
    moved_pct = _moved_pct(_shift(session, before, session.shifted_pct), before)
    return telling_pct(moved_pct, session.split_tolerance_pct)


def _moved_pct(shift: TrafficShift, before: Mapping[str, int]) -> float:
    """The difference of the region's shares, in points, that whole-number weights give."""
    return shares_of(before)[shift.region] - shift.share_had_pct


def _too_small(session: Looking, shift: TrafficShift, before: Mapping[str, int]) -> str:
    moved_pct = _moved_pct(shift, before)
    tolerance_pct = 100 * float(session.plan.contract.drill.split_tolerance)
    if telling_pct(moved_pct, tolerance_pct) is not None:
        return ""
    has_pct = shares_of(before)[shift.region]
    needed = ceil(200 * tolerance_pct / has_pct) if has_pct else 100
    advice = f"{needed} % or more of it" if needed < 100 else "a region with more traffic"
    return (
        f"share_pct: {shift.less_pct:g} % of the traffic of {shift.region} are {moved_pct:.1f} "
        f"points of all traffic; the tolerance of a split is {tolerance_pct:g} points, so a shift "
        f"needs {2 * tolerance_pct:g}: shift {advice}"
    )
