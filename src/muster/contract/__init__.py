"""The scale contract: tiers, gates, triggers, measurement, and evidence classes."""

from muster.contract.model import Contract, Gate, Profile, Tier
from muster.contract.parse import load, load_bytes, parse_profile, profile_named
from muster.contract.profiles import find_profile

__all__ = [
    "Contract",
    "Gate",
    "Profile",
    "Tier",
    "find_profile",
    "load",
    "load_bytes",
    "parse_profile",
    "profile_named",
]
