"""How far a drill is, folded from the events of its ledger, one after the other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Event = Mapping[str, Any]
TRIPS = ("trigger", "limit", "data_lost")
"""Events of a trip. The drill stops at once, and says so once it has restored."""
STOPPING = "being stopped"


def _tripped(kind: str, event: Event) -> str:
    """As the drill names it when it has stopped."""
    return kind if kind == "data_lost" else f"{kind}:{event[kind]}"


@dataclass
class FaultSeen:
    """A declared fault. `proven` None: not looked at yet."""

    fault: str
    region: str | None
    expects: tuple[str, ...]
    declared_s: float
    reverted_s: float | None = None
    proven: bool | None = None


@dataclass
class Progress:
    """What the ledger says so far. Times are seconds since the epoch; None: not yet."""

    started: Event = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    phase: str = ""
    phase_at_s: float | None = None
    tier: str | None = None
    judged: bool = False
    weights: dict[str, int] = field(default_factory=dict)
    step_at_s: float = 0.0
    faults: list[FaultSeen] = field(default_factory=list)
    pending: dict[str, str] = field(default_factory=dict)
    undone: int = 0
    stop: tuple[str, str] | None = None
    verified: bool | None = None
    commands: tuple[str, ...] = ()
    released: bool = False
    _stopped: bool = False
    ended_s: float | None = None
    last_s: float | None = None

    def take(self, events: Iterable[Event]) -> None:
        """Add events in the order of the ledger; one that lacks a field is left out."""
        for event in events:
            try:
                self._take(event)
            except (KeyError, TypeError, ValueError):
                continue

    def _take(self, event: Event) -> None:
        kind, t_s = str(event["event"]), float(event["t"])
        self.last_s = t_s
        if kind == "drill_started":
            self.started = event
            self.weights = {str(k): int(v) for k, v in (event.get("weights") or {}).items()}
        elif kind == "phase_started":
            self.phase, self.phase_at_s = str(event["phase"]), t_s
            self.tier = event.get("tier")
            self.judged = self.judged or self.tier is not None
        elif kind == "phase_ended":
            self.done.append(str(event["phase"]))
            self.phase, self.tier = "", None
            if event.get("outcome", "ok") != "ok" and self.stop is None:
                self.stop = (STOPPING, "its reason is on record once everything is back")
        elif kind == "step":
            self.weights = {str(k): int(v) for k, v in event["weights"].items()}
            self.step_at_s = t_s
        elif kind in ("fault_declared", "fault_proof", "fault_reverted"):
            self._fault(kind, event, t_s)
        elif kind == "undo":
            self._undo(event)
        elif kind in TRIPS and self.stop is None:
            self.stop = (_tripped(kind, event), str(event.get("detail") or ""))
        elif kind == "stopped" and not self._stopped:
            # The drill's own word, which comes late: after it restored.
            self._stopped = True
            self.stop = (str(event["by"]), str(event.get("detail") or ""))
        elif kind == "verify":
            self.verified = bool(event["verified"])
            self.commands = tuple(str(one) for one in event.get("commands") or ())
        elif kind == "watchdog" and event.get("state") == "released":
            self.released = True
        elif kind == "drill_ended":
            self.ended_s = t_s

    def _fault(self, kind: str, event: Event, t_s: float) -> None:
        name, region = str(event["fault"]), event.get("region")
        if kind == "fault_declared":
            expects = tuple(str(one) for one in event.get("expects") or ())
            self.faults.append(FaultSeen(name, region, expects, t_s))
            return
        for one in self.faults:
            if (one.fault, one.region) == (name, region) and one.reverted_s is None:
                if kind == "fault_proof":
                    one.proven = bool(event["proven"])
                else:
                    one.reverted_s = t_s

    def _undo(self, event: Event) -> None:
        if event["state"] == "pending":
            self.pending[str(event["entry_id"])] = str(event["subject"])
        elif event["state"] == "done" and self.pending.pop(str(event["entry_id"]), None):
            self.undone += 1

    @property
    def phases(self) -> list[str]:
        """Every phase that the drill has, in order; the plan does not name preflight."""
        planned = [str(one) for one in self.started.get("phases") or ()]
        return [one for one in (*self.done, self.phase) if one and one not in planned] + planned

    @property
    def number(self) -> int:
        """The present phase, counted from 1; the last one between two phases."""
        return len(self.done) + (1 if self.phase else 0)

    def ends_s(self, now_s: float) -> float | None:
        """When the method is expected to end; None if nothing says how long its phases take.

        The present phase lasts at least until now. A drill that stops ends sooner.
        """
        expected = self.started.get("expected_s")
        if not isinstance(expected, Mapping) or self.ended_s is not None:
            return None
        left = self.phases[len(self.done) :]
        total_s = sum(float(expected.get(name) or 0.0) for name in left[1:])
        if left:
            own_s = float(expected.get(left[0]) or 0.0)
            began_s = self.phase_at_s if self.phase and self.phase_at_s is not None else now_s
            total_s += max(own_s - (now_s - began_s), 0.0)
        return now_s + total_s
