"""What a drill observes itself: the split of new streams, cut streams, traffic to a dark region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import httpx

from muster.drill.session import Session
from muster.drill.sight.looking import Looking
from muster.drill.sight.split import Look, await_looks, scheduled
from muster.drill.sight.steered import CHANGED
from muster.drill.stop import StopReason
from muster.drill.undo.restore import record_verify, settle
from muster.errors import DrillAborted, MusterError
from muster.faults.capacity import is_back
from muster.faults.region_away import RegionAway
from muster.platform.steering.detection import largest_figures
from muster.samples.counting import Status

READY_APART_S = 0.3
STREAMS_OF_REGION = ("client_streams", "streams_active")
"""What load and region show of the streams that are open."""
SPLIT_S = 10.0
"""For the DNS server's own look at the records, and for a load that is not small to be counted."""
AS_BEFORE = "distance of the split of new streams from the split before the drill"
INTERVAL_S_DEFAULT = 10
"""For records without a health check: the shortest detection that Route 53 has, in seconds."""


def split_seconds_max(session: Session, *, leaving: bool) -> float:
    """How long the split may take to follow the records, in seconds.

    Every resolver's TTL, the DNS server's own read of the records, and three polls of the samples;
    on the way back a health check's detection comes first.
    """
    detection_s = 0 if leaving else session.detection_s
    return session.samples.bound_s(session.ttl_s + detection_s + 3 * session.poll_s + SPLIT_S)


def shift_seconds(session: Session, region: str) -> float | None:
    """Seconds from the moment when weight 0 was accepted until the region took under 1 % of new
    streams. What the platform then took to spread it is part of the shift.
    """
    began_s = session.accepted_at_s
    last = session.facts.last_share_at(
        "client_answers", region, session.gone_pct / 100, began_s, scheduled
    )
    return None if last is None else max(0.0, last - began_s)


def shown_since(session: Session, region: str, asked_s: float) -> bool:
    """Whether load and region show their streams as they were after `asked_s` (since the epoch).

    Older samples say nothing of what a drain left open.
    """
    shown_s = session.facts.shown_until_s
    return all(shown_s(signal, region=region) > asked_s for signal in STREAMS_OF_REGION)


def broken(session: Session, region: str) -> dict[str, float | None]:
    """Broken streams counted so far in `region`, by source."""
    return {
        "client": session.facts.total("client_attempts", region=region, outcome="broken"),
        "server": session.facts.total("streams_broken", region=region),
    }


def record_streams_cut(session: Session, region: str) -> None:
    """Streams that the drill cut in `region` since the evacuation began: must be 0."""
    now = broken(session, region)
    for source, count in now.items():
        before = session.counts_before.get(f"broken:{source}")
        # Without an earlier count, only "none ever" proves that none were cut since.
        cut = None if count is None or (before is None and count > 0) else count - (before or 0.0)
        if count is None and source == "server" and "streams_broken" not in session.target.signals:
            continue
        if cut is not None and cut < 0:
            cut = None  # a process that counted some has restarted, or shows nothing now
        status: Status = "unknown" if cut is None else "pass" if cut == 0 else "fail"
        session.finding(
            "streams_cut",
            status,
            measured=cut,
            threshold=0,
            unit="streams",
            region=region,
            source=source,
            reason="streams of the evacuated region that ended before their proper end",
        )


def reached(session: Session, region: str, at_s: float | None = None) -> float | None:
    """Connection attempts of the load to `region` so far, or until `at_s` (since the epoch)."""
    if at_s is None:
        return session.facts.total("client_connections", region=region)
    return session.facts.total_at("client_connections", at_s, region=region)


def record_dark_traffic(session: Session, region: str) -> None:
    """Connection attempts to the dark region: must be 0, seen from the client."""
    before, now = session.counts_before.get("reached"), reached(session, region)
    attempts = None if before is None or now is None else now - before
    status: Status = "unknown" if attempts is None else "pass" if attempts <= 0 else "fail"
    session.finding(
        "traffic_split",
        status,
        measured=attempts,
        threshold=0,
        unit="connections",
        region=region,
        reason="connections that the load tried to open to the dark region",
    )


def ready(session: Looking, region: str) -> bool:
    """Whether the region's ready_url answers 2xx now."""
    url = session.target.regions[region].ready_url
    try:
        answer = httpx.get(url, timeout=2.0, trust_env=False)
    except httpx.HTTPError:
        return False
    return 200 <= answer.status_code < 300


def steady_s(session: Session) -> float:
    """How long a region must be ready without interruption before it counts as back, in seconds.

    Longer than a health check's interval, so that no flapping hides between two checks. Health
    checks are never scaled; a testbed whose probes are faster than its records say counts as such.
    """
    testbed = session.target.testbed
    probe_s = testbed.health_check.probe_interval_s if testbed is not None else None
    interval_s, _ = largest_figures(session.health_checks)
    return (probe_s or interval_s or INTERVAL_S_DEFAULT) + READY_APART_S


def await_back(session: Session, fault: RegionAway) -> None:
    """Wait until the region is fully back: ready for a stretch, complete, and with its capacity.

    The drill fails if that takes too long; the message names what is missing.
    """
    missing = ""

    def back() -> bool:
        nonlocal missing
        try:
            seen, _ = fault.look_back()
        except MusterError as error:
            missing = str(error)
            return False
        missing = f"{seen.actual} (expected {seen.expected})"
        return seen.ok

    if session.wait_until(back, fault.back_s_max, look_s=READY_APART_S) is None:
        detail = f"{fault.region} is not back as before: {missing}"
        session.fail("platform:region_not_back", detail)
    if fault.stops:
        _record_room(session, fault)


def _record_room(session: Session, fault: RegionAway) -> None:
    """Whether as many streams fit as before the fault; a limit that was not read is unknown."""
    before, now = fault.room()
    missing = None if before is None or now is None else max(0.0, before - now)
    reason = "no stream limit before the fault" if before is None else "no stream limit now"
    if before is not None and now is not None:
        reason = f"room for {now:.0f} streams, {before:.0f} before the fault"
        if not is_back(now, before):
            reason += "; the region's autoscaler decides how many there are"
    session.finding(
        "capacity_back",
        "unknown" if missing is None else "pass",
        measured=missing,
        threshold=0,
        unit="streams",
        region=fault.region,
        source="server",
        reason=reason,
    )


def check_last_healthy(session: Session, region: str | None) -> None:
    """Never the last healthy region, nor one more than may be dark: looked at right now.

    `region` None: the fault spares no region, so all must be ready.
    """
    if region is None:
        missing = [name for name in session.target.regions if not ready(session, name)]
        if missing:
            detail = f"{', '.join(missing)} is not ready, and the fault spares no region"
            session.fail("limit:last_healthy_region", detail)
        return
    others = [name for name in session.target.regions if name != region]
    away = [name for name in others if not ready(session, name)]
    if len(away) == len(others):
        session.fail("limit:last_healthy_region", f"no region but {region} is ready")
    most = session.target.blast_radius.regions_dark_max
    if len(away) + 1 > most:
        detail = f"{', '.join([*away, region])} would be dark, at most {most} may be"
        session.fail("limit:regions_dark", detail)


def check_survivors_ready(session: Session) -> None:
    """Never a fault beside others on a platform whose survivors are unwell: looked at right now."""
    away = [name for name in session.target.survivors if not ready(session, name)]
    if away:
        detail = f"{', '.join(away)} is not ready, and another fault would come on top"
        session.fail("limit:last_healthy_region", detail)


def short_of_room(session: Looking, limits: Mapping[str, float]) -> str:
    """What the survivors' stream limits lack of what must stay; empty if nothing."""
    radius = session.target.blast_radius
    has = sum(limits.get(region, 0.0) for region in session.target.survivors)
    needed = session.streams_target * radius.streams_headroom_min
    if has < needed:
        return f"survivors hold {has:.0f} streams, {needed:.0f} are needed"
    missing = [region for region in session.target.regions if region not in limits]
    if radius.capacity_share_min and missing:
        return f"the stream limit of {', '.join(missing)} is unknown"
    whole = sum(limits.get(region, 0.0) for region in session.target.regions)
    if has < radius.capacity_share_min * whole:
        share = f"{radius.capacity_share_min:.0%}"
        return f"survivors hold {has:.0f} of {whole:.0f} streams, {share} must stay"
    return ""


def wait_split_back(
    session: Session, weights: Mapping[str, int], seconds_max: float
) -> float | None:
    """Seconds until new streams are split by `weights` again; None past the time limit."""
    return _await_looks(session, weights, seconds_max)[0]


def _await_looks(
    session: Session,
    weights: Mapping[str, int],
    seconds_max: float,
    most_pct: float | None = None,
) -> tuple[float | None, dict[str, Look | None]]:
    def sleep(seconds: float) -> None:
        # Not the session's own wait: the drill may already be stopping at this point.
        session.stop.allow(seconds)
        session.clock.sleep(seconds)

    return await_looks(
        replace(session.split, most_pct=most_pct),
        weights,
        seconds_max,
        still=lambda: session.load.alive() and session.watch.alive,
        sleep=sleep,
        monotonic_s=session.clock.monotonic_s,
    )


def verify(session: Session) -> None:
    """Read every change back, and verify that the traffic is split as before the drill.

    Raises DrillAborted if something is not restored; the rollbacks then try again.
    """
    session.phase_start("verify", None)
    outcome = "failed"
    try:
        # A region's read-back may take a series of looks.
        restored = session.slow(lambda: settle(session.platform, session.undo, session.ledger))
        record_verify(session.ledger, session.undo, restored)
        if not restored.verified:
            raise DrillAborted("action:verify", f"not restored: {', '.join(restored.failed)}")
        if restored.another:
            detail = "; ".join(restored.another)
            session.stop_now(StopReason(CHANGED, "ABORTED", detail, session.clock.now_s()))
        if session.weights_before is not None:
            record_split(session, session.weights_before, AS_BEFORE)
        outcome = "ok"
    finally:
        session.phase_end(outcome)


def record_split(
    session: Session, weights: Mapping[str, int], reason: str, most_pct: float | None = None
) -> None:
    """Wait, in bounded time, until new streams are split by `weights`; record the finding.

    `most_pct`: the widest tolerance, in points, that says anything (None: twice the contract's).
    """
    # The looks that ended the wait count: a new look could differ by chance.
    bound_s = session.samples.bound_s(3 * session.poll_s + session.ttl_s)
    took_s, looks = _await_looks(session, weights, bound_s, most_pct)
    missed = any(look is not None and not look.holds for look in looks.values())
    status: Status = "pass" if took_s is not None else "fail" if missed else "unknown"
    record_look(session, looks.get(session.target.evacuate), status, reason)


def record_look(session: Session, seen: Look | None, status: Status, reason: str) -> None:
    """The finding of one look at the split of the region that is drilled."""
    session.finding(
        "traffic_split",
        status,
        measured=None if seen is None else round(seen.off_pct, 3),
        threshold=session.split_tolerance_pct if seen is None else round(seen.tolerance_pct, 3),
        unit="points",
        region=session.target.evacuate,
        reason=reason,
    )
