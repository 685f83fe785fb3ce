"""One look at a running drill, as values: what its ledger, its samples and its processes show.

The guard's countdowns come from the drill's own rules (`muster.guard`), fed here with the same
samples a second time: nothing that decides is asked, so looking cannot disturb it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from muster import contract as contracts
from muster.clock import SYSTEM_CLOCK, Clock
from muster.contract.model import Contract, Gate, Tier
from muster.drill.live.follow import LedgerTail, SampleTail
from muster.drill.live.margins import SIGNALS, Margin, margins, needed
from muster.drill.live.progress import Progress
from muster.drill.live.recent import Recent
from muster.drill.lock.runs import STALE_S, RunFiles
from muster.drill.sight.behind import HeldBack
from muster.drill.sight.split import ARRIVALS_MIN, scheduled
from muster.errors import MusterError
from muster.guard.rate_guard import COUNTED
from muster.guard.rotation import Rotation
from muster.guard.triggers import WATCHED, Declared, Guard
from muster.guard.trips import Nearing
from muster.platform.metrics import RawSeries
from muster.platform.steering import shares_of

SHOWN_SIGNALS = ("client_streams", "client_answers")
LOOKED_AT = frozenset({*SIGNALS, *SHOWN_SIGNALS, *COUNTED, *WATCHED, "steering_weight"})
"""What margins, split and guard need of the samples."""
MARGINS_SHOWN = 3
SPLIT_SCRAPES = 10
"""Scrapes over which the split is shown."""


@dataclass(frozen=True)
class Process:
    """A process of the drill: when it was last awake, in seconds; None if it never was."""

    role: str
    ago_s: float | None

    @property
    def awake(self) -> bool:
        """Whether it showed itself within two leases."""
        return self.ago_s is not None and self.ago_s <= STALE_S


@dataclass(frozen=True)
class Shown:
    """What a person is shown at `at_s`. Times in seconds (since the epoch); None: unknown."""

    at_s: float
    drill_id: str
    drill: str
    target: str
    regions: tuple[str, ...]
    phase: str
    number: int
    phases: tuple[str, ...]
    tier: str | None
    elapsed_s: float | None
    ends_s: float | None
    streams: float | None
    streams_target: float | None
    by_region: Mapping[str, float]
    wanted_pct: Mapping[str, float]
    seen_pct: Mapping[str, float | None]
    margins: tuple[Margin, ...]
    guard: str
    nearing: tuple[Nearing, ...]
    faults: tuple[tuple[str, str, bool | None], ...]
    pending: int
    undone: int
    stopped_by: str
    stopped_why: str
    commands: tuple[str, ...]
    processes: tuple[Process, ...]
    over: bool
    verdict: str = ""

    @property
    def judged(self) -> bool:
        """Whether there is nothing more to wait for: the drill has ended and has a verdict."""
        return self.over and self.verdict != ""

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


@dataclass
class _Judged:
    """What judging the samples needs, once the start of the drill is known."""

    contract: Contract
    gate: Gate
    tier: Tier
    guard: Guard
    recent: Recent
    samples: SampleTail
    window_s: float
    split_s: float
    rotation: Rotation
    delay_s: float = 0.0
    held: HeldBack = field(default_factory=HeldBack)
    near: list[Nearing] = field(default_factory=list)


class Follower:
    """Follows one drill by the files of its bundle; `look` says how it stands now."""

    def __init__(self, bundle: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self.bundle = bundle
        self._clock = clock
        self._events = LedgerTail(bundle)
        self._run = RunFiles(bundle.name)
        self._judged: _Judged | None = None
        self.progress = Progress()

    def look(self) -> Shown:
        """Take what is new, and return the present state."""
        self.progress.take(self._events.events())
        if self._judged is None and self.progress.started:
            self._judged = self._begin()
        if self._judged is not None:
            self._take(self._judged, self._judged.samples.samples())
        return self._shown()

    def _begin(self) -> _Judged | None:
        """The rules by the bundle's own contract; None for a bundle that cannot be followed."""
        start = self.progress.started
        try:
            contract = contracts.load(self.bundle / "contract.yaml")
            gate = contract.gates[start["gate"]]
            tier = contract.tiers[gate.tier_in_drill]
            scrape_s, scale = float(start["scrape_interval_s"]), float(start["time_scale"])
            regions = tuple(str(one) for one in start["regions"])
        except (MusterError, KeyError, TypeError, ValueError):
            return None
        stale_s = contract.measurement.gap_s_max(scrape_s)
        declared = frozenset(str(one) for one in start.get("declared") or ())
        keeps = needed(contract.tiers.values())
        return _Judged(
            contract=contract,
            gate=gate,
            tier=tier,
            guard=Guard(
                contract,
                gate,
                tier,
                time_scale=scale,
                regions=regions,
                stale_s=stale_s,
                declared_none=declared,
            ),
            recent=Recent(
                (*SIGNALS, *SHOWN_SIGNALS),
                stale_s,
                keeps,
            ),
            samples=SampleTail(
                self.bundle,
                lambda signal, labels: signal in LOOKED_AT and keeps(signal, labels),
            ),
            window_s=contract.triggers.window_s / scale,
            split_s=SPLIT_SCRAPES * scrape_s,
            delay_s=float(start.get("delay_s") or 0.0),
            rotation=Rotation(regions),
        )

    def _take(self, judged: _Judged, fresh: list[RawSeries]) -> None:
        judged.recent.add(fresh)
        now_s = self._clock.now_s()
        if judged.delay_s:
            # The drill's guard lives so far in the past.
            now_s -= judged.delay_s
            fresh = judged.held.due(fresh, now_s)
        judged.rotation.saw((one.signal, one.labels, one.v) for one in fresh)
        if not self.progress.judged or self.progress.released:
            judged.near = []
            return
        regions = tuple(judged.guard.regions)
        declared = [
            Declared(one.fault, region, one.expects, one.declared_s, one.reverted_s)
            for one in self.progress.faults
            for region in (regions if one.region is None else (one.region,))
        ]
        judged.guard.push(
            [(one.signal, one.name, one.labels, one.t_s, one.v) for one in fresh],
            now_s,
            rotation=judged.rotation.regions,
            declared=declared,
        )
        judged.near = judged.guard.nearing(now_s)

    def _shown(self) -> Shown:
        told, judged, now_s = self.progress, self._judged, self._clock.now_s()
        start = told.started
        began_s = start.get("t")
        ends_s = told.ends_s(now_s)
        by_region = {} if judged is None else judged.recent.latest("client_streams")
        until_s = now_s if told.ended_s is None else told.ended_s
        shown = Shown(
            drill_id=self.bundle.name,
            drill=str(start.get("drill", "")),
            target=str(start.get("target", "")),
            regions=tuple(str(one) for one in start.get("regions") or ()),
            phase=told.phase,
            number=told.number,
            phases=tuple(told.phases),
            tier=told.tier,
            elapsed_s=None if began_s is None else until_s - float(began_s),
            ends_s=None if told.stop else ends_s,
            at_s=now_s,
            streams=sum(by_region.values()) if by_region else None,
            streams_target=start.get("streams_target"),
            by_region=by_region,
            wanted_pct=shares_of(told.weights) if told.weights else {},
            seen_pct=self._seen(judged),
            margins=self._margins(judged),
            guard=_guard(told),
            nearing=() if judged is None else tuple(judged.near),
            faults=tuple((f.fault, f.region or "all regions", f.proven) for f in told.faults),
            pending=len(told.pending),
            undone=told.undone,
            stopped_by="" if told.stop is None else told.stop[0],
            stopped_why="" if told.stop is None else told.stop[1],
            commands=told.commands,
            processes=tuple(self._process(role) for role in ("drill", "watchdog")),
            over=told.ended_s is not None,
        )
        return replace(shown, verdict=self._verdict()) if shown.over else shown

    def _seen(self, judged: _Judged | None) -> dict[str, float | None]:
        """The observed split since the last step, in percent; None: too few arrivals."""
        if judged is None:
            return {}
        counts = judged.recent.growth(
            "client_answers", judged.split_s, scheduled, since_s=self.progress.step_at_s
        )
        total = sum(counts.values())
        known = total >= ARRIVALS_MIN
        return {
            region: 100 * counts.get(region, 0.0) / total if known else None
            for region in judged.guard.regions
        }

    def _margins(self, judged: _Judged | None) -> tuple[Margin, ...]:
        if judged is None or self.progress.ended_s is not None:
            return ()
        tier = judged.contract.tiers.get(self.progress.tier or "", judged.tier)  # type: ignore[call-overload]
        found = margins(
            judged.recent,
            judged.contract,
            judged.gate,
            tier,
            judged.window_s,
            judged.rotation.regions,
        )
        return tuple(found[:MARGINS_SHOWN])

    def _process(self, role: Any) -> Process:
        beat = self._run.beat(role, self._clock)
        return Process(role, None if beat is None else beat.ago_s)

    def _verdict(self) -> str:
        from muster.reports.evidence import read_verdict

        try:
            return str(read_verdict(self.bundle)["verdict"])
        except MusterError:
            return ""


def _guard(told: Progress) -> str:
    """The state of the guard in a word."""
    if told.stop is not None:
        return "the drill is stopped"
    if told.released or told.ended_s is not None:
        return "its duty has ended"
    return "armed" if told.judged else "not armed yet"
