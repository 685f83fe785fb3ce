"""Steering: who gets the traffic."""

from muster.platform.steering.expected import Expected, restoration, snapshot_from
from muster.platform.steering.route53 import Route53, SteeringError
from muster.platform.steering.shares import shares_of, weights_for

__all__ = [
    "Expected",
    "Route53",
    "SteeringError",
    "restoration",
    "shares_of",
    "snapshot_from",
    "weights_for",
]
