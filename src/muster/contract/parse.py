"""Parses the contract's file into a checked `Contract`; anything that does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_args

from muster import home
from muster.contract.model import Contract, Gate, Named, Profile, Tier, TierName
from muster.documents import parse, parse_yaml, read_bytes
from muster.errors import BadInput, one_of

NamedT = TypeVar("NamedT", bound=Named)
FILE_NAME = Path("contract") / "phase5.yaml"


def load(path: Path | str | None = None) -> Contract:
    """The contract in `path` (default: the project's own).

    Raises BadInput, naming file, key, value and what was expected.
    """
    file = home.root() / FILE_NAME if path is None else Path(path)
    return load_bytes(read_bytes(file), file)


def load_bytes(raw: bytes, file: Path) -> Contract:
    """The contract in `raw`, the bytes of `file` as they were read. Raises BadInput."""
    return parse_contract(parse_yaml(raw, file), file)


def parse_contract(data: Mapping[str, Any], file: Path | str) -> Contract:
    """`data` as a contract whose parts agree with each other. Raises BadInput."""
    contract = parse(Contract, data, file)
    _complete(contract.tiers, "tiers", get_args(TierName), file)
    _complete(contract.gates, "gates", ("M1", "M2", "M3"), file)
    contract = contract.model_copy(
        update={
            "tiers": _named(contract.tiers),
            "gates": _named(contract.gates),
            "profiles": _named(contract.profiles),
        }
    )
    for profile in contract.profiles.values():
        check_profile(profile, f"profiles.{profile.name}", file)
    _check_edges(contract, file)
    for gate in contract.gates.values():
        _check_gate(contract, gate, file)
    for tier in contract.tiers.values():
        _check_tier(contract, tier, file)
    return contract


def parse_profile(name: str, data: object, file: Path | str) -> Profile:
    """One load profile, for example of a target's own. Raises BadInput for all that is wrong."""
    profile = parse(Profile, data, file, every=True).model_copy(update={"name": name})
    check_profile(profile, f"profiles.{name}", file)
    return profile


def profile_named(contract: Contract, name: str) -> Profile:
    """The contract's profile `name`. Raises BadInput listing the known ones."""
    if name not in contract.profiles:
        raise BadInput("profile", "", name, one_of(name, contract.profiles))
    return contract.profiles[name]


def check_profile(profile: Profile, key: str, file: Path | str) -> None:
    """Raises BadInput for a profile from which no load can be drawn."""
    points = profile.stream_tokens_quantiles
    shares = [share for share, _ in points]
    tokens = [count for _, count in points]
    rising = all(a < b for a, b in pairwise(shares))
    if shares[0] != 0 or shares[-1] != 1 or not rising:
        got = [f"{float(share):.4g}" for share in shares]
        raise BadInput(file, f"{key}.stream_tokens_quantiles", got, "shares rising from 0% to 100%")
    if tokens != sorted(tokens):
        raise BadInput(file, f"{key}.stream_tokens_quantiles", tokens, "tokens that never decrease")
    low, high = profile.retry.backoff_s
    if low > high:
        raise BadInput(file, f"{key}.retry.backoff_s", [low, high], "a range from low to high")


def _named(items: Mapping[Any, NamedT]) -> dict[Any, NamedT]:
    return {name: item.model_copy(update={"name": name}) for name, item in items.items()}


def _complete(items: Mapping[Any, object], key: str, names: tuple[str, ...], file: object) -> None:
    for name in names:
        if name not in items:
            raise BadInput(str(file), f"{key}.{name}", None, "this key to be given")


def _check_edges(contract: Contract, file: Path | str) -> None:
    measurement = contract.measurement
    for key in ("first_token_edges_s", "completion_edges_s"):
        edges = getattr(measurement, key)
        if any(a >= b for a, b in pairwise(edges)):
            raise BadInput(file, f"measurement.{key}", edges, "strictly rising edges")


def _check_tier(contract: Contract, tier: Tier, file: Path | str) -> None:
    for slo in ("first_token", "completion"):
        threshold: float = getattr(tier, f"{slo}_p95_s_max")
        edges: tuple[float, ...] = getattr(contract.measurement, f"{slo}_edges_s")
        key = f"tiers.{tier.name}.{slo}_p95_s_max"
        if threshold not in edges:
            wanted = ", ".join(f"{edge:g}" for edge in edges)
            raise BadInput(file, key, threshold, f"an edge of measurement.{slo}_edges_s: {wanted}")
        if threshold == edges[-1]:
            raise BadInput(file, key, threshold, f"an edge of measurement.{slo}_edges_s above it")
    if tier.availability_min == 1:
        raise BadInput(
            file,
            f"tiers.{tier.name}.availability_min",
            "100%",
            "less than 100%, which no sample can show",
        )


def _check_gate(contract: Contract, gate: Gate, file: Path | str) -> None:
    key = f"gates.{gate.name}.profile"
    if gate.profile not in contract.profiles:
        raise BadInput(file, key, gate.profile, one_of(gate.profile, contract.profiles))
    streams = contract.profiles[gate.profile].streams
    wanted = contract.tiers[gate.tier].streams
    if streams != wanted:
        raise BadInput(
            file,
            f"profiles.{gate.profile}.streams",
            streams,
            f"{wanted}, the streams of tier {gate.tier}, because {key} names it",
        )
