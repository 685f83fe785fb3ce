"""The load profile that a bundle was run with: the contract's, or the one of its own target."""

from __future__ import annotations

from pathlib import Path

from muster.contract import Contract, Profile, parse_profile
from muster.documents import read_yaml
from muster.errors import BadInput


def profile_of(bundle: Path, contract: Contract, name: str) -> Profile:
    """The profile `name` as the bundle carries it. Raises BadInput when it carries none."""
    file = bundle / "target.yaml"
    own = read_yaml(file).get("profiles") or {}
    if isinstance(own, dict) and name in own:
        return parse_profile(name, own[name], file)
    if name in contract.profiles:
        return contract.profiles[name]
    raise BadInput(file, "profiles", name, "the profile that the drill ran with")
