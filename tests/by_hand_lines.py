"""Lines that a drill prints for a person, run as that person would: by a shell, as they stand.

Where the tool is not on this machine, an independent reader of the same line does its call.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping

import boto3


def paste(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`line` in a shell, with `environment` besides this process's own."""
    return subprocess.run(
        ["bash", "-c", line],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def paste_aws(line: str) -> None:
    """An `aws route53 change-resource-record-sets` line; fails the test when it is refused."""
    if shutil.which("aws"):
        done = paste(line, AWS_PAGER="", AWS_EC2_METADATA_DISABLED="true")
        assert done.returncode == 0, done.stderr
        return
    words = shlex.split(line)
    variables: Mapping[str, str] = dict(word.split("=", 1) for word in words if "=" in word[:24])
    reader = argparse.ArgumentParser()
    for option in ("--hosted-zone-id", "--change-batch", "--region", "--endpoint-url"):
        reader.add_argument(option, required=True)
    start = words.index("aws")
    assert words[start : start + 3] == ["aws", "route53", "change-resource-record-sets"]
    given = reader.parse_args(words[start + 3 :])
    boto3.client(
        "route53",
        endpoint_url=given.endpoint_url,
        region_name=given.region,
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    ).change_resource_record_sets(
        HostedZoneId=given.hosted_zone_id, ChangeBatch=json.loads(given.change_batch)
    )
