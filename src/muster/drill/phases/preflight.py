"""Preflight: what must hold before the first effect. If a check fails, the drill stops unchanged.

Each check says what it looked at. A check that cannot look has not passed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from muster.drill.load import DrillLoad
from muster.drill.phases.share_shift import not_told
from muster.drill.plan.enough import needs_of, too_few
from muster.drill.plan.outline import Step, steps_of
from muster.drill.plan.permit import closed, reach_of, unconfirmed
from muster.drill.session import Session
from muster.drill.sight import late, observe
from muster.drill.sight.edges import edges_wrong
from muster.drill.sight.looking import Looking
from muster.drill.sight.shown import fresh, not_shown
from muster.drill.sight.sound import unsound
from muster.drill.sight.told_apart import untold
from muster.drill.undo.beside import nobody_beside
from muster.drill.undo.logs import left_on
from muster.drill.undo.restore import recover_command
from muster.drill.undo.store import stored_undo
from muster.errors import DrillAborted, MusterError
from muster.faults import Fault
from muster.faults.proxies import proxy_of
from muster.targets.declared import lines

logger = logging.getLogger("chaostoolkit")
FRESH_S_MAX = 30.0
SCRAPED_S_MAX = 10.0


@dataclass(frozen=True)
class Check:
    """One check: `name` in the ledger; `look` returns what is wrong, or an empty text."""

    name: str
    look: Callable[[Looking], str]


def preflight(session: Session) -> None:
    """Run every check; the first that fails stops the drill. Raises DrillAborted.

    What the target declares that its platform does not have is told first: nothing guards it.
    """
    for line in lines(session.target.declared):
        logger.warning("preflight: %s", line)
    for check in CHECKS:
        session.stop.check()
        try:
            wrong = check.look(session)
        except MusterError as error:
            wrong = str(error)
        session.record("check", name=check.name, ok=not wrong, detail=wrong)
        if wrong:
            raise DrillAborted(f"preflight:{check.name}", wrong)
    logger.info("preflight: %d checks hold", len(CHECKS))


def allowed(session: Looking) -> str:
    """The target's blast radius covers everything that this drill will change."""
    return reach_of(session.target, _steps(session))


def _steps(session: Looking) -> tuple[Step, ...]:
    plan = session.plan
    return steps_of(
        session.platform,
        plan.method,
        plan.time_scale,
        held=plan.holds_connections,
        seed=plan.settings.seed,
    )


def load_size(session: Looking) -> str:
    """The load brings arrivals enough to tell how the traffic is split at each step."""
    for need in needs_of(session.plan):
        if not need.enough:
            logger.warning("preflight: %s", need.line())
    return too_few(session.plan)


def confirmed(session: Looking) -> str:
    """A production target was confirmed by its name."""
    return unconfirmed(session.plan)


def open_now(session: Looking) -> str:
    """The target's calendar allows a drill now."""
    return closed(session.target)


def lock_kept(session: Looking) -> str:
    """This drill still holds the target's lock; if it is shared, it can renew it, and what it
    writes to the store it can remove.
    """
    lease = session.lock.lease
    if lease is None:
        return ""
    lease.renew()
    return lease.store.not_removable(session.target.name)


def stood_by(session: Looking) -> str:
    """Somebody on another machine would restore, if the target demands that."""
    shared, lease = session.target.shared, session.lock.lease
    if shared is None or lease is None or not shared.standby:
        return ""
    return nobody_beside(lease.store, session.target.name, session.clock, lease.clock_skew_s_max)


def undo_known(session: Looking) -> str:
    """For every change of the drill, its present value can be read, so that it can be restored."""
    for fault in _applied(session):
        session.stop.check()
        fault.undo_params()
    return ""


def rehearsed(session: Looking) -> str:
    """No system would refuse a change of the drill, or its inverse, as far as it tells."""
    found: list[str] = []
    for fault in _applied(session):
        # A cluster is asked at a pace: many workloads take a while, and the watchdog sees it go on.
        session.stop.check()
        found += fault.rehearse()
    return "; ".join(found)


def load_place(session: Looking) -> str:
    """Where the load is to run, nothing refuses it, and no other load is left there."""
    addresses = session.platform.names.addresses()
    load = DrillLoad(session.plan, session.target, addresses, session.bundle)
    return "; ".join(load.refusals())


def _applied(session: Looking) -> Iterator[Fault]:
    """The faults that the drill applies, one of each kind on each subject."""
    seen: set[tuple[str, str]] = set()
    for step in _steps(session):
        for fault in step.faults:
            if not step.back and (fault.kind, fault.subject) not in seen:
                seen.add((fault.kind, fault.subject))
                yield fault


def alone(session: Looking) -> str:
    """Nobody else starts again what the drill stops; who may do so is told."""
    undoing: list[str] = []
    for fault in _applied(session):
        if not fault.stops_region or fault.region is None:
            continue
        for other in session.platform.power[fault.region].others():
            if other.undoes:
                undoing.append(other.said)
            else:
                logger.warning("preflight: %s: %s", fault.region, other.said)
    return "; ".join(undoing)


def no_leftover_undo(session: Looking) -> str:
    """No earlier drill left a change on this target."""
    left = left_on(session.target.name, but=session.bundle)
    if left.unusable:
        return left.unusable[0]
    held = stored_undo(session.target) or {}
    for drill, entries in held.items():
        if drill != session.bundle.name:
            return (
                f"{drill} left {len(entries)} changes that are not restored: run "
                f"{recover_command(session.plan.target_file)}"
            )
    for log in left.pending:
        return (
            f"{log.read.header.drill_id} left {len(log.read.pending)} changes that are not "
            f"restored: run {recover_command(session.plan.target_file)}"
        )
    return ""


def regions_ready(session: Looking) -> str:
    """Every region answers that it is ready for traffic."""
    silent = [name for name in session.target.regions if not observe.ready(session, name)]
    return f"not ready: {', '.join(silent)}" if silent else ""


def steering_readable(session: Looking) -> str:
    """Every region has a weighted record, and none has weight 0 from an earlier drill."""
    weights = session.steering.weights()
    if set(weights) != set(session.target.regions):
        return f"records for {sorted(weights)}, regions {sorted(session.target.regions)}"
    dark = sorted(name for name, weight in weights.items() if weight == 0)
    return f"weight 0 left over for {', '.join(dark)}" if dark else ""


def no_toxics(session: Looking) -> str:
    """Every proxy that the target names is enabled and has no toxic."""
    for region, spec in session.target.regions.items():
        roles = spec.toxiproxy.proxies if spec.toxiproxy else {}
        for role in roles:
            state = proxy_of(session.target, region, role).state()
            if state.get("toxics") or not state.get("enabled"):
                names = [toxic["name"] for toxic in state.get("toxics", [])]
                return f"{region} {role}: toxics {names}, enabled {state.get('enabled')}"
    return ""


def serving(session: Looking) -> str:
    """No region is still draining."""
    for region, drain in session.platform.drain.items():
        shown = drain.shown()
        if shown != "serving":
            return f"{region} is {shown}"
    return ""


def prometheus_fresh(session: Looking) -> str:
    """Prometheus is ready and has scraped the platform, no longer ago than the target says.

    A server that ingests in batches is late at some looks; the figure to set is the largest of all.
    """
    session.metrics.ready()
    ages: list[float] = []

    def in_time() -> bool:
        age = late.behind_s(session)
        ages.extend([] if age is None else [age])
        return age is not None and not late.off(session, age)

    if session.stop.wait_until(in_time, FRESH_S_MAX, look_s=0.5) is not None:
        logger.info("preflight: the newest sample is %s", late.said(session, ages[-1]))
        return ""
    if not ages:
        return f"no fresh sample of {session.target.signals[late.SIGNAL]}"
    return late.off(session, max(ages, key=abs))


def signals_sound(session: Looking) -> str:
    """The platform's figures are possible: no duplicates, no sawtooth, valid codes, seconds."""
    return unsound(session)


def signals_shown(session: Looking) -> str:
    """Every platform signal that the target names exists in every region.

    A platform that has just started gets some time here too.
    """
    session.wait_until(lambda: not not_shown(session), _scraped_s_max(session))
    return not_shown(session)


def _scraped_s_max(session: Looking) -> float:
    return SCRAPED_S_MAX + session.target.prometheus.delay_s


def edges_present(session: Looking) -> str:
    """The platform's histograms have a finite edge above every threshold of the contract."""
    return "\n".join(edges_wrong(session))


def no_incident(session: Looking) -> str:
    """No incident is open, if the target says how to query incidents."""
    query = session.target.incident
    if query and (found := session.metrics.instant(query)):
        return f"an incident is open: {query} answers {len(found)} series"
    return ""


def regions_told(session: Looking) -> str:
    """The load can tell by which region it was answered: by a header or by addresses."""
    return untold(session.target, session.platform.names.addresses(), session.clock)


def headroom(session: Looking) -> str:
    """The survivors report that they can hold every stream of the run.

    A platform that has just started is scraped process by process: it gets time to report all of
    it.
    """
    session.wait_until(lambda: not _short_of_room(session), _scraped_s_max(session))
    return _short_of_room(session)


def _short_of_room(session: Looking) -> str:
    limits: dict[str, float] = {}
    for series in fresh(session, "streams_limit"):
        value = series.v[-1]
        region = series.labels.get("region", "")
        if value is not None:
            limits[region] = limits.get(region, 0.0) + value
    return observe.short_of_room(session, limits)


CHECKS: tuple[Check, ...] = (
    Check("blast_radius", allowed),
    Check("load_size", load_size),
    Check("confirm", confirmed),
    Check("calendar", open_now),
    Check("lock", lock_kept),
    Check("standby", stood_by),
    Check("leftover_undo", no_leftover_undo),
    Check("regions_ready", regions_ready),
    Check("steering", steering_readable),
    Check("shift", not_told),
    Check("regions_told", regions_told),
    Check("toxics", no_toxics),
    Check("drain_state", serving),
    Check("undo_known", undo_known),
    Check("rehearsal", rehearsed),
    Check("load_place", load_place),
    Check("owners", alone),
    Check("prometheus", prometheus_fresh),
    Check("signals", signals_shown),
    Check("signals_sound", signals_sound),
    Check("histogram_edges", edges_present),
    Check("incident", no_incident),
    Check("headroom", headroom),
)
