"""How long DNS takes to notice a lost region: from its health checks, or said by the target."""

from __future__ import annotations

import pytest

from muster.errors import BadInput
from muster.platform.steering.detection import Detection, detections

CHECKS = {
    "fast": {"Type": "HTTP", "RequestInterval": 10, "FailureThreshold": 2},
    "slow": {"Type": "TCP", "RequestInterval": 30, "FailureThreshold": 3},
    "bare": {"Type": "HTTPS"},
    "both": {"Type": "CALCULATED", "ChildHealthChecks": ["fast", "slow"], "HealthThreshold": 2},
    "none": {"Type": "CALCULATED", "ChildHealthChecks": []},
    "watch": {"Type": "CLOUDWATCH_METRIC"},
    "switch": {"Type": "RECOVERY_CONTROL"},
    "nested": {"Type": "CALCULATED", "ChildHealthChecks": ["fast", "watch"]},
}


def call(operation, HealthCheckId):
    assert operation == "get_health_check"
    return {"HealthCheck": {"HealthCheckConfig": CHECKS[HealthCheckId]}}


def record(check=None, follows=None):
    found = {"Type": "A", "SetIdentifier": "west", "Weight": 50}
    if check:
        found["HealthCheckId"] = check
    if follows is not None:
        found["AliasTarget"] = {"EvaluateTargetHealth": follows}
    return found


@pytest.mark.parametrize(
    ("check", "seconds"), [("fast", 20), ("slow", 90), ("bare", 90), ("both", 90)]
)
def test_it_follows_from_the_checks_own_figures(check, seconds):
    """Interval times threshold; of a calculated check the slowest child's."""
    assert detections([record(check)], call, None)["west"].seconds == seconds


def test_without_a_health_check_dns_notices_nothing():
    """Nothing is waited for: the record is answered by its weight."""
    assert detections([record(), record(follows=False)], call, None) == {}
    assert detections([record()], call, 30) == {}


@pytest.mark.parametrize(
    "one",
    [record("watch"), record("switch"), record("nested"), record("none"), record(follows=True)],
)
def test_what_nobody_can_know_is_demanded(one):
    """An alarm, a routing control, an alias's target: the line names the key; the key is taken."""
    with pytest.raises(BadInput, match=r"steering\.detection_s_max.*record A west depends on"):
        detections([one], call, None)
    assert detections([one], call, 25.5) == {"west": Detection(26, 1)}


def test_a_health_check_bounds_an_alias_that_follows_its_target_too():
    """Whichever notices first takes the record out: the check's own bound holds."""
    assert detections([record("fast", follows=True)], call, None)["west"].seconds == 20
