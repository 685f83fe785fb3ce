"""What the watchdog does once the drill's own process is verified gone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from muster import testbed
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.conclude import conclude_released
from muster.drill.finish import link_latest
from muster.drill.lock.held import TargetLock
from muster.drill.recover.ended import GoneDrill, end_gone_drill, judge_gone_drill
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.split import Split, await_split
from muster.drill.stop import StopReason
from muster.drill.undo.logs import LeftLog
from muster.drill.undo.restore import Restored
from muster.drill.undo.restore_time import restore_bound_s, restore_finding
from muster.drill.undo.still import StillOurs
from muster.drill.watchdog.messages import Configure, Hello
from muster.drill.watchdog.orphan_load import HeldLoad, OrphanLoad
from muster.drill.watchdog.patrol import Patrol
from muster.errors import DrillAborted, MusterError
from muster.faults import stops_region
from muster.jsonl import LogLost
from muster.ledger import Ledger
from muster.load.starter import write_file_sd
from muster.platform import Platform
from muster.targets import Target
from muster.undo import UndoEntry, read_undo

logger = logging.getLogger("chaostoolkit")
LOCK_S_MAX = 15.0
RESTORED, NOT_RESTORED = 0, 5


@dataclass
class Place:
    """What the watchdog takes over: the drill's bundle, its target, its load."""

    drill_id: str
    bundle: Path
    platform: Platform
    region: str
    ttl_s: float
    health_checks: dict[str, tuple[int, int]]
    patrol: Patrol
    load: OrphanLoad = field(default_factory=lambda: HeldLoad((), ()))
    clock: Clock = SYSTEM_CLOCK

    @property
    def target(self) -> Target:
        """What the platform was made from, its endpoints filled in."""
        return self.platform.target

    @classmethod
    def of(cls, config: Configure, platform: Platform, patrol: Patrol) -> Place:
        """The place that the drill's own process described."""
        return cls(
            config.drill_id,
            Path(config.bundle),
            platform,
            config.region,
            config.ttl_s,
            config.health_checks,
            patrol,
        )


def take_over(place: Place, reason: StopReason, *, confirmed: bool) -> int:
    """Restore, measure, judge, and clean up after the drill; return 0 if everything is restored."""
    place.load.hold()
    place.patrol.guard.disarm()
    place.patrol.expected.release()
    place.patrol.watch.release_load()
    lock = TargetLock(place.target, place.drill_id, place.clock)
    if not _acquire(lock, place.clock):
        # Somebody already recovers the target by hand, and has read the same undo log.
        place.load.end()
        return NOT_RESTORED
    try:
        path = place.bundle / "undo.jsonl"
        gone = GoneDrill(
            LeftLog(path, read_undo(path)),
            place.platform,
            place.target,
            say=lambda line: logger.error("watchdog: %s", line),
            only=StillOurs(lock, clock=place.clock),
            after_restore=lambda entries, restored, ledger: _measure(
                place, reason, entries, restored, ledger
            ),
            end_load=lambda: _end_load(place),
            clock=place.clock,
        )
        took_over = ("watchdog", {"state": "took_over", "confirmed": confirmed})
        ended = end_gone_drill(gone, reason, [took_over, *place.patrol.trips])
        if ended.recorded:
            judge_gone_drill(gone)
            with suppress(OSError):
                link_latest(place.bundle)
        return RESTORED if ended.verified else NOT_RESTORED
    finally:
        place.load.end()
        _tidy(place.target, place.drill_id)
        lock.release()


def clean_up(place: Place, reason: StopReason, *, confirmed: bool) -> int:
    """Finish a drill whose guard's duty was over. Its verdict stands."""
    place.load.end()
    lock = TargetLock(place.target, place.drill_id, place.clock)
    if not _acquire(lock, place.clock):
        return RESTORED
    try:
        logger.error("watchdog: cleaning up after %s: %s", place.drill_id, reason.detail)
        verdict = conclude_released(place.bundle, confirmed=confirmed)
        logger.error("watchdog: %s: %s (%s)", place.drill_id, verdict, place.bundle)
        with suppress(OSError):
            link_latest(place.bundle)
    except (MusterError, OSError) as error:
        logger.error("watchdog: %s: not judged: %s", place.drill_id, error)
    finally:
        _tidy(place.target, place.drill_id)
        lock.release()
    return RESTORED


def _end_load(place: Place) -> None:
    """Everything is restored, or was tried: the load's streams may end by themselves."""
    samples = SamplesClock.of(place.target.prometheus, place.clock)
    asked_s = place.clock.now_s()
    place.load.end_gently(
        lambda: place.patrol.facts.total_since("client_streams", asked_s),
        samples.bound_s(place.target.stream_seconds_max),
    )


def end_unbegun(hello: Hello) -> None:
    """A drill that died before it began has changed nothing; its testbed may have started."""
    state = testbed.status(hello.target)
    if state is not None and state.owner == hello.drill_id:
        testbed.down(state.name)


def _acquire(lock: TargetLock, clock: Clock) -> bool:
    """The kernel releases a dead holder's lock; that may take a moment."""
    end = clock.monotonic_s() + LOCK_S_MAX
    while True:
        try:
            lock.acquire()
            return True
        except DrillAborted as error:
            if clock.monotonic_s() > end:
                logger.error("watchdog: %s", error)
                return False
            clock.sleep(0.1)


def _measure(
    place: Place,
    reason: StopReason,
    entries: Sequence[UndoEntry],
    restored: Restored,
    ledger: Ledger,
) -> None:
    """Measure trip to restored, while the load still shows where new streams go."""
    moved = next((entry for entry in entries if entry.kind == "traffic_shift"), None)
    if moved is None or not restored.verified or restored.another or not place.load.alive():
        return
    patrol = place.patrol
    dark = any(stops_region(entry.kind) for entry in entries)
    bound_s = restore_bound_s(patrol.contract, place.ttl_s, place.health_checks, dark=dark)
    split = Split(
        patrol.facts,
        place.target.prometheus.scrape_interval_s,
        100 * float(patrol.contract.drill.split_tolerance),
        since_s=place.clock.now_s(),
    )
    samples = SamplesClock.of(place.target.prometheus, place.clock)
    back_s = await_split(
        split,
        moved.params["weights"],
        samples.bound_s(2 * bound_s),
        still=lambda: place.load.alive() and patrol.watch.alive,
        sleep=place.clock.sleep,
        monotonic_s=place.clock.monotonic_s,
    )
    took_s = None
    if back_s is not None:
        took_s = samples.shown_at_s(patrol.facts, "client_answers") - reason.t_trip_s
    seen = place.load.alive() and patrol.watch.alive
    with suppress(LogLost):
        if took_s is not None:
            ledger.append("timing", name="trip_to_restored_s", value_s=round(took_s, 3))
        finding = restore_finding(place.region, took_s, bound_s, seen=seen)
        ledger.append("finding", finding=finding.as_json())


def _tidy(target: Target, drill_id: str) -> None:
    """Remove what the drill's process would have removed at its end."""
    try:
        if target.load.file_sd is not None:
            write_file_sd(Path(target.load.file_sd), [])
        if target.class_ == "testbed":
            end_unbegun(Hello(drill_id=drill_id, target=target.name))
    except Exception as error:  # nothing of this may keep the lock
        logger.error("watchdog: %s: %s", type(error).__name__, error)
