"""How regions are told apart in what the load sees: by a header of the answer, or by addresses.

Without either, every stream would be in no region: no split could be seen, and nothing could be
said of the region that is drilled.
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
    """Why addresses do not tell the regions apart; empty: they do.

    `addresses`: what each region's name is answered, where the target does not say it.
    """
    owners: dict[str, str] = {}
    for region, spec in target.regions.items():
        own = spec.addresses or tuple(addresses.get(region, ()))
        if not own:
            return f"no address of {region} is known (regions.{region}.addresses)"
        for text in own:
            if not is_address(text):
                return f"{region} is answered by the name {text}, whose addresses may be anyone's"
            address = plain_address(text)
            other = owners.setdefault(address, region)
            if other != region:
                return f"{text} is an address of {other} and of {region}"
    return ""


def untold(
    target: Target, addresses: Mapping[str, Sequence[str]], clock: Clock = SYSTEM_CLOCK
) -> str:
    """Why the load could not tell the regions apart; empty: it can.

    Where the target names a header, this asks the public name for one answer.
    """
    why = not_apart(target, addresses)
    header = target.load.region_header
    if header is None:
        return f"{why}, and load.region_header names no header of the answer" if why else ""
    named, wrong = _named(target, header.lower(), clock)
    if wrong:
        return f"{wrong}; {why}" if why else ""
    if named not in target.regions:
        known = ", ".join(target.regions)
        return f"load.region_header {header} says {named!r}, which is none of {known}"
    return ""


def _named(target: Target, header: str, clock: Clock) -> tuple[str, str]:
    """The region that one answer names, and why it names none."""
    access = target.load
    endpoint = Endpoint(target.public_url, "public_url")
    try:
        way = endpoint.host
        if not is_address(way):
            way = addresses_of(way, access.dns_server).addresses[0]
    except (OSError, IndexError):
        return "", f"{endpoint.host} has no address to ask for the header {header}"
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
        return "", f"{way} gave no answer that could carry {header}: {found.error}"
    named = found.headers.get(header, "")
    if not named:
        return "", f"the answer of {way} ({found.status}) carries no {header}: load.region_header"
    return named, ""
