"""What a report shows, as plain frozen values: text and numbers, nothing computed later.

Text here is raw: the writers of HTML, Markdown and XML escape it for their format.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from muster.reports.harm import Burn, Hurt
from muster.reports.history.kept import Against


@dataclass(frozen=True)
class Fact:
    """One labelled value; `note` adds what the value means or where it comes from."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Banner:
    """The first thing to read. `gate_evidence` is False if NOT GATE EVIDENCE must be shown."""

    verdict: str
    why: str
    cause: str
    stop_line: str
    stopped_by: str | None
    evidence: str
    gate_evidence: bool
    evidence_why: str
    unsealed: tuple[str, ...] = ()
    """Why UNSEALED must be shown on every page: the evidence differs from what was sealed."""


@dataclass(frozen=True)
class Tile:
    """A figure of the first screen. `tone`: pass, fail, unknown or none; `parts`: several figures
    in one tile, as (label, value).
    """

    label: str
    value: str
    note: str
    tone: str
    target: str
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PhaseRow:
    """A phase. Times are seconds since the epoch; None if the ledger does not have them."""

    name: str
    tier: str | None
    outcome: str
    start_s: float | None
    end_s: float | None
    start: str
    start_offset: str
    length: str


@dataclass(frozen=True)
class Reference:
    """Where a figure was read; `url` only where the target names a server for it."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class CapacityRow:
    """Streams that a region takes: before the first change, lowest since, at the end; as text."""

    region: str
    before: str
    least: str
    after: str


@dataclass(frozen=True)
class RejectedRow:
    """Attempts answered 429 in a region, their share there, and the platform's own causes."""

    region: str
    rejected: str
    share: str
    causes: str


@dataclass(frozen=True)
class FindingRow:
    """One finding as the table shows it; `status`: pass, fail, unknown, not_judged, declared."""

    phase: str
    slo: str
    title: str
    tier: str
    region: str
    source: str
    measured: str
    threshold: str
    margin: str
    samples: str
    bracket: str
    status: str
    detail: str
    margin_relative: float | None = None
    """Margin as a share of what the limit allows, to compare two findings."""

    references: tuple[Reference, ...] = ()
    is_service_level: bool = False
    """Whether it has a row in the table of SLOs by phase."""

    @property
    def where(self) -> str:
        """Source, phase and region, for a sentence."""
        parts = [self.source, self.phase, self.region]
        return ", ".join(part for part in parts if part and part != "all")


@dataclass(frozen=True)
class MatrixCell:
    """The deciding finding of an SLO in a phase; None if there is none."""

    status: str
    measured: str
    threshold: str
    source: str


@dataclass(frozen=True)
class MatrixRow:
    """One SLO over the phases, in the order of `View.matrix_phases`."""

    slo: str
    title: str
    cells: tuple[MatrixCell | None, ...]


@dataclass(frozen=True)
class FaultRow:
    """A fault and what was observed of it. `proven` None: the drill never observed it."""

    fault: str
    region: str
    proven: bool | None
    why: str
    proof: tuple[Fact, ...]
    applied: str
    reverted: str


@dataclass(frozen=True)
class TimelineRow:
    """One event. `kind`: phase, step, fault, trip, stop, undo, drill. `line`: in the ledger."""

    at: str
    offset: str
    kind: str
    text: str
    line: float | None = None


@dataclass(frozen=True)
class LatencyRow:
    """Quantiles of one latency in one stretch (before, during, after) and region, as text."""

    title: str
    stretch: str
    region: str
    streams: str
    p50: str
    p95: str
    p99: str


@dataclass(frozen=True)
class Moment:
    """Trip, decision, weights back or split back; `line` is its line in the ledger, if known."""

    label: str
    at: str
    offset: str
    text: str
    t_s: float
    line: float | None


@dataclass(frozen=True)
class TripRow:
    """A trigger or limit that fired."""

    name: str
    kind: str
    region: str
    at: str
    offset: str
    detail: str
    expected: bool


@dataclass(frozen=True)
class ReadBackRow:
    """What the real system showed of something that the drill had changed."""

    subject: str
    expected: str
    actual: str
    ok: bool


@dataclass(frozen=True)
class UndoView:
    """`verified` None: it was never checked."""

    verified: bool | None
    pending: tuple[str, ...]
    readback: tuple[ReadBackRow, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """A moment on the charts, in epoch seconds. `kind`: step, fault, trip, back or rig."""

    t_s: float
    label: str
    kind: str


@dataclass(frozen=True)
class View:
    """A whole report except its charts."""

    drill_id: str
    drill: str
    title: str
    kind: str
    banner: Banner
    tiles: tuple[Tile, ...]
    summary: tuple[str, ...]
    judged: str
    """By the limits of which tiers, in which phases, and whose they are; as a sentence."""
    impact: tuple[str, ...]
    moments: tuple[Moment, ...]
    facts: tuple[Fact, ...]
    started: str
    ended: str
    length: str
    start_s: float | None
    end_s: float | None
    evacuated: str | None
    regions: tuple[str, ...]
    unknowns: tuple[str, ...]
    failures: tuple[FindingRow, ...]
    phases: tuple[PhaseRow, ...]
    matrix_phases: tuple[str, ...]
    matrix: tuple[MatrixRow, ...]
    findings: tuple[FindingRow, ...]
    faults: tuple[FaultRow, ...]
    timings: tuple[Fact, ...]
    latencies: tuple[LatencyRow, ...]
    capacity: tuple[CapacityRow, ...]
    rejected: tuple[RejectedRow, ...]
    raw_answers: tuple[tuple[str, str, str, str], ...]
    load: tuple[Fact, ...]
    trips: tuple[TripRow, ...]
    guard: str
    undo: UndoView
    timeline: tuple[TimelineRow, ...]
    versions: tuple[Fact, ...]
    configuration: tuple[Fact, ...]
    marks: tuple[Mark, ...]
    thresholds: dict[str, dict[str, float]] = field(default_factory=dict)
    """Chart lines: SLO name -> {tier or "limit": value in the SLO's unit}."""
    against: Against | None = None
    """How the drill stands to the last one of its kind that passed; None: nobody compared."""
    hurt: Hurt | None = None
    burns: tuple[Burn, ...] = ()
