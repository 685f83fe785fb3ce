"""Targets: where a drill runs and how far it may reach."""

from muster.targets.model import Target, TestbedSpec
from muster.targets.parse import load, path_of, resolve, resolve_shared

__all__ = ["Target", "TestbedSpec", "load", "path_of", "resolve", "resolve_shared"]
