"""Sends the load's request once to each region, and checks the answer and the region it names.

The regions alternate between the load's token and the canaries' token, so both tokens are tested
with one request for each region. A region without a known address is requested through the public
name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from muster.drill.doctor.examined import Examined
from muster.drill.doctor.model import Check, Row, Seen, plain
from muster.load.config import Endpoint
from muster.load.once import addresses_of, is_address
from muster.load.one_stream import OneStream, one_stream
from muster.load.requests import Requests

STREAM_S_MAX = 25.0
TOKENS = 16
"""Tokens to request: enough for a first token of any kind and for most canary phrases."""
BODY_CHARS = 70
ANSWERED_BY = ("server", "via", "x-served-by")
"""Headers in which a server or proxy identifies itself."""


def stream_checks(regions: Sequence[str]) -> tuple[Check, ...]:
    """One check a region."""
    return tuple(
        Check(f"stream:{name}", "streams", _look_of(name, number), STREAM_S_MAX + 10.0)
        for number, name in enumerate(regions)
    )


def _look_of(region: str, number: int) -> Callable[[Examined], Seen]:
    return partial(look, region=region, with_canary_token=number % 2 == 1)


def look(examined: Examined, region: str, with_canary_token: bool) -> Seen:
    """Send one request to `region` and check the answer."""
    access, target = examined.target.load, examined.target
    endpoint = Endpoint(target.public_url, "public_url")
    alone = examined.addresses.get(region, ())
    way = next(iter(alone), None) or _public(examined, endpoint)
    if way is None:
        return Seen(
            refused=(f"{region}: {endpoint.host} does not resolve, so no request can be sent",)
        )
    token = "canary_token" if with_canary_token else "token"
    requests = Requests(endpoint, getattr(access, token), access.model, access.body, access.form)
    tokens = min(target.tokens_max, max(TOKENS, access.canary_tokens))
    header = (access.region_header or "").lower()
    found = one_stream(
        endpoint,
        way,
        requests,
        tokens=tokens,
        form=access.form,
        seconds_max=STREAM_S_MAX,
        headers=tuple(dict.fromkeys((*ANSWERED_BY, *([header] if header else [])))),
        clock=examined.clock,
    )
    named = found.headers.get(header, "") if header else ""
    row = _row(region, found, named, token)
    said = f"{region}: with load.{token}, {found.address or way}"
    wrong = _wrong(found, said)
    if wrong:
        return Seen((row,), refused=(wrong,))
    return _who(examined, region, named, row, alone=bool(alone))


def _wrong(found: OneStream, said: str) -> str:
    """Why the answer is not a complete stream; empty if it is one."""
    if not found.status:
        return f"{said} gave no answer: {found.error}"
    body = plain(found.body.decode("utf-8", "replace"), 200)
    if not 200 <= found.status < 300:
        return f"{said} answers {found.status}: {body or 'an empty body'}"
    if found.outcome != "success":
        more = f" ({found.error})" if found.error else ""
        return (
            f"{said} answers {found.status}, and the load would count {found.outcome}{more}: "
            f"{body or 'an empty body'}"
        )
    return ""


def _who(examined: Examined, region: str, named: str, row: Row, *, alone: bool) -> Seen:
    """Check that the answer names a region of the target, and the one that was requested."""
    header, regions = examined.target.load.region_header, examined.target.regions
    if header and not named:
        return Seen(
            (row,), refused=(f"{region}: the answer has no header {header} (load.region_header)",)
        )
    if header and named not in regions:
        known = ", ".join(regions)
        return Seen(
            (row,),
            refused=(f"{region}: the header {header} names {named!r}; the regions are {known}",),
        )
    if header and named != region:
        if alone:
            return Seen(
                (row,), refused=(f"{region}: a request to its address was answered by {named}",)
            )
        return Seen(
            (row,),
            warnings=(
                f"{region}: not tested: no address of this region is known "
                f"(regions.{region}.addresses), and {named} answered at the public name",
            ),
        )
    if not header and not alone:
        return Seen(
            (row,),
            refused=(f"{region}: neither load.region_header nor an address identifies the region",),
        )
    return Seen((row,))


def _row(region: str, found: OneStream, named: str, token: str) -> Row:
    by = ", ".join(f"{name} {text}" for name, text in found.headers.items() if name in ANSWERED_BY)
    body = plain(found.body[:400].decode("utf-8", "replace"), BODY_CHARS)
    return {
        "region": region,
        "status": str(found.status or "none"),
        "first token": _seconds(found.first_token_s),
        "complete": _seconds(found.whole_s),
        "region header": named or "-",
        "answered by": plain(f"{found.address} {by}".strip(), 60),
        "token": token,
        "body": body or found.error or "-",
    }


def _seconds(value_s: float | None) -> str:
    return "none" if value_s is None else f"{value_s:.2f} s"


def _public(examined: Examined, endpoint: Endpoint) -> str | None:
    """An address of the public name, resolved as the load resolves it; None if there is none."""
    if is_address(endpoint.host):
        return endpoint.host
    try:
        answer = addresses_of(endpoint.host, examined.target.load.dns_server)
    except OSError:
        return None
    return next(iter(answer.addresses), None)
