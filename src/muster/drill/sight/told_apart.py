"""Checks that the load can assign each answer to a region, by a header or by the address.

Without either, no stream would have a region: the split could not be measured, and the evacuated
region could not be judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from muster.clock import SYSTEM_CLOCK, Clock
from muster.load.config import Endpoint
from muster.load.dns_answer import plain_address
from muster.load.once import addresses_of, is_address
from muster.load.one_stream import one_stream
from muster.load.requests import Requests
from muster.targets import Target

ANSWER_S_MAX = 30.0


def not_apart(target: Target, addresses: Mapping[str, Sequence[str]]) -> str:
    """Why addresses do not identify the regions; empty if they do.

    `addresses`: addresses by region from DNS, for regions without addresses in the target.
    """
    owners: dict[str, str] = {}
    for region, spec in target.regions.items():
        own = spec.addresses or tuple(addresses.get(region, ()))
        if not own:
            return f"no address of {region} is known (regions.{region}.addresses)"
        for text in own:
            if not is_address(text):
                return f"the record of {region} is the name {text}, whose addresses may be shared"
            address = plain_address(text)
            other = owners.setdefault(address, region)
            if other != region:
                return f"{text} is an address of both {other} and {region}"
    return ""


def untold(
    target: Target, addresses: Mapping[str, Sequence[str]], clock: Clock = SYSTEM_CLOCK
) -> str:
    """Why the load could not identify the regions; empty if it can.

    If the target names a header, this sends one request to the public name.
    """
    why = not_apart(target, addresses)
    header = target.load.region_header
    if header is None:
        return f"{why}, and load.region_header is not set" if why else ""
    named, wrong = _named(target, header.lower(), clock)
    if wrong:
        return f"{wrong}; {why}" if why else ""
    if named not in target.regions:
        known = ", ".join(target.regions)
        return f"load.region_header: {header} names {named!r}, which is none of {known}"
    return ""


def _named(target: Target, header: str, clock: Clock) -> tuple[str, str]:
    """The region that one answer names, or the reason why it names none."""
    access = target.load
    endpoint = Endpoint(target.public_url, "public_url")
    try:
        way = endpoint.host
        if not is_address(way):
            way = addresses_of(way, access.dns_server).addresses[0]
    except (OSError, IndexError):
        return "", f"{endpoint.host} does not resolve, so the header {header} cannot be read"
    found = one_stream(
        endpoint,
        way,
        Requests(endpoint, access.canary_token, access.model, access.body, access.form),
        tokens=access.canary_tokens,
        form=access.form,
        seconds_max=ANSWER_S_MAX,
        headers=(header,),
        clock=clock,
    )
    if not found.status:
        return "", f"{way} did not answer, so the header {header} cannot be read: {found.error}"
    named = found.headers.get(header, "")
    if not named:
        return (
            "",
            f"the answer of {way} ({found.status}) has no header {header} (load.region_header)",
        )
    return named, ""
