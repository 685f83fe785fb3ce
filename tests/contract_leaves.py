"""Every leaf of the contract, and who shows that it is read.

A leaf is a scalar of `contract/phase5.yaml`, named by its dotted keys, list positions left out.
`OBSERVERS` says for each leaf (or pattern, `*` is one key) which observers must see it change;
`ENFORCED` are values of which only one is known, so that any other is refused; `DESCRIPTIVE` are
for readers, each with its reason. A new leaf that stands in none of them fails the test: write an
observer, a function of a Contract that returns what can be compared, or name one that is here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

from bundle_maker import EAST, WEST, Story, make_series
from bundle_series import Harm
from promotion_platform import T0, Platform

from muster.cli.export import exported
from muster.cli.gate import Asked
from muster.cli.gate import answer as gate_answer
from muster.cli.tables import contract_lines
from muster.contract import load
from muster.contract.model import Contract
from muster.drill.load import DrillLoad
from muster.drill.phases import abrupt_loss
from muster.drill.plan.plan import _window_holds_scrapes
from muster.drill.session import Session
from muster.drill.sight.behind import SamplesClock
from muster.drill.sight.quiet import await_quiet
from muster.drill.undo.restore_time import restore_bound_s
from muster.errors import BadInput
from muster.guard.triggers import Declared, Guard
from muster.judge.agreement import Agreements, agreed
from muster.judge.evaluate import SLOS as EVALUATED
from muster.judge.evaluate import Judging, judge_slo, streams_finding
from muster.judge.gate import Bundle, judge_gate
from muster.judge.gate_rules import judge_gate_rules
from muster.judge.lengths import Lengths, judge_lengths
from muster.judge.loss import Loss, judge_loss
from muster.judge.phases import Phase
from muster.judge.rig import judge_rig
from muster.load.starter import shard_configs
from muster.load.traffic import traffic_of
from muster.samples.series import Samples, series_of
from muster.samples.windows import Window
from muster.targets import load as load_target

Observer = Callable[[Contract], object]
BASE = load()
TARGET = load_target("testbed")
STORY = Story(
    kind="gate",
    phases=(("preflight", None, 5), ("ramp", None, 20), ("baseline", "X", 60), ("verify", None, 3)),
    harm={"baseline": Harm(rate_5xx=0.004, late=0.04, slow_first_token=0.03, slow_completion=0.03)},
    dark=False,
)
PHASE = Phase("baseline", "X", *STORY.span("baseline"), complete=True)


@cache
def samples() -> Samples:
    found: dict[str, list[Any]] = {}
    for signal, name, labels, t, v in make_series(STORY):
        points = zip(t.tolist(), v.tolist(), strict=True)
        found.setdefault(signal, []).append(series_of(signal, name, labels, points))
    return Samples({signal: tuple(series) for signal, series in found.items()})


def judging(contract: Contract) -> Judging:
    stale_s = contract.measurement.gap_s_max(1.0)
    return Judging(contract, samples(), (WEST, EAST), 30.0, stale_s, ())


def window() -> Window:
    return Window(PHASE.start_s, PHASE.end_s, 4.0)


@cache
def slos_of(tier: str) -> Observer:
    """A tier's findings on the story's baseline."""

    def observe(contract: Contract) -> object:
        chosen = contract.tiers[tier]  # type: ignore[index]
        found = [
            finding
            for slo in EVALUATED
            for finding in judge_slo(judging(contract), window(), "baseline", chosen, slo)
        ]
        return [(f.slo, f.source, f.threshold, f.status, f.reason, f.bracket) for f in found]

    return observe


@cache
def guard_of(gate: str) -> Observer:
    """What the guard says, and when, of a platform on which everything goes wrong in turn."""
    bad = Platform(
        bad=lambda region, s: 10.0,
        queue=lambda region, s: max(0.0, s) / 8,
        circuit=lambda region, s: 1.0 if s >= 295 else 0.0,
        failing=lambda region, reason, s: 1.0 if s >= 600 else 0.0,
    )
    shown = bad.series(1500)
    reverted = Declared("slow", WEST, ("circuit_open:primary",), T0 + 290, T0 + 300)

    def observe(contract: Contract) -> object:
        guard = Guard(
            contract,
            contract.gates[gate],  # type: ignore[index]
            contract.tiers["G"],
            time_scale=1.0,
            regions=(EAST, WEST),
            stale_s=20.0,
        )
        trips = []
        for s in range(0, 1501, 20):
            fresh = [
                (
                    one.signal,
                    one.name,
                    one.labels,
                    [t for t in one.t_s if T0 + s - 20 < t <= T0 + s],
                    [v for t, v in zip(one.t_s, one.v, strict=True) if T0 + s - 20 < t <= T0 + s],
                )
                for one in shown
            ]
            both = frozenset({EAST, WEST})
            trips += guard.push(fresh, T0 + s, rotation=both, declared=[reverted])
        return [(t.kind, t.name, t.region, t.t_trip_s, t.source, t.detail) for t in trips]

    return observe


def gates(contract: Contract) -> object:
    """What each gate answers on one synthetic bundle of its own, line by line."""
    told = []
    for name, gate in contract.gates.items():
        was = BASE.gates[name]
        document = {
            "evidence": "gate", "gate": name, "verdict": "PASS", "platform_build": ["1"],
            "profile": was.profile, "load": {"target_streams": 20000}, "time_scale": 1,
            "findings": [
                {"slo": slo, "phase": "baseline", "status": "pass", "tier": was.tier}
                for slo in ("streams_achieved", "queue_age", "circuit_open", *EVALUATED)
            ],
        }  # fmt: skip
        phases = (
            Phase("baseline", was.tier, 0.0, 7200.0, True),
            Phase("evacuate", was.drill_tier, 7200.0, 7300.0, True),
            Phase("dark", was.drill_tier, 7300.0, 8000.0, True),
        )
        bundle = Bundle("b", document, phases, 8000.0, (), True, dark_s=700.0)
        result = judge_gate(contract, gate, [bundle], now_s=9000.0, age_s_max=1e6)
        told += [(line.rule, line.holds, line.detail) for line in result.lines]
    return told


def gate_rules(contract: Contract) -> object:
    """Each gate's own rules on the story's baseline."""
    return [
        (f.slo, f.threshold, f.status)
        for gate in contract.gates.values()
        for f in judge_gate_rules(samples(), window(), "baseline", contract, gate, 6.0)
    ]


def gate_age(contract: Contract) -> object:
    """How old a bundle may be, as the gate's command says it."""
    bundle = Bundle("b", {"verdict": "PASS"}, (), 0.0, (), True)
    clock = SimpleNamespace(now_s=lambda: 500_000.0)
    with (
        patch("muster.cli.gate.load", lambda file: contract),
        patch("muster.cli.gate._read", lambda *_: bundle),
    ):
        result, _ = gate_answer(Asked("m1", (Path("b"),)), clock)  # type: ignore[arg-type]
    return [(line.rule, line.holds, line.detail) for line in result.lines if line.rule == "fresh"]


def rig(contract: Contract) -> object:
    """The load's own findings on the story's baseline, and whether it was slow."""
    found = judge_rig(samples(), window(), "baseline", contract.load_validity)
    return [(f.slo, f.source, f.threshold, f.status) for f in found.findings], found.slow


def streams_held(contract: Contract) -> object:
    """The floor of the streams that a run must hold."""
    profile = contract.profiles["m3_20k"]
    return streams_finding(judging(contract), PHASE, profile, profile.streams_at(0.1)).threshold


def region_lost(contract: Contract) -> object:
    """Limits of the findings after a region's loss."""
    lost = Loss(WEST, PHASE.start_s, PHASE.start_s + 20, PHASE.end_s)
    found = judge_loss(judging(contract), lost, {"rto_s_max": 8.0})
    return [(f.slo, f.threshold) for f in found.findings]


def after_loss(contract: Contract) -> object:
    """How long a drill waits after the loss was detected before it judges by the tier again."""
    session = MagicMock(ttl_s=5)
    session.plan.contract = contract
    session.clock.now_s.return_value = 0.0
    names = ("observe", "proofs", "await_headroom", "_cut", "_record_rig")
    with (
        patch.multiple(abrupt_loss, **{name: MagicMock() for name in names}),
        patch.object(abrupt_loss, "phase", lambda *_, **__: nullcontext()),
        patch.object(abrupt_loss, "_await_detection", lambda *_: 0.0),
    ):
        abrupt_loss.lose(session, lambda *_, **__: MagicMock(cut_at_s=None))
    return session.let_pass.call_args


def session_bounds(contract: Contract) -> object:
    """How far a split may be off, when a region counts as left, how long a restore may take."""
    session = SimpleNamespace(plan=SimpleNamespace(contract=contract))
    return (
        Session.split_tolerance_pct.fget(session),  # type: ignore[attr-defined]
        Session.gone_pct.fget(session),  # type: ignore[attr-defined]
        restore_bound_s(contract, 5, {}, dark=False),
    )


def window_scrapes(contract: Contract) -> object:
    """Whether a drill of this target and time scale has windows with enough scrapes."""
    try:
        _window_holds_scrapes(TARGET, 6.0, contract)
    except BadInput as error:
        return str(error)
    return "fits"


def stale(contract: Contract) -> object:
    """How old a sample may be, with fast and with slow scrapes."""
    return contract.measurement.gap_s_max(0.2), contract.measurement.gap_s_max(2.0)


def shards(contract: Contract) -> object:
    """Everything that a drill tells the shards of its load."""
    settings = SimpleNamespace(scale=0.1, seed=1)
    plan = SimpleNamespace(
        contract=contract, profile=contract.profiles["m3_20k"], settings=settings, method=()
    )
    access = TARGET.model_copy(
        update={"public_url": "http://h.test:1/v1", "load": TARGET.load.model_copy(
            update={"dns_server": "127.0.0.1:53", "file_sd": None})}
    )  # fmt: skip
    told = DrillLoad(plan, access, {}, Path("bundle"))._load_plan()  # type: ignore[arg-type]
    return [shard.to_json() for shard in shard_configs(told)]


def short_streams(contract: Contract) -> object:
    """Above which share of shorter streams nothing is known of the lengths."""
    rules = contract.load_validity
    found = judge_lengths(samples(), window(), "baseline", rules, Lengths(counted=True))
    return [f.threshold for f in found]


def both_counts(contract: Contract) -> object:
    """By how much the platform's and the load's counts may differ."""
    tolerance = contract.measurement.counts_tolerance

    def status(share: float) -> str:
        fewer = [replace(one, v=one.v * share) for one in samples().of("requests")]
        harmed = Samples({**samples().by_signal, "requests": tuple(fewer)})
        [found] = agreed([], [("baseline", window())], Agreements(harmed, tolerance, 1.0))
        return found.status

    return [status(per_mille / 1000) for per_mille in range(850, 1000, 5)]


def quiet(contract: Contract) -> object:
    """How long a platform must be quiet after a fault, and how long that may take."""
    session = MagicMock(time_scale=1.0, phase="recovery")
    session.plan.contract = contract
    session.plan.gate.queue_age_s_max = 30.0
    session.target.regions = {WEST: None}
    session.target.prometheus.scrape_interval_s = 1.0
    session.clock.now_s.return_value = session.clock.monotonic_s.return_value = 0.0
    session.samples = SamplesClock(clock=session.clock)
    session.wait_until.return_value = None
    await_quiet(session)
    return session.wait_until.call_args.args[1:], session.finding.call_args.kwargs["threshold"]


@cache
def profile_of(name: str) -> Observer:
    """What a profile makes the load do: its traffic, arrivals and memory."""

    def observe(contract: Contract) -> object:
        profile = contract.profiles[name]
        traffic = traffic_of(profile)
        return traffic, profile.streams_at(0.1), profile.arrivals_per_s(1), profile.residual_s

    return observe


def tables(contract: Contract) -> object:
    """`chaos drill contract show`."""
    return contract_lines(contract)


def exports(contract: Contract) -> object:
    """The files for Prometheus, OpenSLO and Grafana."""
    return exported(contract)


OBSERVERS: dict[str, tuple[Observer, ...]] = {
    "source.*": (tables,),
    "tiers.*.title": (exports,),
    "tiers.*.streams": (gates, tables, exports),
    **{
        f"tiers.{tier}.{slo}": (slos_of(tier), tables, exports)
        for tier in BASE.tiers
        for slo in ("availability_min", "success_2xx_min", "rate_5xx_max", "rate_429_max",
                    "first_token_p95_s_max", "completion_p95_s_max")
    },
    "gates.*.tier": (gates,),
    "gates.*.profile": (gates,),
    "gates.*.soak_s_min": (gates, exports),
    **{f"gates.{gate}.queue_age_s_max": (guard_of(gate), gates, exports) for gate in BASE.gates},
    "gates.*.circuit_open_s_max": (gate_rules, gates),
    "gates.*.failover_actions_in_baseline_max": (gate_rules,),
    "gates.*.drill_tier": (gates,),
    "triggers.rate_5xx.windows": (guard_of("M3"), tables, exports),
    "triggers.success_2xx.windows": (guard_of("M3"), tables, exports),
    "triggers.circuit_open.*": (guard_of("M3"), exports),
    "triggers.queue_age.over_s_max": (guard_of("M3"), exports),
    "triggers.hard_failure.*": (guard_of("M3"), exports),
    "triggers.window_s": (guard_of("M3"), window_scrapes),
    "triggers.window_scrapes_min": (window_scrapes,),
    "triggers.unknown_windows_max": (guard_of("M3"), exports),
    "triggers.expected_after_revert_s": (guard_of("M3"),),
    "abort_limits.*.*": (guard_of("M3"), tables),
    "measurement.percentile": (slos_of("X"), exports),
    "measurement.first_token_edges_s": (shards,),
    "measurement.completion_edges_s": (shards,),
    "measurement.gap_*": (stale,),
    "measurement.availability.answered_within_s": (shards,),
    "measurement.availability.bound_confidence": (slos_of("X"),),
    "load_validity.offered_tolerance": (rig,),
    "load_validity.streams_tolerance": (streams_held,),
    "load_validity.streams_standard_errors": (streams_held,),
    "load_validity.loop_lag_p99_s_max": (rig,),
    "load_validity.late_s": (shards,),
    "load_validity.late_share_max": (rig,),
    "load_validity.blackout_s_max": (region_lost,),
    "load_validity.catch_up_s_max": (shards,),
    "load_validity.faster_than_asked_max": (shards,),
    "load_validity.short_share_max": (short_streams,),
    "measurement.counts_tolerance": (both_counts,),
    "drill.recovery_quiet_s": (quiet,),
    "drill.recovery_quiet_s_max": (quiet,),
    "drill.split_tolerance": (session_bounds,),
    "drill.shifted_share_max": (session_bounds,),
    "drill.shift_after_ttl_s": (after_loss,),
    "drill.restore_s_max": (session_bounds,),
    "drill.dark_hold_s_min": (gates,),
    "drill.bundle_age_s_max": (gate_age,),
    **{
        f"profiles.{profile}.{key}": (profile_of(profile),)
        for profile in BASE.profiles
        for key in ("streams", "stream_tokens_quantiles", "tokens_per_s", "first_token_s_mean",
                    "resolver_caches", "canaries_per_s", "hold_connection_share",
                    "retry.attempts_max", "retry.backoff_s", "ramp_s")
    },
}  # fmt: skip
"""Who must see a leaf change: every observer that is named sees it."""

ENFORCED = (
    "schema_version",
    "measurement.first_token.from",
    "measurement.first_token.to",
    "measurement.completion.from",
    "measurement.completion.to",
    "measurement.rate_429",
    "measurement.success_rate_checks_include",
)
"""What Muster measures in one way only: the contract says which, and another value is refused."""

_SOURCE = "says where the figures come from; a reader checks it, nothing is compared with it"
DESCRIPTIVE = {
    "tiers.*.source": _SOURCE,
    "gates.*.source": _SOURCE,
    "triggers.source": _SOURCE,
    "abort_limits.source": _SOURCE,
    "measurement.source": _SOURCE,
    "load_validity.source": _SOURCE,
    "drill.source": _SOURCE,
    "profiles.*.source": _SOURCE,
    "profiles.*.context_tokens.*": (
        "describes the trace's prompts; the load sends prompts of one length, as its provider's "
        "work is set by generated tokens"
    ),
}


def leaves(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every scalar in a document."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from leaves(value, (*path, index))
    elif data is not None:
        yield path


def name_of(path: tuple[str | int, ...]) -> str:
    """The dotted keys of a leaf, without positions in lists."""
    return ".".join(key for key in path if isinstance(key, str))


def other(value: Any, name: str) -> Any:
    """Another value of the same kind."""
    if name == "triggers.window_s":
        return value * 0.8
    if name == "measurement.percentile":
        return Fraction(999, 1000)
    if name.endswith(("tier", "drill_tier")):
        return "L" if value != "L" else "G"
    if name == "triggers.hard_failure.reasons":
        return "gateway_health" if value != "gateway_health" else "token_validation"
    if isinstance(value, Fraction):
        return value / 2 if value else Fraction(1, 10)
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.25 if value else 10.0
    return f"{value}x"


def changed(path: tuple[str | int, ...]) -> Contract:
    """The contract with one leaf changed; its parts need not agree with each other any more."""
    data = copy.deepcopy(BASE.model_dump(by_alias=True, mode="python"))
    # The dump writes shares as texts: exact values are put back from the model.
    here: Any = data
    model: Any = BASE
    for key in path[:-1]:
        if isinstance(here[key], tuple):
            here[key] = list(here[key])
        here, model = here[key], _below(model, key)
    here[path[-1]] = other(_below(model, path[-1]), name_of(path))
    parsed = Contract.model_validate(data)
    named = {
        part: {
            key: one.model_copy(update={"name": key}) for key, one in getattr(parsed, part).items()
        }
        for part in ("tiers", "gates", "profiles")
    }
    return parsed.model_copy(update=named)


def _below(model: Any, key: str | int) -> Any:
    if isinstance(model, dict | list | tuple):
        return model[key]
    return getattr(model, "from_" if key == "from" else str(key))
