"""A drill's plan: its kind, its gate, its settings, all checked against each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from muster import contract as contracts
from muster import home, targets
from muster.contract.model import Contract, Gate, Profile
from muster.documents import read_bytes
from muster.drill.plan.outline import Activity
from muster.drill.plan.settings import DrillSettings, bad_setting, parse_settings
from muster.errors import BadInput, one_of
from muster.targets import Target
from muster.testbed.design.defects import DEFECTS

DrillKind = Literal["failover", "experiment", "gate", "safety"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
KINDS: tuple[DrillKind, ...] = ("failover", "experiment", "gate", "safety")


@dataclass(frozen=True)
class DrillPlan:
    """Everything known before the first effect; placeholders of `target` are not filled yet."""

    drill: str
    title: str
    kind: DrillKind
    gate: Gate
    settings: DrillSettings
    contract: Contract
    target: Target
    target_file: str
    profile: Profile
    time_scale: float
    method: tuple[Activity, ...] = ()
    # The bytes that `contract` and `target` were parsed from: the bundle keeps these, and every
    # process that guards or judges the drill loads them from there. The files may change while a
    # drill runs.
    contract_bytes: bytes = b""
    target_bytes: bytes = b""

    @property
    def streams_target(self) -> int:
        """Concurrent streams that the run must hold."""
        return self.profile.streams_at(self.settings.scale)

    @property
    def holds_connections(self) -> bool:
        """Whether some clients of the load keep their connection past the TTL."""
        return self.profile.hold_connection_share > 0

    @property
    def evidence(self) -> Literal["gate", "rehearsal", "testbed"]:
        """The evidence class of the run: with a planted defect it is always testbed."""
        if self.target.class_ == "testbed" or self.settings.defect is not None:
            return "testbed"
        whole = self.settings.scale == 1 and self.time_scale == 1
        # A target's own profile of the same name may differ from the contract's.
        whole = whole and self.profile.name not in self.target.profiles
        # Clients that hold their connections are no part of the contract's profile.
        whole = whole and self.settings.hold_connection_share is None
        return "gate" if whole and self.profile.name == self.gate.profile else "rehearsal"


def make_plan(
    configuration: Mapping[str, Any],
    *,
    drill: str,
    title: str,
    kind: str,
    gate: str,
    method: Sequence[Mapping[str, Any]] = (),
) -> DrillPlan:
    """Return the plan, or raise BadInput for the first invalid value; nothing is started."""
    settings = parse_settings(configuration)
    if not NAME.fullmatch(drill):
        # Its bundle and its run's files are named by it: others must find them.
        wanted = "letters, digits, '-', '_' and '.', a letter or digit first, at most 64"
        raise BadInput("the drill", "controls.muster.drill", drill, wanted)
    if kind not in KINDS:
        raise BadInput(drill, "controls.muster.kind", kind, one_of(kind, KINDS))
    target_path = targets.path_of(settings.target)
    target_bytes = read_bytes(target_path)
    target = targets.load_bytes(target_bytes, target_path)
    contract_path = home.root() / target.contract
    contract_bytes = read_bytes(contract_path)
    contract = contracts.load_bytes(contract_bytes, contract_path)
    if gate not in contract.gates:
        raise BadInput(drill, "controls.muster.gate", gate, one_of(gate, contract.gates))
    profile = _profile(contract, target, settings.profile)
    if (held := settings.hold_connection_share) is not None:
        profile = profile.model_copy(update={"hold_connection_share": held})
    if settings.defect is not None and target.class_ != "testbed":
        wanted = "none: only a testbed has planted defects"
        raise bad_setting("defect", settings.defect, wanted)
    if settings.defect is not None and settings.defect not in DEFECTS:
        raise bad_setting("defect", settings.defect, one_of(settings.defect, sorted(DEFECTS)))
    time_scale = settings.time_scale or target.time_scale
    _window_holds_scrapes(target, time_scale, contract)
    _parts_suffice(target, profile, settings.scale)
    if target.load.trace is not None:
        _trace_fits(target, home.root() / target.load.trace)
    return DrillPlan(
        drill=drill,
        title=title,
        kind=kind,
        gate=contract.gates[gate],
        settings=settings,
        contract=contract,
        target=target,
        target_file=str(target_path),
        profile=profile,
        time_scale=time_scale,
        method=tuple(_activity(activity) for activity in method),
        contract_bytes=contract_bytes,
        target_bytes=target_bytes,
    )


def _activity(activity: Mapping[str, Any]) -> Activity:
    provider = activity.get("provider") or {}
    return Activity(
        name=str(activity.get("name", activity.get("ref", "an activity"))),
        kind=str(activity.get("type", "action")),
        module=str(provider.get("module", provider.get("type", ""))),
        func=str(provider.get("func", "")),
        arguments=dict(provider.get("arguments") or {}),
    )


def _profile(contract: Contract, target: Target, name: str) -> Profile:
    found = contracts.find_profile(name, target.profiles, contract, f"target {target.name}")
    if found is not None:
        return found
    known = [*contract.profiles, *target.profiles]
    raise bad_setting("profile", name, one_of(name, known))


def _parts_suffice(target: Target, profile: Profile, scale: float) -> None:
    """Each part of a load in pods is one process, which has a limit of open files."""
    if (parts := target.load.parts_max) is not None:
        from muster.load.starter import shards_for

        streams = float(profile.streams) * scale
        if parts < (needed := shards_for(streams)):
            wanted = f"{needed} or more for {streams:g} streams"
            raise BadInput(f"target {target.name}", "load.parts", parts, wanted)


def _trace_fits(target: Target, path: Path) -> None:
    """Check that the trace is readable, and has no stream longer than the target allows."""
    # This imports numpy: only a drill that replays a trace pays for that here.
    from muster.load.trace import TraceSource

    longest = TraceSource(path).tokens_max
    if longest > target.tokens_max:
        raise BadInput(
            path, "GeneratedTokens", int(longest), f"at most the target's {target.tokens_max}"
        )


def _window_holds_scrapes(target: Target, time_scale: float, contract: Contract) -> None:
    """A trigger's scaled window must hold enough scrapes, or no trigger could be judged in it."""
    rules = contract.triggers
    window_s, needed = rules.window_s, rules.window_scrapes_min
    scrapes = window_s / time_scale / target.prometheus.scrape_interval_s
    if scrapes < needed:
        most = window_s / target.prometheus.scrape_interval_s / needed
        raise bad_setting(
            "time_scale",
            time_scale,
            f"at most {most:g} with scrapes every {target.prometheus.scrape_interval_s:g} s "
            f"(a window holds at least {needed})",
        )
