"""Traffic moved away from a region, by the records that moto's Route 53 API holds."""

from __future__ import annotations

import json

import boto3
import pytest
from by_hand_lines import paste_aws
from floor_fixtures import OTHER, REGION, a_target, free_port, moto_server

from muster.errors import BadInput
from muster.faults import FaultError, fault_of
from muster.faults.traffic_shift import TrafficShift
from muster.platform import platform_of
from muster.platform.steering import SteeringError
from muster.targets.steering import GatewayApiSteering
from muster.undo import UndoEntry


@pytest.fixture(scope="module")
def rig():
    """A zone with two weighted records; its target and the API."""
    with moto_server() as url:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        api = boto3.client("route53", endpoint_url=url, region_name="us-east-1", **keys)
        zone = api.create_hosted_zone(Name="muster.test.", CallerReference="1")["HostedZone"]["Id"]
        yield a_target(steering={"endpoint_url": url, "calls_per_s_max": 1000}), api, zone


def put(rig, **weights):
    _, api, zone = rig
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": "chat.muster.test.",
                "Type": "A",
                "SetIdentifier": region.replace("_", "-"),
                "Weight": weight,
                "TTL": 5,
                "ResourceRecords": [{"Value": "192.0.2.1"}],
            },
        }
        for region, weight in weights.items()
    ]
    api.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


@pytest.fixture
def target(rig):
    put(rig, eu_west_1=60, eu_central_1=40)
    return rig[0]


def test_it_bites_is_seen_and_goes_away(target):
    """The share falls, is read from the records, and comes back to the odd weights of before."""
    fault = TrafficShift(platform_of(target), REGION, 10)
    assert not fault.observe().proven
    params = fault.undo_params()
    fault.apply()
    assert fault.observe().proven
    assert fault.observe().facts == {"share_pct": 10}
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, json.loads(json.dumps(params)))
    restored = fault_of(platform_of(target), entry)
    assert not restored.read_back().ok
    for _ in range(2):
        restored.revert()
        back = restored.read_back()
        assert back.ok
        assert back.actual == f"{OTHER} 40, {REGION} 60"


def test_steps_come_back_in_one(target):
    """Several steps share the weights from before the first one."""
    fault = TrafficShift(platform_of(target), REGION, 25)
    fault.undo_params()
    fault.apply()
    fault.share_pct = 0
    assert fault.undo_params()["weights"] == {REGION: 60, OTHER: 40}
    fault.apply()
    assert fault.observe().proven
    fault.revert()
    assert fault.read_back().ok


def test_records_that_ignore_the_step_are_not_proven(rig, target):
    """Somebody else sets the weights back: the shift did not bite."""
    fault = TrafficShift(platform_of(target), REGION, 0)
    fault.undo_params()
    fault.apply()
    put(rig, eu_west_1=60, eu_central_1=40)
    proof = fault.observe()
    assert not proof.proven
    assert proof.why == f"the weights give {REGION} 60 %"


def test_a_region_without_a_record_is_not_proven(target):
    """No record, no proof, and no traceback either."""
    proof = TrafficShift(platform_of(target), "mars", 0).observe()
    assert not proof.proven
    assert "no part gives mars" in proof.why


def test_revert_without_the_weights_before_is_an_error(target):
    """Weights are never guessed."""
    with pytest.raises(FaultError, match="weights before the fault are unknown"):
        TrafficShift(platform_of(target), REGION, 0).revert()


def test_records_that_changed_their_regions_are_an_error(target):
    """What can no longer be put back as it was is said, not half done."""
    with pytest.raises(SteeringError, match="weights for"):
        TrafficShift(platform_of(target), REGION, before={REGION: 60, "gone": 40}).revert()


def test_the_line_by_hand_puts_everything_back(target):
    """Pasted into a shell after two steps: the weights of before, and the records else as were."""
    fault = TrafficShift(platform_of(target), REGION, 25)
    before = fault.undo_params()["records"]
    fault.apply()
    fault.share_pct = 0
    params = json.loads(json.dumps(fault.undo_params()))
    fault.apply()
    entry = UndoEntry("u1", fault.kind, fault.subject, REGION, params)
    restored = fault_of(platform_of(target), entry)
    assert not restored.read_back().ok
    paste_aws(restored.command())
    assert restored.read_back().ok
    assert fault.undo_params()["records"] == before
    assert fault.subject == "route53 chat.muster.test."


def test_the_line_by_hand_needs_no_answer_of_the_api(target):
    """The API is gone: the whole line stands in the undo log."""
    params = TrafficShift(platform_of(target), REGION, 0).undo_params()
    gone = a_target(steering={"endpoint_url": f"http://127.0.0.1:{free_port()}"})
    entry = UndoEntry("u1", "traffic_shift", "x", REGION, params)
    line = fault_of(platform_of(gone), entry).command()
    assert "--hosted-zone-id" in line
    real = a_target(steering={"endpoint_url": None})
    line = fault_of(platform_of(real), entry).command()
    assert line.startswith("aws route53 change-resource-record-sets --hosted-zone-id ")
    assert "testing" not in line


def test_without_its_records_there_is_no_line(target):
    """Half a line would be worse: the drill's own recover is named instead."""
    assert (
        TrafficShift(platform_of(target), REGION, before={REGION: 60, OTHER: 40}).command() is None
    )


def test_revert_before_apply_changes_nothing(target):
    """The undo is written first: a drill that died before the step has nothing to put back."""
    fault = TrafficShift(platform_of(target), REGION, 0)
    fault.undo_params()
    fault.revert()
    assert fault.read_back().ok


def test_weights_that_somebody_else_changed_go_back_as_well(rig, target):
    """What the undo remembers is what comes back, whoever changed it since."""
    fault = TrafficShift(platform_of(target), REGION, 0)
    fault.undo_params()
    fault.apply()
    put(rig, eu_west_1=7, eu_central_1=3)
    fault.revert()
    assert fault.read_back().ok


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "route53"}, r"steering\.kind: got 'gateway_api', expected route53"),
        ({"subject": "httproute chat/old"}, "steering: got 'httproute chat/new', expected "),
        ({"subject": "httproute other/new"}, "expected httproute other/new, which was changed"),
        ({}, ""),
    ],
)
def test_weights_go_back_to_where_they_were_changed(changes, said):
    """A target that steers by another route meanwhile would leave the changed one as it is."""
    found = a_target()
    steering = {"kind": "gateway_api", "namespace": "chat", "route": "new"}
    found = found.model_copy(update={"steering": GatewayApiSteering.model_validate(steering)})
    told = {"kind": "gateway_api", "subject": "httproute chat/new"} | changes
    params = {"weights": {REGION: 50, OTHER: 50}, "made_by": told["kind"]}
    entry = UndoEntry("u1", "traffic_shift", told["subject"], REGION, params)
    if not said:
        assert fault_of(platform_of(found), entry).subject == entry.subject
        return
    with pytest.raises(BadInput, match=said):
        fault_of(platform_of(found), entry)
