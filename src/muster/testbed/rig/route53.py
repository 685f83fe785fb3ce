"""Seeds the testbed's Route 53 API through the ordinary client: zone, health checks, records.

Afterwards the zone looks like a platform's: one weighted A record for each region, whose
SetIdentifier is the region's name, each with an HTTP health check on the region's own address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from muster.targets.testbed import TestbedSpec
from muster.testbed.design.parts import LOCAL
from muster.testbed.rig.small_http import Answer, Request

WEIGHT = 50
READY_PATH = "/readyz"
TIMEOUT_S = 5.0


def client(url: str) -> Any:
    """A boto3 Route 53 client for the stand-in API at `url`, with a stand-in's credentials."""
    # boto3 takes a quarter of a second to import: only the parts that use the API should pay for
    # it.
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "route53",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": 2},
            proxies={},
        ),
    )


def seed(
    url: str,
    *,
    zone: str,
    record: str,
    addresses: Mapping[str, Sequence[str]],
    port: int,
    spec: TestbedSpec,
) -> str:
    """Create everything; returns the hosted zone's id. Raises botocore's errors.

    The health check of a region probes its first address.
    """
    api = client(url)
    zone_id: str = api.create_hosted_zone(Name=zone, CallerReference="testbed")["HostedZone"]["Id"]
    changes = []
    for region, listening in addresses.items():
        check = api.create_health_check(
            CallerReference=f"testbed-{region}",
            HealthCheckConfig={
                "IPAddress": listening[0],
                "Port": port,
                "Type": "HTTP",
                "ResourcePath": READY_PATH,
                "RequestInterval": spec.health_check.interval_s,
                "FailureThreshold": spec.health_check.threshold,
            },
        )
        changes.append(
            {
                "Action": "CREATE",
                "ResourceRecordSet": {
                    "Name": record,
                    "Type": "A",
                    "SetIdentifier": region,
                    "Weight": WEIGHT,
                    "TTL": spec.dns.ttl_s,
                    "ResourceRecords": [{"Value": address} for address in listening],
                    "HealthCheckId": check["HealthCheck"]["Id"],
                },
            }
        )
    api.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})
    return zone_id


async def trouble(client: httpx.AsyncClient, port: int, request: Request) -> Answer:
    """Hand the request to the API's own switch; 502 if it does not answer."""
    url = f"http://{LOCAL}:{port}/muster/trouble"
    try:
        answer = await client.request(request.method, url, content=request.body, timeout=TIMEOUT_S)
        shown: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return Answer(502, {"error": f"route53: {type(error).__name__}"})
    return Answer(answer.status_code, shown)
