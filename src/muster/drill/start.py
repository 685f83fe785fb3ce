"""From a checked plan to a running session: lock, testbed (if the target is one), ledger, watch.

If a step fails, everything that was started is stopped again.
"""

from __future__ import annotations

import logging
import os
import platform as machine
import re
import secrets
import shutil
from contextlib import ExitStack
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from muster import home, targets, testbed
from muster.clock import SYSTEM_CLOCK, Clock, utc
from muster.drill.current import install
from muster.drill.guard import DrillGuard
from muster.drill.load import DrillLoad
from muster.drill.lock.held import TargetLock
from muster.drill.lock.runs import RunFiles
from muster.drill.plan.capacity import capacity_of, told
from muster.drill.plan.expected import expected_s
from muster.drill.plan.order import phases_of_method
from muster.drill.plan.outline import begun_by, steps_of
from muster.drill.plan.plan import DrillPlan
from muster.drill.plan.room import check_room
from muster.drill.plan.settings import ID_VARIABLE
from muster.drill.session import Session
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.facts import KEEP_S, Facts
from muster.drill.sight.samples import SampleSink
from muster.drill.sight.spending import Spending
from muster.drill.sight.starved import Starved
from muster.drill.sight.steered import SteeringLook
from muster.drill.sight.watch import POLL_SCRAPES, Watch
from muster.drill.stop import StopFlag, StopReason
from muster.drill.undo.store import open_undo
from muster.drill.watchdog.handle import Watchdog
from muster.drill.watchdog.messages import Configure
from muster.errors import BadInput
from muster.jsonl import LogLost
from muster.ledger import Ledger
from muster.platform import Platform, platform_of
from muster.platform.metrics import Metrics, MetricsError, Poller, late_seconds, read
from muster.platform.steering import Expected
from muster.platform.steering.detection import largest_figures
from muster.samples.series import SampleWriter
from muster.targets import Target
from muster.undo import UndoHeader, UndoLog

logger = logging.getLogger("chaostoolkit")
REACH_SCRAPES = 6
BEGIN_S = 30.0
"""What the begin of a drill takes beside the parts of a testbed."""
PARTS_IN_TURN = 2
"""Slow parts of a testbed that come up one after the other."""
PACKAGES = (
    "chaostoolkit-muster",
    "chaostoolkit",
    "chaostoolkit-lib",
    "boto3",
    "moto",
    "toxiproxy-python",
    "redis",
    "uvloop",
)


def start(plan: DrillPlan, clock: Clock = SYSTEM_CLOCK) -> Session:
    """Begin the drill of `plan` and make its session the current one.

    Raises BadInput or DrillAborted; then nothing that this call started is left.
    """
    check_room()
    holds = capacity_of(plan)
    drill_id = told_id(plan.drill) or new_id(plan.drill, clock)
    bundle = home.out_dir() / drill_id
    with ExitStack() as undo_start:
        lock = TargetLock(plan.target, drill_id, clock)
        lock.acquire()
        undo_start.callback(lock.release)
        stop = StopFlag(clock)
        watchdog = Watchdog(RunFiles(drill_id), plan.target.name, stop, clock)
        undo_start.callback(watchdog.abandon)
        ready_s_max = plan.target.testbed.ready_s_max if plan.target.testbed else 0.0
        stop.allow(BEGIN_S + PARTS_IN_TURN * ready_s_max)
        target, owns_testbed = _reach(plan, drill_id)
        if owns_testbed:
            undo_start.callback(testbed.down, plan.target.name)
        platform = platform_of(target, clock)
        undo_start.callback(platform.metrics.close)
        _answers(platform.metrics, plan)
        # Evidence of a drill that did not begin would look like that of one that was cut off.
        undo_start.callback(shutil.rmtree, bundle, ignore_errors=True)
        write_snapshots(plan, bundle)
        ledger = Ledger(bundle / "ledger.jsonl")
        undo_start.callback(ledger.close)
        header = UndoHeader(drill_id, plan.target.name, plan.target_file)
        undo = open_undo(target, bundle / "undo.jsonl", header)
        undo_start.callback(undo.close)
        session = _session(
            plan, drill_id, bundle, platform, lock, ledger, undo, stop, watchdog, clock
        )
        session.owns_testbed = owns_testbed
        lock.on_lost(lambda detail: _lost_lease(session, detail))
        _record_start(session)
        if (capacity := told(plan, holds)) is not None:
            session.record("capacity", **capacity)
        watchdog.configure(_guarded(session), session.record)
        session.record("watchdog", state="started", pid=watchdog.pid)
        session.watch.start()
        undo_start.pop_all()
    install(session)
    logger.info("drill %s on target %s: %s", plan.drill, target.name, bundle)
    return session


def new_id(name: str, clock: Clock = SYSTEM_CLOCK) -> str:
    """A new id for a drill of that name, which begins with the time."""
    return f"{utc(clock):%Y%m%dT%H%M%SZ}-{name}-{secrets.token_hex(2)}"


def told_id(name: str) -> str:
    """The id that a game day told this process for its drill; empty if none did. Raises BadInput.

    The day must know where the evidence will be before the drill begins.
    """
    told = os.environ.get(ID_VARIABLE, "")
    if told and not re.fullmatch(rf"\d{{8}}T\d{{6}}Z-{re.escape(name)}-[0-9a-f]{{4}}", told):
        raise BadInput("environment", ID_VARIABLE, told, f"an id of {name}, as a game day sets it")
    if told and (home.out_dir() / told).exists():
        raise BadInput("environment", ID_VARIABLE, told, "an id that no drill has yet")
    return told


def _lost_lease(session: Session, detail: str) -> None:
    session.stop.set(StopReason("lost_lease", "ABORTED", detail, session.clock.now_s()))


def _answers(metrics: Metrics, plan: DrillPlan) -> None:
    """Check that the drill can see samples before it begins. Raises BadInput."""
    try:
        metrics.ready()
    except MetricsError as error:
        raise BadInput(
            plan.target_file, "prometheus.url", metrics.url, f"a Prometheus ({error})"
        ) from error


def _reach(plan: DrillPlan, drill_id: str) -> tuple[Target, bool]:
    """The target with its endpoints, and whether this drill started its testbed."""
    if plan.target.class_ != "testbed":
        return targets.resolve(plan.target), False
    state = testbed.status(plan.target.name)
    started = state is None
    if state is None:
        state = testbed.up(
            plan.target,
            plan.profile,
            scale=plan.settings.scale,
            seed=plan.settings.seed,
            defect=plan.settings.defect,
            owner=drill_id,
            progress=lambda line: logger.info("testbed: %s", line),
        )
    else:
        fits(plan, state)
    try:
        return targets.resolve(plan.target, testbed=state.endpoints), started
    except BadInput:
        if started:
            testbed.down(plan.target.name)
        raise


def fits(plan: DrillPlan, state: testbed.State) -> None:
    """A testbed that is already up must be the one that the drill asks for. Raises BadInput."""
    asked = {
        "profile": plan.profile.name,
        "scale": plan.settings.scale,
        "defect": plan.settings.defect,
    }
    for key, value in asked.items():
        found = getattr(state, key)
        if found != value:
            raise BadInput(
                f"testbed {plan.target.name} (already up)",
                key,
                found,
                f"{value!r} as the drill asks, or no testbed: chaos drill down",
            )


def _session(
    plan: DrillPlan,
    drill_id: str,
    bundle: Path,
    platform: Platform,
    lock: TargetLock,
    ledger: Ledger,
    undo: UndoLog,
    stop: StopFlag,
    watchdog: Watchdog,
    clock: Clock,
) -> Session:
    target, steering = platform.target, platform.steering
    scrape_s = target.prometheus.scrape_interval_s
    samples = SamplesClock.of(target.prometheus, clock)
    stale_s = plan.contract.measurement.gap_s_max(scrape_s)
    facts = Facts(stale_s, keep_s=samples.bound_s(KEEP_S), due_s=samples.due_s)
    expected = Expected()
    missing_s_max = target.prometheus.missing_s_max
    starved = Starved(facts, plan.contract.load_validity, samples.bound_s(missing_s_max))
    watch = Watch(
        Poller(
            platform.metrics,
            target.signals,
            reach_s=samples.bound_s(POLL_SCRAPES * REACH_SCRAPES * scrape_s),
            late_s=samples.bound_s(late_seconds(scrape_s)),
            clock=clock,
        ),
        SteeringLook(
            steering,
            expected,
            stop,
            missing_s_max=missing_s_max,
            blamed=starved.blamed,
            excused=lambda: guard.expects("steering_weight"),
            clock=clock,
        ).weights,
        facts,
        SampleSink(SampleWriter(bundle / "samples.jsonl")),
        stop,
        poll_s=POLL_SCRAPES * scrape_s,
        missing_s_max=missing_s_max,
        required=("requests", "client_answers"),
        starved=starved,
        delay_s=samples.delay_s,
        clock=clock,
    )
    session = Session(
        drill_id=drill_id,
        plan=plan,
        platform=platform,
        bundle=bundle,
        lock=lock,
        ledger=ledger,
        undo=undo,
        facts=facts,
        watch=watch,
        stop=stop,
        load=DrillLoad(plan, target, platform.names.addresses(), bundle, clock),
        watchdog=watchdog,
        ttl_s=platform.names.ttl_s(),
        health_checks=platform.names.detection(),
        expected=expected,
        clock=clock,
    )
    # From here on, the baseline included, any other change of the records is somebody else's.
    expected.begin(steering.shown())
    guard = DrillGuard(target, plan.contract, plan.gate, plan.time_scale, session.record, clock)
    watch.guard = guard
    if target.load.budget is not None:
        watch.spending = Spending(
            target.load.budget,
            target.load.cost,
            bundle,
            lambda: session.load.shards,
            unknown_s_max=missing_s_max,
            clock=clock,
        )
    session.guards = (guard, watchdog)
    return session


def _guarded(session: Session) -> Configure:
    """What the watchdog needs to guard this drill and to end it in its place."""
    return Configure(
        drill_id=session.drill_id,
        bundle=str(session.bundle),
        target_file=str(session.bundle / "target.yaml"),
        contract_file=str(session.bundle / "contract.yaml"),
        gate=session.plan.gate.name,
        time_scale=session.time_scale,
        region=session.target.evacuate,
        ttl_s=session.ttl_s,
        health_checks=session.health_checks,
        records=session.expected.as_json(),
    )


def _record_start(session: Session) -> None:
    plan, target = session.plan, session.target
    builds = sorted(
        {
            series.labels.get("version", "unknown")
            for series in read(
                session.metrics, "build_info", target.signals["build_info"], 60.0
            ).series
        }
        if "build_info" in target.signals
        else set()
    )
    versions = versions_of(PACKAGES)
    interval_s, threshold = largest_figures(session.health_checks)
    session.record(
        "drill_started",
        drill_id=session.drill_id,
        drill=plan.drill,
        title=plan.title,
        kind=plan.kind,
        expected_s=expected_s(plan, session.ttl_s),
        delay_s=session.samples.delay_s,
        phases=phases_of_method([(one.module, one.func) for one in plan.method]),
        begins=begun_by(
            steps_of(session.platform, plan.method, plan.time_scale, held=plan.holds_connections)
        ),
        gate=plan.gate.name,
        tier=plan.gate.tier,
        drill_tier=plan.gate.drill_tier,
        profile=plan.profile.name,
        hold_connection_share=float(plan.profile.hold_connection_share),
        scale=plan.settings.scale,
        time_scale=plan.time_scale,
        seed=plan.settings.seed,
        target=target.name,
        target_class=target.class_,
        defect=plan.settings.defect,
        evidence=plan.evidence,
        regions=list(target.regions),
        evacuated=target.evacuate,
        platform_build=builds,
        versions=versions,
        streams_target=plan.streams_target,
        scrape_interval_s=target.prometheus.scrape_interval_s,
        ttl_s=session.ttl_s,
        dns={"health_check_interval_s": interval_s, "threshold": threshold},
        declared=target.declared,
        limits={
            "stream_seconds_max": target.stream_seconds_max,
            "queue_age_s_max": float(plan.gate.queue_age_s_max),
        },
        weights=session.steering.weights(),
    )
    write_config(session, versions)


def versions_of(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of Python and of `packages`, as installed."""
    found = {"python": machine.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def write_config(session: Session, versions: dict[str, str]) -> None:
    """config.json of the bundle; it holds no secret."""
    import orjson

    plan = session.plan
    settings: dict[str, Any] = asdict(plan.settings)
    settings.pop("confirm")
    config = {
        "schema_version": 1,
        "drill_id": session.drill_id,
        "drill": plan.drill,
        "settings": settings,
        "time_scale": plan.time_scale,
        "gate": plan.gate.name,
        "profile": plan.profile.model_dump(mode="json"),
        "versions": versions,
        "machine": {"system": machine.system(), "release": machine.release()},
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    (session.bundle / "config.json").write_bytes(orjson.dumps(config, option=options))


def write_snapshots(plan: DrillPlan, bundle: Path) -> None:
    """contract.yaml and then target.yaml of the bundle, before anything else of it.

    They are the bytes that the plan was made from, and what the watchdog and the judge load. The
    target is kept as its file says it, placeholders and all: what fills them may be secret.
    Raises LogLost when the disk refuses them.
    """
    try:
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "contract.yaml").write_bytes(plan.contract_bytes)
        (bundle / "target.yaml").write_bytes(plan.target_bytes)
    except OSError as error:
        raise LogLost(f"{bundle}: {error.strerror or error}") from error
