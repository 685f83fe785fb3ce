"""Steering: which region gets how much traffic."""

from muster.platform.steering.expected import Expected, restoration, snapshot_from
from muster.platform.steering.model import Steering, SteeringAway, SteeringError, Trial
from muster.platform.steering.registry import steering_of
from muster.platform.steering.shares import shares_of, weights_for

__all__ = [
    "Expected",
    "Steering",
    "SteeringAway",
    "SteeringError",
    "Trial",
    "restoration",
    "shares_of",
    "snapshot_from",
    "steering_of",
    "weights_for",
]
