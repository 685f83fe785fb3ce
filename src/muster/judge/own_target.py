"""Reads what a bundle's own target file says: the load profile and the platform's signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from muster.contract import Contract, Profile, find_profile
from muster.documents import read_yaml
from muster.errors import BadInput
from muster.judge import lengths
from muster.judge.held import Asked
from muster.judge.lengths import Lengths
from muster.targets.declared import declared_in

JUDGED_OPTIONAL = frozenset({"open_over", "streams_broken"})


def profile_of(bundle: Path, contract: Contract, name: str) -> Profile:
    """Return the profile `name` from the bundle. Raises BadInput if the bundle has none."""
    file = bundle / "target.yaml"
    found = find_profile(name, target_profiles(bundle), contract, file)
    if found is not None:
        return found
    raise BadInput(file, "profiles", name, "the profile that the drill ran with")


def asked_of(bundle: Path, contract: Contract, started: Mapping[str, Any]) -> Asked:
    """Return what the drill's load asked for. Raises BadInput if its profile is not found."""
    load = _section(bundle, "load")
    return Asked(
        profile_of(bundle, contract, str(started["profile"])),
        int(started["streams_target"]),
        lengths_kept=load.get("lengths_kept") is True,
        traced=load.get("trace") is not None,
    )


def target_profiles(bundle: Path) -> Mapping[str, Any]:
    """Return the profiles that the bundle's target defines, by name. Raises BadInput."""
    return _section(bundle, "profiles")


def shown_signals(bundle: Path) -> frozenset[str]:
    """The judged signals that are optional for a platform and that this target shows."""
    signals = _section(bundle, "signals")
    return (JUDGED_OPTIONAL & frozenset(signals)) - frozenset(declared_in(signals))


def declared_signals(bundle: Path) -> dict[str, str]:
    """The signals that the bundle's target declares none, with the reasons. Raises BadInput."""
    return declared_in(_section(bundle, "signals"))


def lengths_of(bundle: Path, events: Iterable[Mapping[str, Any]]) -> Lengths:
    """Whether stream lengths were checked, and whether they are kept. Raises BadInput."""
    return lengths.lengths_of(events, _section(bundle, "load"))


def loss_objective(bundle: Path, fault: str) -> Mapping[str, Any]:
    """The objectives by which the target judges a region lost by `fault`. Raises BadInput."""
    return _section(bundle, fault)


def regions_of(bundle: Path) -> Mapping[str, Any]:
    """The regions as the target describes them, by name. Raises BadInput."""
    return _section(bundle, "regions")


def scrape_interval_s(bundle: Path, started: Mapping[str, Any]) -> float:
    """The scrape interval in seconds from the ledger; it must not be longer than the target's.

    Tolerances for missing samples depend on it. Raises ValueError if the two differ.
    """
    told, own = float(started["scrape_interval_s"]), _section(bundle, "prometheus")
    wanted = own.get("scrape_interval_s")
    if isinstance(wanted, int | float) and told != wanted:
        raise ValueError(f"scrape_interval_s {told:g}, the target says {wanted:g}")
    return told


def target_section(bundle: Path, key: str) -> Mapping[str, Any]:
    """A section of the bundle's target as it is written; empty without it. Raises BadInput."""
    return _section(bundle, key)


def _section(bundle: Path, key: str) -> Mapping[str, Any]:
    section = read_yaml(bundle / "target.yaml").get(key) or {}
    return section if isinstance(section, dict) else {}
