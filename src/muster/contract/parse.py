"""The contract file in, the typed contract out; every figure checked against the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from muster import home
from muster.contract.model import Contract, Profile
from muster.documents import parse, read_yaml
from muster.errors import BadInput


def load(path: Path | None = None) -> Contract:
    """The contract at `path` (default: the project's own).

    Raises BadInput for a missing or unknown key, a figure out of range, a gate that names no tier
    or profile, or a threshold that is not an edge of its histogram.
    """
    file = path if path is not None else home.root() / "contract" / "phase5.yaml"
    data = read_yaml(file)
    contract = parse(Contract, _whole(data, file), file)
    _check(contract, file)
    return contract


def parse_profile(contract: Contract, name: str, given: dict[str, Any], file: str) -> Profile:
    """A profile of a target's own: what it does not say is as in the contract's first profile."""
    base = next(iter(contract.profiles.values())).model_dump()
    unknown = set(given) - set(Profile.model_fields)
    if unknown:
        key = sorted(unknown)[0]
        known = ", ".join(sorted(Profile.model_fields))
        raise BadInput(file, key, given[key], f"one of the known keys: {known}")
    return parse(Profile, {**base, **given, "name": name}, file)


def _whole(data: dict[str, Any], file: Path) -> dict[str, Any]:
    """Names and defaults written once in the file, filled in where the model has them."""
    whole = dict(data)
    traffic = _mapping(whole.pop("traffic", None), file, "traffic")
    defaults = _mapping(whole.pop("profile_defaults", None), file, "profile_defaults")
    whole["traffic_source"] = traffic.pop("source", None)
    for kind in ("tiers", "gates", "profiles"):
        shared = {**traffic, **defaults} if kind == "profiles" else {}
        entries = _mapping(whole.get(kind), file, kind)
        whole[kind] = {
            name: {**shared, **_mapping(entry, file, f"{kind}.{name}"), "name": name}
            for name, entry in entries.items()
        }
    whole["file"] = file.name
    return whole


def _mapping(value: Any, file: Path, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(file, key, value, "a mapping of keys to values")
    return dict(value)


def _check(contract: Contract, file: Path) -> None:
    for gate in contract.gates.values():
        for key, name in (("tier", gate.tier), ("drill_tier", gate.drill_tier)):
            if name is not None and name not in contract.tiers:
                known = ", ".join(contract.tiers)
                raise BadInput(file, f"gates.{gate.name}.{key}", name, f"one of the tiers {known}")
        if gate.profile not in contract.profiles:
            known = ", ".join(contract.profiles)
            raise BadInput(
                file, f"gates.{gate.name}.profile", gate.profile, f"one of the profiles {known}"
            )
    measurement = contract.measurement
    for tier in contract.tiers.values():
        for slo, threshold_s, edges in (
            ("first_token", tier.first_token_p95_s_max, measurement.first_token_edges_s),
            ("completion", tier.completion_p95_s_max, measurement.completion_edges_s),
        ):
            key = f"tiers.{tier.name}.{slo}_p95_ms_max"
            shown = float(threshold_s * 1000)
            if threshold_s not in edges:
                wanted = f"an edge of measurement.{slo}_edges_s"
                raise BadInput(file, key, f"{shown:g}", wanted)
            if threshold_s >= edges[-1]:
                wanted = f"less than the last edge of measurement.{slo}_edges_s"
                raise BadInput(file, key, f"{shown:g}", wanted)
