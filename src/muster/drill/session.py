"""One drill in this process: its parts, and the calls that its phases use.

Effects go through the undo log first (`write_undo`), facts go to the ledger, and every wait ends
early if the drill must stop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from muster import testbed
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.guard import GuardControl
from muster.drill.load import DrillLoad
from muster.drill.lock.held import TargetLock
from muster.drill.plan.plan import DrillPlan
from muster.drill.plan.reach import outside
from muster.drill.sight.begun import Begun
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.drained import DrainLook
from muster.drill.sight.facts import Facts
from muster.drill.sight.on_platform import OnPlatform
from muster.drill.sight.split import Split
from muster.drill.sight.watch import Watch
from muster.drill.stop import StopFlag, StopReason
from muster.drill.undo.rig import params_of
from muster.drill.watchdog.handle import Watchdog
from muster.errors import DrillAborted
from muster.faults import Fault, Proof, fault_of, undo_params_of
from muster.judge.findings import observed
from muster.judge.judged_by import tier_said
from muster.ledger import Ledger
from muster.platform import Platform
from muster.platform.kubernetes.load_job import LoadJob
from muster.platform.steering import Expected
from muster.platform.steering.detection import slowest_s
from muster.samples.counting import Status
from muster.undo import LOAD_JOB, UndoLog

T = TypeVar("T")
F = TypeVar("F", bound=Fault)
logger = logging.getLogger("chaostoolkit")


@dataclass
class Session(OnPlatform):
    """A running drill."""

    drill_id: str
    plan: DrillPlan
    platform: Platform
    bundle: Path
    lock: TargetLock
    ledger: Ledger
    undo: UndoLog
    facts: Facts
    watch: Watch
    stop: StopFlag
    load: DrillLoad
    watchdog: Watchdog
    clock: Clock = SYSTEM_CLOCK
    owns_testbed: bool = False
    ttl_s: int = 0
    health_checks: dict[str, tuple[int, int]] = field(default_factory=dict)
    weights_before: dict[str, int] | None = None
    shifted_pct: float | None = None
    phase: str = ""
    counts_before: dict[str, float | None] = field(default_factory=dict)
    step_at_s: float = 0.0
    accepted_at_s: float = 0.0
    dark_at_s: float = 0.0
    activity_failed: str | None = None
    restored: bool = False
    concluded: bool = False
    stop_recorded: bool = False
    released: bool = False
    guards: tuple[GuardControl, ...] = ()
    begun: dict[str, Begun] = field(default_factory=dict)
    expected: Expected = field(default_factory=Expected)

    def __post_init__(self) -> None:
        # What the load creates elsewhere goes through this drill's undo log.
        self.load.intend = self.intend_load

    @property
    def samples(self) -> SamplesClock:
        """Which moment the samples show."""
        return SamplesClock.of(self.target.prometheus, self.clock)

    @property
    def split(self) -> Split:
        """How new streams are split over the regions now."""
        scrape_s = self.target.prometheus.scrape_interval_s
        return Split(
            self.facts,
            scrape_s,
            self.split_tolerance_pct,
            resolvers=self.plan.profile.resolver_caches,
            ttl_s=self.ttl_s,
            since_s=self.step_at_s,
        )

    @cached_property
    def drain_look(self) -> DrainLook:
        """The watch over the drain of the region that the drill evacuates."""
        drain = self.platform.drain[self.target.evacuate]
        return DrainLook(drain, self.stop, poll_s=self.poll_s, clock=self.clock)

    @property
    def time_scale(self) -> float:
        """By which factor holds and windows are shorter than real time."""
        return self.plan.time_scale

    @property
    def poll_s(self) -> float:
        """How often new samples are taken, in seconds."""
        return 2 * self.target.prometheus.scrape_interval_s

    @property
    def split_tolerance_pct(self) -> float:
        """How far, in points, an observed split may be from the records."""
        return 100 * float(self.plan.contract.drill.split_tolerance)

    @property
    def gone_pct(self) -> float:
        """Below this share of new streams a region counts as left."""
        return 100 * float(self.plan.contract.drill.shifted_share_max)

    @property
    def detection_s(self) -> int:
        """How long DNS may take to detect that a region is lost, in seconds."""
        return slowest_s(self.health_checks)

    @property
    def drill_tier(self) -> str:
        """The tier that the drill's own phases are judged by."""
        return self.plan.gate.tier_in_drill

    def rig_pids(self) -> list[int]:
        """Processes of the load and, where the target is one, of the testbed."""
        state = testbed.status(self.target.name) if self.target.class_ == "testbed" else None
        parts = [part.pid for part in state.processes if part.pid] if state else []
        return [*self.load.pids, *parts]

    def record(self, event: str, **fields: Any) -> None:
        """Write a line of the ledger. Raises LogLost: nothing may go on unlogged."""
        self.ledger.append(event, **fields)

    def phase_start(self, name: str, tier: str | None) -> None:
        """Begin the phase `name`, judged by `tier` (None: not judged)."""
        self.phase = name
        if tier is not None:
            for guard in self.guards:
                guard.arm()
        self.record("phase_started", phase=name, tier=tier)
        judged = f", judged by {tier_said(self.plan.contract, tier)}" if tier else ""
        logger.info("phase %s%s", name, judged)

    def phase_end(self, outcome: str) -> None:
        """The phase ends."""
        self.record("phase_ended", phase=self.phase, outcome=outcome)
        self.phase = ""

    def timing(self, name: str, value_s: float) -> None:
        """Record a measured duration, in seconds."""
        self.record("timing", name=name, value_s=round(value_s, 3))

    def finding(
        self,
        slo: str,
        status: Status,
        *,
        measured: float | None,
        threshold: float | None,
        unit: str,
        region: str | None = None,
        source: str = "client",
        reason: str = "",
    ) -> None:
        """Record an observation of the drill itself that the verdict must count."""
        finding = observed(
            slo,
            source,
            status,
            reason,
            measured=measured,
            threshold=threshold,
            unit=unit,
            phase=self.phase,
            region=region,
        )
        self.record("finding", finding=finding.as_json())

    def write_undo(self, fault: Fault) -> None:
        """Make the fault's inverse durable before the fault may be applied. Raises DrillAborted.

        Every effect comes through here, so the target's blast radius is enforced for all of them.
        """
        if self.released:
            raise DrillAborted(f"action:{self.phase}", "the guard's duty has ended")
        if wrong := outside(self.target, fault):
            reason = StopReason("limit:blast_radius", "ABORTED", wrong, self.clock.now_s())
            self.stop_now(reason)
        params, each_time = undo_params_of(fault), fault.each_time
        entry = self.undo.add(fault.kind, fault.subject, params, fault.region, each_time=each_time)
        self.record("undo", entry_id=entry.entry_id, subject=entry.subject, state="pending")
        self.check_lock()

    def check_lock(self) -> None:
        """For the moment before an effect. Raises DrillAborted if the lock may be lost."""
        if doubt := self.lock.doubt():
            self.stop_now(StopReason("lost_lease", "ABORTED", doubt, self.clock.now_s()))

    def intend_load(self, job: LoadJob) -> None:
        """Make it durable that the load's Job has to be deleted. Raises DrillAborted, LogLost."""
        if job.namespace not in self.target.blast_radius.namespaces:
            wrong = f"blast_radius.namespaces does not allow {job.namespace} ({job.subject})"
            self.stop_now(StopReason("limit:blast_radius", "ABORTED", wrong, self.clock.now_s()))
        params = params_of(job, self.drill_id)
        entry = self.undo.add(LOAD_JOB, job.subject, params)
        self.record(
            "undo", entry_id=entry.entry_id, subject=entry.subject, state="pending", rig=True
        )

    def fault_from_undo(self, kind: type[F]) -> F:
        """The pending fault of that kind, as the undo log remembers it. Raises DrillAborted."""
        for entry in self.undo.pending:
            if entry.kind == kind.kind and isinstance(
                fault := fault_of(self.platform, entry), kind
            ):
                return fault
        raise DrillAborted(f"action:{self.phase}", f"the undo log holds no {kind.kind}")

    def declare_fault(self, fault: Fault) -> None:
        """Say which fault comes next, where, and what it must cause there.

        A fault without a region must cause it in every one.
        """
        self.record(
            "fault_declared",
            fault=fault.kind,
            region=fault.region,
            expects=list(fault.expects),
            stops_region=fault.stops_region,
            replaces_processes=fault.replaces_processes,
            met_by=fault.met_by,
        )
        for guard in self.guards:
            for region in self._felt_in(fault):
                guard.declare(fault.kind, region, fault.expects)

    def fault_reverted(self, fault: Fault) -> None:
        """Say that the fault is gone."""
        self.record("fault_reverted", fault=fault.kind, region=fault.region)
        for guard in self.guards:
            for region in self._felt_in(fault):
                guard.reverted(fault.kind, region)

    def close_begun(self) -> None:
        """End the looks at every fault that goes on: what is restored must not be looked at."""
        for one in self.begun.values():
            one.close()
        self.begun.clear()

    def _felt_in(self, fault: Fault) -> tuple[str, ...]:
        return tuple(self.target.regions) if fault.region is None else (fault.region,)

    def record_proof(self, fault: str, region: str | None, proof: Proof) -> None:
        """What was seen of a fault."""
        self.record(
            "fault_proof",
            fault=fault,
            region=region,
            proven=proof.proven,
            proof=proof.facts,
            why=proof.why,
        )
        logger.info("%s in %s: %s", fault, region or "all regions", proof.why)

    def stop_now(self, reason: StopReason) -> None:
        """Stop the drill for `reason` and raise DrillAborted."""
        self.stop.set(reason)
        self.stop.check()

    def fail(self, by: str, detail: str) -> None:
        """Stop the drill because the platform did not do what it must. Raises DrillAborted."""
        self.stop_now(StopReason(by, "FAIL", detail, self.clock.now_s()))

    def slow(self, call: Callable[[], T], seconds: float = 0.0) -> T:
        """Return the result of `call`, which may take as long as power or drain of a region may
        take, and `seconds` besides.
        """
        self.allow_slow(seconds)
        try:
            return call()
        finally:
            self.stop.allow(0)

    def allow_slow(self, seconds: float = 0.0) -> None:
        """Announce a call that starts, stops or drains a region and waits until that shows."""
        powers = (one.timeout_s for one in self.platform.power.values())
        drains = (one.timeout_s for one in self.platform.drain.values())
        # A region's capacity is read back from its samples.
        self.stop.allow(3 * max(*powers, *drains) + 2 * self.samples.delay_s + seconds)

    def check(self) -> None:
        """Raise DrillAborted if the drill must stop, for example because a part of it died."""
        if self.load.started and not self.load.alive():
            detail = self.load.lost()
            self.stop_now(StopReason("load_died", "INCONCLUSIVE", detail, self.clock.now_s()))
        if not self.watch.alive:
            detail = "the watch no longer looks at the samples"
            self.stop_now(StopReason("action:watch", "ABORTED", detail, self.clock.now_s()))
        self.stop.check()

    def wait_until(
        self, holds: Callable[[], bool], seconds_max: float, look_s: float = 0.2
    ) -> float | None:
        """Wait for a fact; return the seconds, None past the time limit. Raises DrillAborted."""

        def looked() -> bool:
            self.check()
            return holds()

        return self.stop.wait_until(looked, seconds_max, look_s)

    def shown_after_s(self, since_s: float, signal: str = "client_answers") -> float:
        """Seconds from `since_s` (since the epoch) to what `signal` shows now."""
        return self.samples.shown_at_s(self.facts, signal) - since_s

    def await_samples(self) -> None:
        """Wait until what was scraped until now is known, where samples come late.

        What is counted up to a moment is whole only then. Raises DrillAborted.
        """
        if self.samples.delay_s:
            # The watch may just have polled: what has come is known after its next poll.
            self.let_pass(self.samples.bound_s(self.poll_s))

    def let_pass(self, seconds: float) -> None:
        """Wait `seconds` under watch. Raises DrillAborted."""
        until_s = self.clock.monotonic_s() + seconds
        while True:
            self.check()
            left_s = until_s - self.clock.monotonic_s()
            if left_s <= 0:
                return
            self.stop.wait(min(0.5, left_s))
