"""The names adapters against the suite, and wrong ones that fail in it."""

from __future__ import annotations

import itertools

import boto3
import pytest
from conformance import names as suite
from conformance.names import CHECKS, DETECTION_S, REGIONS, TTL_S, World
from floor_fixtures import free_port, moto_server

from muster import aws
from muster.platform.names import Names
from muster.platform.names.registry import NAMES
from muster.platform.names.stated import StatedNames
from muster.platform.names.steering import SteeringNames
from muster.platform.port import PortError
from muster.platform.steering.route53 import Route53
from muster.targets.names import StatedNames as Stated
from muster.targets.names import SteeringNames as Read
from muster.targets.steering import Route53Steering

NUMBERS = itertools.count()


class Statement(World):
    """A target's own words."""

    asks = False

    def __init__(self, kind: type[Names] = StatedNames) -> None:
        self.kind = kind
        self.settings = Stated(kind="stated", ttl_s=TTL_S, detection_s_max=DETECTION_S)

    def adapter(self) -> Names:
        return self.kind(self.settings, REGIONS, None)

    def down(self) -> None:
        pass

    def undetected(self) -> None:
        self.settings = self.settings.model_copy(update={"detection_s_max": None})


class Records(World):
    """Records of moto's Route 53 with health checks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"n{next(NUMBERS)}.test."
        self.api = boto3.client(
            "route53", endpoint_url=url, region_name="us-east-1",
            aws_access_key_id="testing", aws_secret_access_key="testing",
        )  # fmt: skip
        zone = self.api.create_hosted_zone(Name=self.name, CallerReference=self.name)
        self.zone_id = zone["HostedZone"]["Id"]
        self.put(check=True)

    def put(self, *, check: bool) -> None:
        """Both regions' records, with the same health check or with none."""
        more = {}
        if check:
            config = {
                "IPAddress": "127.0.1.1", "Port": 80, "Type": "HTTP", "ResourcePath": "/readyz",
                "RequestInterval": 10, "FailureThreshold": 2,
            }  # fmt: skip
            made = self.api.create_health_check(CallerReference=self.name, HealthCheckConfig=config)
            more = {"HealthCheckId": made["HealthCheck"]["Id"]}
        for region, ttl_s in zip(REGIONS, (5, TTL_S), strict=True):
            record = {
                "Name": f"chat.{self.name}", "Type": "A", "SetIdentifier": region, "Weight": 50,
                "TTL": ttl_s, "ResourceRecords": [{"Value": "192.0.2.1"}], **more,
            }  # fmt: skip
            batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
            self.api.change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch=batch)

    def adapter(self) -> Names:
        steering = Route53(
            Route53Steering(
                kind="route53",
                endpoint_url=self.url,
                zone=self.name,
                record=f"chat.{self.name}",
                calls_per_s_max=1000,
                timeout_s=2,
            )
        )
        return SteeringNames(Read(), REGIONS, steering)

    def down(self) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"

    def undetected(self) -> None:
        self.put(check=False)


@pytest.fixture(scope="module")
def url():
    """One API for the module."""
    with moto_server() as address:
        yield address


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite_on_what_a_target_states(check):
    """`names: {kind: stated}`."""
    check(Statement())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_suite_on_route53(url, monkeypatch, check):
    """The records' own TTL and health checks."""
    monkeypatch.setattr(aws, "ATTEMPTS_MAX", 1)
    check(Records(url))


class Short(StatedNames):
    """Takes the TTL for nothing."""

    def ttl_s(self):
        return 0


class OneRegion(StatedNames):
    """Forgets a region."""

    def detection(self):
        return dict(list(super().detection().items())[:1])


class Guesses(StatedNames):
    """Makes up a detection time where there is none."""

    def detection(self):
        return super().detection() or dict.fromkeys(REGIONS, (30, 3))


class Elsewhere(StatedNames):
    """Names a region that there is not."""

    def addresses(self):
        return {"mars": ("192.0.2.1",)}


class Eager(StatedNames):
    """Cannot be made while the platform is away."""

    def __init__(self, *given):
        raise PortError("the platform is away")


class Fails(StatedNames):
    """Raises though nobody has to be asked."""

    def addresses(self):
        raise PortError("away")


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (Short, suite.says_the_longest_ttl),
        (OneRegion, suite.says_how_long_detection_takes),
        (Guesses, suite.says_when_nothing_detects),
        (Elsewhere, suite.gives_addresses_of_regions_alone),
        (Eager, suite.asks_nothing_when_made),
        (Fails, suite.an_outage_is_an_error),
    ],
)
def test_a_wrong_adapter_fails(kind, check):
    """Each in the check that is there for it."""
    with pytest.raises((AssertionError, PortError)):
        check(Statement(kind))


def test_every_kind_of_a_target_has_an_adapter():
    """The registry and the target's model name the same kinds."""
    kinds = {Stated(kind="stated", ttl_s=0, detection_s_max=None).kind, Read().kind}
    assert kinds == set(NAMES)
