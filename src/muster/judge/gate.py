"""Decides whether evidence opens a gate: which rule each bundle satisfies, and why another is
refused.

1. Every bundle must be complete, signed, recent, gate evidence, PASS, and PASS in its own
   verdict.json. With `--unsigned` the answer names the unsigned ones.
2. All of them must be of one target, and of one build of its platform.
3. One must hold the soak: profile, streams and length, the tier's SLOs, the gate's own rules.
4. If the gate requires a drill, one must hold it: its tier, and dark for long enough.
5. What a bundle's target declares that its platform does not have (`declared`) must be accepted by
   name, with `--accept`. Nothing else can be accepted, and a failed finding never can.
With `--allow-testbed` the answers are the same, and every line says that it is not a gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from muster.contract.model import Contract, Gate
from muster.judge.phases import Phase

NOT_A_GATE = "NOT A GATE"
SLOS = (
    "availability",
    "success_2xx",
    "rate_5xx",
    "rate_429",
    "first_token_p95",
    "completion_p95",
)
DRILL_PHASES = ("evacuate", "drain", "dark", "restore")
SOAK_KINDS = ("gate", "failover")
"""Drills whose baseline may be a gate's soak, because that is their purpose."""
SIGNAL_OF = {"queue_age": "queue_age", "circuit_open": "circuit_open"}
"""The signal on which a rule of a gate depends, and which a platform may lack."""
DRILL_KINDS = ("failover", "experiment")
"""Drills that count as the controlled regional failover, if they evacuate a region."""


@dataclass(frozen=True)
class Bundle:
    """One bundle as the gate sees it, judged again by the gate's own contract.

    `signed`: True if its signature was verified, None if no key was available; `signature` says
    which signature, or why not. `dark_s`: how long a region was held dark, in seconds. `on_record`:
    how its verdict.json differs from its evidence.
    """

    name: str
    document: Mapping[str, Any]
    phases: tuple[Phase, ...]
    ended_s: float | None
    seal_faults: tuple[str, ...]
    signed: bool | None
    signature: str = ""
    dark_s: float = 0.0
    on_record: str = ""


@dataclass(frozen=True)
class Line:
    """One rule: whether it holds, by which bundle, and what was found."""

    rule: str
    bundle: str
    holds: bool
    detail: str

    def text(self, not_a_gate: bool) -> str:
        """The line as it is printed."""
        mark = "ok     " if self.holds else "REFUSED"
        end = f" [{NOT_A_GATE}]" if not_a_gate else ""
        return f"{mark} {self.rule}: {self.bundle}: {self.detail}{end}"


@dataclass(frozen=True)
class Declared:
    """A signal that a bundle's target declares none, why, and whether that was accepted."""

    bundle: str
    signal: str
    reason: str
    accepted: bool


@dataclass(frozen=True)
class GateResult:
    """The answer. `opens` alone decides whether the gate opens."""

    gate: str
    opens: bool
    not_a_gate: bool
    lines: tuple[Line, ...]
    unsigned: tuple[str, ...] = ()
    """The bundles that were accepted although none of their signatures was verified."""
    declared: tuple[Declared, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The answer as a document; if it is not a gate, it says so first."""
        head: dict[str, Any] = {"notice": NOT_A_GATE} if self.not_a_gate else {}
        return head | {
            "schema_version": 1,
            "gate": self.gate,
            "opens": self.opens and not self.not_a_gate,
            "rules_hold": self.opens,
            "not_a_gate": self.not_a_gate,
            "unsigned": list(self.unsigned),
            "declared": [asdict(one) for one in self.declared],
            "rules": [
                {"rule": x.rule, "bundle": x.bundle, "holds": x.holds, "detail": x.detail}
                for x in self.lines
            ],
        }


def judge_gate(
    contract: Contract,
    gate: Gate,
    bundles: Sequence[Bundle],
    *,
    now_s: float,
    age_s_max: float,
    allow_testbed: bool = False,
    allow_unsigned: bool = False,
    accepted: frozenset[str] = frozenset(),
) -> GateResult:
    """Decide whether `bundles` open `gate`; `now_s` since the epoch, none older than `age_s_max`.

    `accepted`: the signals that the platform may lack, because a person accepts it.
    """
    lines: list[Line] = []
    declared = tuple(one for bundle in bundles for one in _declared(bundle, accepted))
    for bundle in bundles:
        lines += [_whole(bundle), _signed(bundle, allow_unsigned)]
        lines += _admitted(gate, bundle, now_s, age_s_max, allow_testbed)
    lines += [_accepted(one) for one in declared]
    lines += [_one_target(bundles), _one_build(bundles)]
    lines += _best(
        [(b, _soak(contract, gate, b, allow_testbed, accepted)) for b in bundles], "soak"
    )
    if gate.drill_tier is not None:
        drills = [(b, _drill(contract, gate, b, allow_testbed)) for b in bundles]
        lines += _best(drills, "failover drill")
    below = any(bundle.document.get("evidence") != "gate" for bundle in bundles)
    opens = bool(bundles) and all(line.holds for line in lines)
    unsigned = tuple(b.name for b in bundles if _taken_unsigned(b, allow_unsigned))
    shut = allow_testbed or below
    return GateResult(gate.name, opens, shut, tuple(lines), unsigned, declared)


def _declared(bundle: Bundle, accepted: frozenset[str]) -> list[Declared]:
    """What the bundle's target declares none, as the judge found it."""
    return [
        Declared(bundle.name, str(one["signal"]), str(one["reason"]), one["signal"] in accepted)
        for one in bundle.document.get("declared") or ()
    ]


def _accepted(one: Declared) -> Line:
    by = f"--accept {one.signal}"
    said = f"accepted by {by}" if one.accepted else f"not accepted: {by}"
    return Line("declared none", one.bundle, one.accepted, f'{one.signal}: "{one.reason}", {said}')


def _admitted(
    gate: Gate, bundle: Bundle, now_s: float, age_s_max: float, allow_testbed: bool
) -> list[Line]:
    """What every bundle must be, whatever it is evidence of."""
    document = bundle.document
    lines: list[Line] = []
    age_s = None if bundle.ended_s is None else now_s - bundle.ended_s
    fresh = age_s is not None and 0 <= age_s <= age_s_max
    days = f"{age_s / 86400:.1f} days old" if age_s is not None else "its end is unknown"
    lines.append(Line("fresh", bundle.name, fresh, f"{days}, {age_s_max / 86400:g} allowed"))
    evidence = document.get("evidence")
    admitted = evidence == "gate" or (allow_testbed and evidence in ("testbed", "rehearsal"))
    lines.append(Line("evidence", bundle.name, admitted, str(evidence)))
    same = document.get("gate") == gate.name
    lines.append(Line("gate", bundle.name, same, f"run for {document.get('gate')}"))
    stopped = document.get("stopped_by")
    verdict = f"{document.get('verdict')}" + (f", stopped by {stopped}" if stopped else "")
    lines.append(Line("verdict", bundle.name, document.get("verdict") == "PASS", verdict))
    if bundle.on_record:
        lines.append(Line("verdict.json", bundle.name, False, bundle.on_record))
    return lines


def _whole(bundle: Bundle) -> Line:
    said = "; ".join(bundle.seal_faults) or "every file is as the manifest says"
    return Line("whole", bundle.name, not bundle.seal_faults, said)


def _taken_unsigned(bundle: Bundle, allow_unsigned: bool) -> bool:
    return allow_unsigned and bundle.signed is not True and not bundle.seal_faults


def _signed(bundle: Bundle, allow_unsigned: bool) -> Line:
    """A verified signature. One that does not fit is never accepted: it is a fault of the seal."""
    if _taken_unsigned(bundle, allow_unsigned):
        said = f"NOT VERIFIED, accepted by --unsigned: {bundle.signature}"
        return Line("signature", bundle.name, True, said)
    return Line("signature", bundle.name, bundle.signed is True, bundle.signature)


def _one_target(bundles: Sequence[Bundle]) -> Line:
    """One target, named by every bundle: a soak of staging proves nothing of a drill elsewhere."""
    targets = {str(bundle.document.get("target") or "unknown") for bundle in bundles}
    one = len(targets) == 1 and targets != {"unknown"}
    return Line("one target", "all", one, ", ".join(sorted(targets)) or "no bundle")


def _one_build(bundles: Sequence[Bundle]) -> Line:
    """One build of the platform, named by every bundle."""
    builds = {tuple(bundle.document.get("platform_build") or ()) for bundle in bundles}
    shown = "; ".join(sorted(", ".join(build) or "unknown" for build in builds))
    one = len(builds) == 1 and len(next(iter(builds))) == 1 and next(iter(builds)) != ("unknown",)
    return Line("one build", "all", one, shown or "no bundle")


def _best(tried: Sequence[tuple[Bundle, list[Line]]], rule: str) -> list[Line]:
    """The lines of the bundle that satisfies the rule, else of the one that comes closest."""
    candidates = [lines for _, lines in tried if lines]
    if not candidates:
        return [Line(rule, "none", False, "no bundle holds one")]
    return min(candidates, key=lambda lines: sum(not line.holds for line in lines))


def _soak(
    contract: Contract,
    gate: Gate,
    bundle: Bundle,
    allow_testbed: bool,
    accepted: frozenset[str] = frozenset(),
) -> list[Line]:
    """The soak's rules on a bundle; empty if it has no baseline under the gate's tier."""
    baseline = _phase(bundle, "baseline")
    if baseline is None or baseline.tier != gate.tier:
        return []
    document, name = bundle.document, bundle.name
    time_scale = float(document.get("time_scale") or 1.0) if allow_testbed else 1.0
    soak_s = (baseline.end_s - baseline.start_s) * time_scale
    minutes = f"{soak_s / 60:.1f} of {gate.soak_s_min / 60:g} min"
    long_enough = soak_s >= gate.soak_s_min
    if not baseline.complete:
        long_enough, minutes = False, f"{minutes}, and it was not completed"
    lines = [
        _kind(bundle, SOAK_KINDS, "soak kind"),
        Line("soak length", name, long_enough, minutes),
        *_load(contract, gate, bundle, allow_testbed),
    ]
    missed = _held(bundle, "baseline", SLOS, gate.tier)
    lines.append(Line(f"Tier {gate.tier} SLOs", name, not missed, missed or "all pass"))
    rules = [("queue age", "queue_age", f"<= {gate.queue_age_s_max:g} s")]
    if gate.circuit_open_s_max is not None:
        rules.append(("circuit", "circuit_open", f"<= {gate.circuit_open_s_max:g} s"))
    if gate.failover_actions_in_baseline_max is not None:
        rules.append(("no failover action", "failover_action_in_baseline", "none"))
    for rule, slo, limit in rules:
        missed = _held(bundle, "baseline", (slo,), None)
        if (signal := SIGNAL_OF.get(slo)) in accepted and _all_declared(bundle, "baseline", slo):
            missed, limit = "", f"not judged: {signal} is declared none, which was accepted"
        lines.append(Line(rule, name, not missed, missed or limit))
    return lines


def _all_declared(bundle: Bundle, phase: str, slo: str) -> bool:
    """Whether each finding of `slo` is declared, by a signal that the bundle declares none."""
    signals = {one["signal"] for one in bundle.document.get("declared") or ()}
    found = [
        finding.get("status")
        for finding in bundle.document.get("findings", ())
        if (finding.get("slo"), finding.get("phase")) == (slo, phase)
    ]
    return SIGNAL_OF[slo] in signals and bool(found) and set(found) == {"declared"}


def _load(
    contract: Contract, gate: Gate, bundle: Bundle, allow_testbed: bool, of: str = ""
) -> list[Line]:
    """Whether the gate's own profile was offered in full, and sustained."""
    wanted = contract.tiers[gate.tier].streams
    target = int(bundle.document.get("load", {}).get("target_streams") or 0)
    full = target >= wanted or allow_testbed
    profile = bundle.document.get("profile")
    held = _held(bundle, "baseline", ("streams_achieved",), None)
    shown = held or f"{target:,} of {wanted:,} held"
    return [
        Line(f"{of}profile", bundle.name, profile == gate.profile, str(profile)),
        Line(f"{of}streams", bundle.name, full and not held, shown),
    ]


def _drill(contract: Contract, gate: Gate, bundle: Bundle, allow_testbed: bool) -> list[Line]:
    """The drill's rules on a bundle; empty if it evacuates no region."""
    dark = _phase(bundle, "dark")
    if dark is None or _phase(bundle, "evacuate") is None:
        return []
    name, tier = bundle.name, gate.drill_tier
    whole = all((p := _phase(bundle, n)) is not None and p.complete for n in DRILL_PHASES)
    time_scale = float(bundle.document.get("time_scale") or 1.0) if allow_testbed else 1.0
    dark_s = bundle.dark_s * time_scale
    needed_s = contract.drill.dark_hold_s_min
    missed = _held(bundle, f"{DRILL_PHASES[0]}..{DRILL_PHASES[-1]}", SLOS, tier)
    proof = _held(bundle, None, ("fault_proof",), None)
    return [
        _kind(bundle, DRILL_KINDS, "drill kind"),
        Line("drill phases", name, whole, "evacuated and restored" if whole else "not completed"),
        *_load(contract, gate, bundle, allow_testbed, "drill "),
        Line(f"drill Tier {tier}", name, not missed, missed or "all pass"),
        Line("dark hold", name, dark_s >= needed_s, f"{dark_s:.0f} of {needed_s:g} s"),
        Line("fault proof", name, not proof, proof or "effect verified"),
    ]


def _kind(bundle: Bundle, kinds: Sequence[str], rule: str) -> Line:
    kind = bundle.document.get("kind")
    return Line(rule, bundle.name, kind in kinds, f"{kind}, of {' or '.join(kinds)}")


def _held(bundle: Bundle, phase: str | None, slos: Sequence[str], tier: str | None) -> str:
    """Empty if every one of `slos` passes in `phase`; else the first that does not."""
    for slo in slos:
        found = [
            finding
            for finding in bundle.document.get("findings", ())
            if finding.get("slo") == slo
            and phase in (None, finding.get("phase"))
            and tier in (None, finding.get("tier"))
        ]
        if not found:
            return f"{slo} was not judged"
        for finding in found:
            if finding.get("status") != "pass":
                return f"{slo}: {finding.get('status')}"
    return ""


def _phase(bundle: Bundle, name: str) -> Phase | None:
    return next((phase for phase in bundle.phases if phase.name == name), None)
