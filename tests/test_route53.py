"""Weighted records through ordinary boto3, against the Route 53 API as moto serves it."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import boto3
import pytest
from botocore import exceptions
from floor_fixtures import NOWHERE, moto_server, stand_in

from muster import aws
from muster.platform.steering import SteeringAway, SteeringError
from muster.platform.steering.route53 import Route53
from muster.targets.steering import Route53Steering

NUMBERS = itertools.count()
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@pytest.fixture(scope="module")
def url():
    """One moto server for the module."""
    with moto_server() as address:
        yield address


class Zone:
    """A zone of its own on the server, and what was sent to it."""

    def __init__(self, url, **settings):
        self.name = f"z{next(NUMBERS)}.test."
        self.record = f"chat.{self.name}"
        self.api = boto3.client("route53", endpoint_url=url, region_name="us-east-1", **KEYS)
        zone = self.api.create_hosted_zone(Name=self.name, CallerReference=self.name)
        self.zone_id = zone["HostedZone"]["Id"]
        known = {"endpoint_url": url, "zone": self.name, "record": self.record}
        defaults = {"kind": "route53", "wait_insync": False, "calls_per_s_max": 1000.0}
        self.steering = Route53(Route53Steering.model_validate(defaults | known | settings))
        self.batches = []
        self.calls = []
        events = self.steering._zone._client.meta.events
        events.register("before-call.route53", lambda model, **_: self.calls.append(model.name))
        events.register(
            "provide-client-params.route53.ChangeResourceRecordSets",
            lambda params, **_: self.batches.append(params["ChangeBatch"]["Changes"]),
        )

    def put(self, *records):
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record} for record in records]
        self.api.change_resource_record_sets(
            HostedZoneId=self.zone_id, ChangeBatch={"Changes": changes}
        )

    def weighted(self, region, weight, address="192.0.2.1", kind="A", **more):
        return {
            "Name": self.record,
            "Type": kind,
            "SetIdentifier": region,
            "Weight": weight,
            "TTL": 5,
            "ResourceRecords": [{"Value": address}],
        } | more

    def shown(self):
        """The name's records as the API has them."""
        records = self.api.list_resource_record_sets(HostedZoneId=self.zone_id)
        return [one for one in records["ResourceRecordSets"] if one["Name"] == self.record]


@pytest.fixture
def zone(url):
    zone = Zone(url)
    zone.put(zone.weighted("a", 50, "192.0.2.1"), zone.weighted("b", 50, "192.0.2.2", TTL=7))
    return zone


def test_weights_addresses_and_ttl_are_read(zone):
    """By region, with the longest TTL of the records."""
    assert zone.steering.weights() == {"a": 50, "b": 50}
    assert zone.steering.addresses() == {"a": ("192.0.2.1",), "b": ("192.0.2.2",)}
    assert zone.steering.ttl_s() == 7


def test_a_step_is_one_batch_and_changes_nothing_else(zone):
    """All weights in one ChangeBatch; addresses, TTL and health checks stay."""
    before = zone.shown()
    zone.steering.set_weights({"a": 10, "b": 90})
    (batch,) = zone.batches
    assert {change["Action"] for change in batch} == {"UPSERT"}
    assert len(batch) == 2
    assert zone.steering.weights() == {"a": 10, "b": 90}
    for old, new in zip(before, zone.shown(), strict=True):
        assert {**old, "Weight": new["Weight"]} == new


def test_what_is_so_already_is_not_sent(zone):
    """Setting the same weights again makes no change at all, one that differs makes one."""
    zone.steering.set_weights({"a": 50, "b": 50})
    assert zone.batches == []
    zone.steering.set_weights({"a": 50, "b": 0})
    (batch,) = zone.batches
    assert [change["ResourceRecordSet"]["SetIdentifier"] for change in batch] == ["b"]


def test_weights_must_name_the_records_regions(zone):
    """A region too few or too many is refused before anything is sent."""
    for weights in ({"a": 1}, {"a": 1, "b": 1, "c": 1}, {}):
        with pytest.raises(SteeringError, match=r"records for \['a', 'b'\], weights for"):
            zone.steering.set_weights(weights)
    assert zone.batches == []


def in_pages_of(zone, records):
    """From now on the API answers so many records at once."""
    zone.steering._zone._client.meta.events.register(
        "provide-client-params.route53.ListResourceRecordSets",
        lambda params, **_: {**params, "MaxItems": str(records)},
    )


def test_records_over_two_pages_are_all_read_and_changed(zone):
    """A listing that is cut off is read on, to the name's end and no further."""
    addresses = {"a": "2001:db8::1", "b": "2001:db8::2"}
    zone.put(*(zone.weighted(name, 50, addresses[name], "AAAA") for name in addresses))
    later = {"Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "192.0.2.9"}]}
    zone.put({"Name": f"zz.{zone.name}", **later})
    in_pages_of(zone, 2)
    assert zone.steering.addresses()["b"] == ("192.0.2.2", "2001:db8::2")
    assert zone.calls.count("ListResourceRecordSets") == 2
    zone.steering.set_weights({"a": 0, "b": 100})
    (batch,) = zone.batches
    assert len(batch) == 4
    assert zone.steering.weights() == {"a": 0, "b": 100}


def test_a_listing_that_does_not_go_on_is_an_error(zone):
    """An API that begins every page anew, as this one does within a name, is not asked for ever."""
    in_pages_of(zone, 1)
    with pytest.raises(SteeringError, match="the listing of records stopped before its end"):
        zone.steering.weights()


PAGE = """<ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
<ResourceRecordSets><ResourceRecordSet><Name>c.z.test.</Name><Type>A</Type>
<SetIdentifier>{region}</SetIdentifier><Weight>50</Weight><TTL>5</TTL><ResourceRecords>
<ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>
</ResourceRecordSets>{rest}<MaxItems>1</MaxItems></ListResourceRecordSetsResponse>"""
REST = """<IsTruncated>true</IsTruncated><NextRecordName>c.z.test.</NextRecordName>
<NextRecordType>A</NextRecordType><NextRecordIdentifier>b</NextRecordIdentifier>"""


def test_pages_within_a_name_go_on_by_the_regions_identifier():
    """A stand-in that cuts between two records of the name is asked on from the second one."""

    def answer(call):
        if "identifier=b" in call.path:
            return 200, PAGE.format(region="b", rest="<IsTruncated>false</IsTruncated>")
        return 200, PAGE.format(region="a", rest=REST)

    with stand_in(answer) as shown:
        steering = steering_of(shown.url)
        steering._zone._id = "Z1"
        assert steering.weights() == {"a": 50, "b": 50}
    assert len(shown.calls) == 2


def test_both_address_families_of_a_region_move_together(zone):
    """A and AAAA records of one region get the same weight in the same batch."""
    families = {"kind": "AAAA"}
    zone.put(
        zone.weighted("a", 50, "2001:db8::1", **families),
        zone.weighted("b", 50, "2001:db8::2", **families),
    )
    assert zone.steering.addresses()["a"] == ("192.0.2.1", "2001:db8::1")
    zone.steering.set_weights({"a": 0, "b": 100})
    (batch,) = zone.batches
    assert len(batch) == 4
    weights = {(one["Type"], one["SetIdentifier"]): one["Weight"] for one in zone.shown()}
    assert weights == {("A", "a"): 0, ("A", "b"): 100, ("AAAA", "a"): 0, ("AAAA", "b"): 100}
    zone.put(zone.weighted("a", 7, "2001:db8::1", **families))
    with pytest.raises(SteeringError, match="records of a have different weights"):
        zone.steering.weights()


def test_health_checks_are_read_by_region(zone):
    """Interval and threshold as the record's own check has them; none is left out."""
    check = zone.api.create_health_check(
        CallerReference=zone.name,
        HealthCheckConfig={
            "Type": "HTTP", "IPAddress": "192.0.2.1", "Port": 80,
            "RequestInterval": 10, "FailureThreshold": 2,
        },
    )  # fmt: skip
    zone.put(zone.weighted("a", 50, HealthCheckId=check["HealthCheck"]["Id"]))
    assert zone.steering.health_checks() == {"a": (10, 2)}


def test_an_unknown_zone_or_record_is_an_error(url, zone):
    """A mistyped name finds nothing, and says which."""
    with pytest.raises(SteeringError, match=r"nowhere\.test\.: 0 hosted zones of that name"):
        Zone(url, zone="nowhere.test.").steering.weights()
    said = rf"chat\.{zone.name}: no weighted A, AAAA or CNAME records in zone z"
    with pytest.raises(SteeringError, match=said):
        Zone(url, record=zone.record).steering.weights()


def test_two_zones_of_one_name_are_an_error(url):
    """Which of them serves the public name cannot be told, so neither is touched."""
    zone = Zone(url)
    zone.put(zone.weighted("a", 50))
    zone.api.create_hosted_zone(Name=zone.name, CallerReference="second")
    with pytest.raises(SteeringError, match="2 hosted zones of that name"):
        zone.steering.weights()


def test_a_plain_record_of_the_name_is_not_steered(url):
    """Records without a weight are somebody else's."""
    zone = Zone(url)
    plain = {"Name": zone.record, "Type": "TXT", "TTL": 5, "ResourceRecords": [{"Value": '"x"'}]}
    zone.put(plain, zone.weighted("a", 50))
    assert zone.steering.weights() == {"a": 50}


def test_a_weighted_txt_of_the_name_is_neither_read_nor_changed(url):
    """The registry of external-dns stands beside the address records, with weights of its own."""
    zone = Zone(url)
    text = {"ResourceRecords": [{"Value": '"heritage=external-dns"'}], "TTL": 300}
    zone.put(zone.weighted("a", 50), zone.weighted("b", 50))
    zone.put(*(zone.weighted(name, 50, kind="TXT", **text) for name in "ab"))
    assert zone.steering.ttl_s() == 5
    assert zone.steering.addresses() == {"a": ("192.0.2.1",), "b": ("192.0.2.1",)}
    assert sorted(zone.steering.shown()) == ["A a", "A b"]
    zone.steering.set_weights({"a": 0, "b": 100})
    (batch,) = zone.batches
    assert {change["ResourceRecordSet"]["Type"] for change in batch} == {"A"}
    shown = {(one["Type"], one["SetIdentifier"]): one["Weight"] for one in zone.shown()}
    assert shown["TXT", "a"] == shown["TXT", "b"] == 50


def test_set_identifiers_of_other_names_are_mapped_and_several_are_summed(url):
    """Two records of one region share its weight in their proportion, and come back exactly."""
    zone = Zone(url, set_identifiers={"west": ["w1", "w2"], "east": "e"})
    zone.put(zone.weighted("w1", 30), zone.weighted("w2", 10), zone.weighted("e", 40))
    assert zone.steering.weights() == {"west": 40, "east": 40}
    zone.steering.set_weights({"west": 0, "east": 100})
    zone.steering.set_weights({"west": 20, "east": 80})
    shown = {one["SetIdentifier"]: one["Weight"] for one in zone.shown()}
    assert shown == {"w1": 15, "w2": 5, "e": 80}
    zone.steering.set_weights({"west": 40, "east": 40})
    shown = {one["SetIdentifier"]: one["Weight"] for one in zone.shown()}
    assert shown == {"w1": 30, "w2": 10, "e": 40}


def test_what_stands_is_checked_right_before_a_change(zone):
    """Who sees another's weights there keeps the change from being made."""

    def refuse(shown):
        raise SteeringError(f"another: {shown['A a'].weight}")

    with pytest.raises(SteeringError, match="another: 50"):
        zone.steering.set_weights({"a": 0, "b": 100}, check=refuse)
    assert zone.batches == []


def test_a_zone_is_chosen_by_its_id(url):
    """Of two zones of one name the id says which; an id of another zone is refused."""
    zone = Zone(url)
    zone.put(zone.weighted("a", 50))
    second = zone.api.create_hosted_zone(Name=zone.name, CallerReference=f"2 {zone.name}")
    with pytest.raises(SteeringError, match=r"2 hosted zones of that name \(.*name one of them"):
        zone.steering.weights()
    known = {"kind": "route53", "endpoint_url": url, "zone": zone.name, "record": zone.record}
    known |= {"calls_per_s_max": 1000.0}
    right = {"zone_id": zone.zone_id}
    assert Route53(Route53Steering.model_validate(known | right)).weights() == {"a": 50}
    other = {"zone_id": second["HostedZone"]["Id"]}
    with pytest.raises(SteeringError, match="no weighted A, AAAA or CNAME records"):
        Route53(Route53Steering.model_validate(known | other)).weights()
    elsewhere = Zone(url)
    wrong = Route53Steering.model_validate(known | {"zone_id": elsewhere.zone_id})
    with pytest.raises(SteeringError, match=f"that zone is {elsewhere.name}, not {zone.name}"):
        Route53(wrong).weights()


def test_a_wildcard_in_capitals_is_the_name_that_route_53_writes(url):
    """`*.Z.TEST.` is mapped to what the API answers, escaped or not."""
    zone = Zone(url)
    zone.put({**zone.weighted("a", 50), "Name": f"*.{zone.name}"})
    data = {"kind": "route53", "endpoint_url": url, "calls_per_s_max": 1000.0}
    data |= {"zone": zone.name.upper(), "record": f"*.{zone.name}".upper()}
    assert Route53(Route53Steering.model_validate(data)).weights() == {"a": 50}


def test_it_waits_for_insync_where_the_target_says_so(url):
    """The change is asked after until it is in all servers; elsewhere never."""
    zone = Zone(url, wait_insync=True)
    zone.put(zone.weighted("a", 50), zone.weighted("b", 50))
    zone.steering.set_weights({"a": 1, "b": 2})
    assert zone.calls[-2:] == ["ChangeResourceRecordSets", "GetChange"]


PENDING = """<GetChangeResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeInfo>
<Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt>
</ChangeInfo></GetChangeResponse>"""
REFUSED = """<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error>
<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"""


def steering_of(url, **more):
    data = {"kind": "route53", "endpoint_url": url, "zone": "z.test.", "record": "c.z.test."}
    return Route53(Route53Steering.model_validate(data | {"calls_per_s_max": 1000} | more))


def test_a_change_that_never_is_insync_is_an_error():
    """A stand-in that stays PENDING is not waited for without end."""
    with stand_in(lambda call: (200, PENDING)) as shown:
        with pytest.raises(SteeringError, match=r"C1: not INSYNC after 2 s"):
            steering_of(shown.url)._await_insync("C1", timeout_s=2)
    assert len(shown.calls) >= 2


@pytest.mark.parametrize(
    ("status", "code", "tries"),
    [(400, "Throttling", 2), (503, "ServiceUnavailable", 2), (403, "AccessDenied", 1)],
)
def test_a_refusal_is_an_error_after_bounded_tries(monkeypatch, status, code, tries):
    """Throttled by a stand-in: tried again a bounded number of times, then told; others at once."""
    monkeypatch.setattr(aws, "ATTEMPTS_MAX", 2)
    answer = REFUSED.format(code=code, message="Rate exceeded")
    with stand_in(lambda call: (status, answer)) as shown:
        with pytest.raises(SteeringError, match=rf"list_hosted_zones_by_name: .*{code}"):
            steering_of(shown.url).weights()
    assert len(shown.calls) == tries


def test_nobody_there_is_an_error(monkeypatch):
    """A refused connection is told with what was asked, and may be another one later."""
    monkeypatch.setattr(aws, "ATTEMPTS_MAX", 1)
    with pytest.raises(SteeringAway, match="Could not connect to the endpoint"):
        steering_of(NOWHERE).weights()


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="u"), True),
        (exceptions.ConnectTimeoutError(endpoint_url="u"), True),
        (exceptions.ReadTimeoutError(endpoint_url="u"), True),
        (exceptions.ConnectionClosedError(endpoint_url="u"), True),
        (exceptions.NoCredentialsError(), False),
        (exceptions.ParamValidationError(report="r"), False),
    ],
)
def test_only_what_did_not_reach_the_api_is_away(error, away):
    """What this side lacks it lacks the next time too."""

    def raises(**given):
        raise error

    steering = steering_of(NOWHERE)
    steering._zone.__dict__["_client"] = SimpleNamespace(list_hosted_zones_by_name=raises)
    with pytest.raises(SteeringError) as caught:
        steering.weights()
    assert isinstance(caught.value, SteeringAway) is away


def test_a_zone_that_is_not_there_is_not_away(url):
    """The API answered."""
    with pytest.raises(SteeringError, match="0 hosted zones") as caught:
        steering_of(url, zone="none.test.").weights()
    assert not isinstance(caught.value, SteeringAway)


def test_calls_are_kept_apart():
    """At most as many calls a second as the target allows, the first at once."""
    with stand_in(lambda call: (403, REFUSED.format(code="AccessDenied", message=""))) as shown:
        steering = steering_of(shown.url, calls_per_s_max=20)
        start = time.monotonic()
        for _ in range(4):
            with pytest.raises(SteeringError):
                steering.weights()
        assert time.monotonic() - start >= 3 / 20
    assert len(shown.calls) == 4


def test_another_zone_of_the_same_name_is_not_called_restored(url):
    """The target leads to another account's zone by now, with the weights of before."""
    changed, other = Zone(url), Zone(url)
    saved = {}
    for zone in (changed, other):
        zone.put(zone.weighted("a", 50), zone.weighted("b", 50))
    saved = changed.steering.saved()
    changed.steering.check_same(saved)
    changed.steering.check_same({})
    with pytest.raises(SteeringError, match=f"hosted zone {saved['zone_id']}, and the target"):
        other.steering.check_same(saved)
