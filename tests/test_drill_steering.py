"""Somebody else sets the weights while a drill runs: ABORTED at once, and theirs is left alone.

So is a drain that another takes back."""

from __future__ import annotations

import boto3
import httpx
import pytest
from drill_runner import drill

pytestmark = pytest.mark.drills
REGION, OTHER = "eu-west-1", "eu-central-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


class Records:
    """The testbed's weighted records, as somebody with the API's address sees them."""

    def __init__(self, state):
        url = state["endpoints"]["route53_url"]
        self.api = boto3.client("route53", endpoint_url=url, region_name="us-east-1", **KEYS)
        (zone,) = self.api.list_hosted_zones()["HostedZones"]
        self.zone_id = zone["Id"]

    def shown(self):
        listed = self.api.list_resource_record_sets(HostedZoneId=self.zone_id)
        return {
            one["SetIdentifier"]: one for one in listed["ResourceRecordSets"] if "Weight" in one
        }

    def weights(self):
        return {region: one["Weight"] for region, one in self.shown().items()}

    def put(self, region, **changes):
        record = {**self.shown()[region], **changes}
        change = {"Action": "UPSERT", "ResourceRecordSet": record}
        self.api.change_resource_record_sets(
            HostedZoneId=self.zone_id, ChangeBatch={"Changes": [change]}
        )


def aborted(run, said, by="steering:changed_by_another"):
    """The drill ended as another's change must end it."""
    assert run.wait() != 0, run.output
    verdict = run.verdict
    assert (verdict["verdict"], verdict["stopped_by"]) == (
        "ABORTED", by,
    ), run.output  # fmt: skip
    (stopped,) = run.events("stopped")
    assert said in stopped["detail"]
    assert verdict["undo"]["pending"] == []
    assert "by hand" not in " ".join(verdict["undo"]["commands"])
    return verdict


@pytest.fixture
def run(tmp_path):
    """A short drill on a testbed that is brought up first, so that it outlives the drill."""
    with drill(tmp_path) as one:
        up = one.command("up", "--target", one.environment()["MUSTER_TARGET"],
                         "--profile", "test_short", "--scale", "1")  # fmt: skip
        assert up.returncode == 0, up.stdout + up.stderr
        one.start()
        yield one


def test_weights_set_in_baseline_abort(run):
    """Nothing was moved yet: the drill stops, and another's weights stand."""
    run.await_phase("baseline")
    records = Records(run.testbed())
    records.put(REGION, Weight=60)
    aborted(run, "A eu-west-1: weight 50 -> 60")
    assert records.weights() == {REGION: 60, OTHER: 50}


def test_weights_set_in_evacuate_abort_and_are_left_alone(run):
    """What the drill set goes back; what another set stays, and a person is told."""
    run.await_event("step")
    run.await_event("observed_split")
    records = Records(run.testbed())
    records.put(REGION, Weight=40)
    verdict = aborted(run, "A eu-west-1: weight ")
    assert records.weights() == {REGION: 40, OTHER: 50}
    (told,) = verdict["undo"]["changed_by_another"]
    assert "A eu-west-1: weight 50 -> 40" in told
    assert "left as somebody else changed it" in run.output


def test_a_weight_set_in_dark_aborts_and_everything_is_back(run):
    """The weight of before, set by another in the dark phase: the region is started and served."""
    run.await_event("region_dark")
    records = Records(run.testbed())
    records.put(REGION, Weight=50)
    aborted(run, "A eu-west-1: weight 0 -> 50")
    assert records.weights() == {REGION: 50, OTHER: 50}
    assert run.events("fault_applied")


def test_a_drain_that_another_takes_back_aborts(run):
    """The region serves again in mid-drain: nobody fails, and everything is back."""
    run.await_phase("evacuate")
    run.await_event("observed_split")
    state = run.testbed()
    hook = f"{state['endpoints']['control_url']}/regions/{REGION}/drain"
    token = {"Authorization": f"Bearer {state['endpoints']['control_token']}"}
    assert httpx.post(hook, json={"state": "serving"}, headers=token).status_code == 200
    aborted(run, f"{REGION} reports serving", by="drain:changed_by_another")
    assert Records(state).weights() == {REGION: 50, OTHER: 50}
