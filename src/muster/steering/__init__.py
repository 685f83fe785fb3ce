"""Steering: who gets the traffic."""

from muster.steering.route53 import Route53, SteeringError
from muster.steering.shares import shares_of, weights_for

__all__ = ["Route53", "SteeringError", "shares_of", "weights_for"]
