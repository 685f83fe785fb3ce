"""The scale contract: tiers, gates, triggers and the exact arithmetic that judges by them."""

from muster.contract.model import Contract, Gate, Profile, Tier
from muster.contract.parse import load, parse_profile

__all__ = ["Contract", "Gate", "Profile", "Tier", "load", "parse_profile"]
