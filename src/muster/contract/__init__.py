"""The scale contract: tiers, gates, triggers, measurement, and evidence classes."""

from muster.contract.model import Contract, Gate, Profile, Tier
from muster.contract.parse import load, load_bytes, parse_profile, profile_named

__all__ = [
    "Contract",
    "Gate",
    "Profile",
    "Tier",
    "load",
    "load_bytes",
    "parse_profile",
    "profile_named",
]
