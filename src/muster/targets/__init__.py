"""Targets: where a drill runs and what it may change."""

from muster.targets.model import Target
from muster.targets.parse import load, load_bytes, path_of, resolve, resolve_shared, resolve_sight
from muster.targets.testbed import TestbedSpec

__all__ = [
    "Target",
    "TestbedSpec",
    "load",
    "load_bytes",
    "path_of",
    "resolve",
    "resolve_shared",
    "resolve_sight",
]
