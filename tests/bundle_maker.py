"""Synthetic evidence bundles for judging: two regions, their load, and a drill's ledger.

Everything is arithmetic on the second's index, so the same story gives the same bytes. A story says
what goes wrong, and where: `harm={"dark": Harm(rate_5xx=0.02)}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle_series import Harm, make_series

from muster import home
from muster.samples.series import SampleWriter

WEST, EAST = "eu-west-1", "eu-central-1"
START_S = 1_790_000_000.0
FAILOVER = (
    ("preflight", None, 5),
    ("ramp", None, 20),
    ("baseline", "X", 60),
    ("evacuate", "G", 40),
    ("drain", "G", 30),
    ("dark", "G", 120),
    ("restore", "G", 40),
    ("verify", None, 8),
)
SHORT = tuple((n, t, 30.0 if n == "dark" else s) for n, t, s in FAILOVER)
LOSS = (
    ("preflight", None, 5),
    ("ramp", None, 20),
    ("baseline", "X", 60),
    ("loss", None, 18),
    ("failed_over", "G", 60),
    ("comeback", "G", 40),
    ("verify", None, 8),
)
SOAK = (("preflight", None, 5), ("ramp", None, 20), ("baseline", "X", 7200), ("verify", None, 8))


HELD = {"looks": 9, "looks_proven": 9, "longest_gap_s": 0.5, "held_s": 20.0}
"""The summary of a hold's looks, as a drill records it."""


@dataclass
class Story:
    """What a bundle tells; the plain one is a failover drill that passes."""

    kind: str = "failover"
    drill: str = "region_failover"
    gate: str = "M3"
    tier: str = "X"
    drill_tier: str | None = "G"
    profile: str = "m3_20k"
    scale: float = 0.1
    time_scale: float = 6.0
    evidence: str = "testbed"
    target_class: str = "testbed"
    defect: str | None = None
    build: str = "1.4.2"
    start_s: float = START_S
    phases: tuple[tuple[str, str | None, float], ...] = FAILOVER
    harm: dict[str, Harm] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    gap: tuple[float, float] | None = None
    stopped: dict[str, Any] | None = None
    proven: bool = True
    proof: Mapping[str, Any] = field(default_factory=lambda: HELD)
    verified: bool = True
    events_dropped: frozenset[str] = frozenset()
    torn: bool = False
    server_processes: int = 2
    shards: int = 2
    undo_state: str = "done"
    extra: tuple[dict[str, Any], ...] = ()
    dark: bool = True
    weights_moved: frozenset[str] = frozenset()
    canaries_counted: bool = False

    @property
    def streams(self) -> int:
        """Streams that the run must hold."""
        return round({"m1_1k": 1000, "m2_5k": 5000, "m3_20k": 20000}[self.profile] * self.scale)

    def span(self, phase: str) -> tuple[float, float]:
        """Start and end of `phase`, seconds since the epoch."""
        at = self.start_s
        for name, _, seconds in self.phases:
            if name == phase:
                return at, at + seconds
            at += seconds
        raise KeyError(phase)

    @property
    def end_s(self) -> float:
        """When the last phase ends."""
        return self.start_s + sum(seconds for _, _, seconds in self.phases)


def small(**changes: Any) -> Story:
    """The plain story with a third of the series: for tests of whatever becomes of a bundle."""
    return Story(**{"phases": SHORT, "server_processes": 1, "shards": 1, **changes})


def make_bundle(directory: Path, story: Story | None = None) -> Path:
    """Write the bundle that `story` tells into `directory`; not sealed and not judged yet.

    Without one it is the small one.
    """
    story = story or small()
    directory.mkdir(parents=True, exist_ok=True)
    events = [event for event in _events(story) if event["event"] not in story.events_dropped]
    events.sort(key=lambda event: event["t"])
    lines = [json.dumps({"seq": i, **event}) for i, event in enumerate(events, start=1)]
    text = "\n".join(lines) + "\n"
    (directory / "ledger.jsonl").write_text(text[:-30] if story.torn else text, encoding="utf-8")
    undo: list[dict[str, Any]] = [
        {"schema_version": 1, "id": "header", "drill_id": "synthetic"}
        | {"target": "testbed", "target_file": "target.yaml"},
        {"id": "u1", "t": story.start_s, "kind": "traffic_shift", "subject": "chat.muster.test."}
        | {"region": WEST, "params": {}, "state": "pending"},
        {"id": "u1", "t": story.end_s, "state": story.undo_state, "detail": ""},
    ]
    (directory / "undo.jsonl").write_text("".join(json.dumps(line) + "\n" for line in undo))
    root = home.root()
    (directory / "contract.yaml").write_bytes((root / "contract" / "phase5.yaml").read_bytes())
    (directory / "target.yaml").write_bytes((root / "targets" / "testbed.yaml").read_bytes())
    config = {"schema_version": 1, "drill": story.drill, "settings": {}, "versions": {}}
    (directory / "config.json").write_text(json.dumps(config))
    writer = SampleWriter(directory / "samples.jsonl")
    for signal, name, labels, t, v in make_series(story):
        if signal not in story.without:
            writer.append(signal, name, labels, t.tolist(), v.tolist())
    return directory


def _events(story: Story) -> list[dict[str, Any]]:
    start_s, end_s = story.start_s, story.end_s
    events: list[dict[str, Any]] = [_started(story)]
    at = start_s
    for name, tier, seconds in story.phases:
        events.append({"t": at + 0.01, "event": "phase_started", "phase": name, "tier": tier})
        ended = {"event": "phase_ended", "phase": name, "outcome": "ok"}
        events.append({"t": at + seconds, **ended})
        at += seconds
    undo = {"event": "undo", "entry_id": "u1", "subject": "chat.muster.test."}
    events.append({"t": start_s + 2, **undo, "state": "pending"})
    names = [name for name, _, _ in story.phases]
    if "dark" in names and story.dark:
        dark_s, lit_s = story.span("dark")
        fault = {"fault": "region_power", "region": WEST}
        proof = {
            "proven": story.proven,
            "proof": story.proof,
            "why": "no answer" if story.proven else "up",
        }
        events += [
            {"t": dark_s + 0.1, "event": "fault_declared", **fault, "expects": []},
            {"t": dark_s + 1, "event": "region_dark", "region": WEST},
            {"t": dark_s + 5, "event": "fault_proof", **fault, **proof},
            {"t": lit_s + 2, "event": "fault_reverted", **fault},
            {"t": lit_s + 2, "event": "region_lit", "region": WEST},
        ]
    if "loss" in names:
        lost_s, back_s = story.span("loss")[0], story.span("comeback")[0]
        fault = {"fault": "region_loss", "region": WEST}
        proof = {"proven": story.proven, "proof": story.proof, "why": "it refuses connections"}
        events += [
            {"t": lost_s + 0.1, "event": "fault_declared", **fault, "expects": ["series"]},
            {"t": lost_s + 0.2, "event": "region_dark", "region": WEST},
            {"t": lost_s + 0.3, "event": "fault_proof", **fault, **proof},
            {"t": back_s + 2, "event": "fault_reverted", **fault},
            {"t": back_s + 2, "event": "region_lit", "region": WEST},
        ]
    if story.stopped is not None:
        events.append({"t": end_s - 9, "event": "stopped", **story.stopped})
    readback = {"pending": [], "verified": story.verified, "readback": []}
    commands = [] if story.verified else ["aws route53 change-resource-record-sets …"]
    events.append({"t": end_s - 0.5, "event": "verify", **readback, "commands": commands})
    events += [dict(event) for event in story.extra]
    events.append({"t": start_s + 0.5, "event": "watchdog", "state": "started", "pid": 4711})
    events.append({"t": end_s - 0.1, "event": "watchdog", "state": "alive_at_end", "detail": ""})
    events.append({"t": end_s, "event": "drill_ended"})
    return events


def _started(story: Story) -> dict[str, Any]:
    return {
        "t": story.start_s,
        "event": "drill_started",
        "drill_id": f"synthetic-{story.drill}",
        "drill": story.drill,
        "title": "Synthetic",
        "kind": story.kind,
        "gate": story.gate,
        "tier": story.tier,
        "drill_tier": story.drill_tier,
        "profile": story.profile,
        "scale": story.scale,
        "time_scale": story.time_scale,
        "seed": 1,
        "target": "testbed",
        "target_class": story.target_class,
        "defect": story.defect,
        "evidence": story.evidence,
        "regions": [WEST, EAST],
        "evacuated": WEST,
        "platform_build": [story.build],
        "versions": {},
        "streams_target": story.streams,
        "scrape_interval_s": 1.0,
        "ttl_s": 5,
        "dns": {"health_check_interval_s": 10, "threshold": 1},
        "limits": {"stream_seconds_max": 31, "queue_age_s_max": 30.0},
    }
