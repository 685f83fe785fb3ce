"""Checks the options of `chaos drill init` together and reports every problem on its own line.

Options take no secrets: an option gives the name of the environment variable with the secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from muster.documents import parse
from muster.errors import BadInput, one_of, together
from muster.targets.check import PLACEHOLDER, is_secret, literal_secret
from muster.targets.kinds import HttpUrl, PublicUrl
from muster.targets.prometheus import PrometheusAccess

TARGET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Told:
    """The options as given; an option that was not given is None or empty."""

    name: str
    prometheus: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    public_url: str | None = None
    model: str | None = None
    bearer: str | None = None
    basic: str | None = None
    sigv4: str | None = None
    headers: tuple[str, ...] = ()
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    proxy_url: str | None = None
    drop_labels: tuple[str, ...] = ()
    scrape_interval_s: float | None = None
    ready: tuple[str, ...] = ()
    region_header: str | None = None
    streams: int | None = None


@dataclass(frozen=True)
class Asked:
    """The checked options. `prometheus`: the target's section; placeholders are not filled."""

    name: str
    prometheus: Mapping[str, Any]
    regions: tuple[str, ...]
    public_url: str
    model: str
    ready: Mapping[str, str] = field(default_factory=dict)
    region_header: str | None = None
    streams: int | None = None
    metrics_host: str = "0.0.0.0"

    @property
    def host(self) -> str:
        """The public name."""
        return urlsplit(self.public_url).hostname or ""


def checked(told: Told) -> Asked:
    """Check the options. Regions may be missing: Prometheus may have them. Raises BadInput."""
    if wrong := together(_problems(told)):
        raise wrong
    return Asked(
        told.name,
        _section(told),
        told.regions,
        told.public_url or "",
        told.model or "",
        dict(_pair(one) for one in told.ready),
        told.region_header,
        told.streams,
    )


def regions_problems(regions: Sequence[str], ready: Iterable[str]) -> Iterator[BadInput]:
    """Problems with the regions, after those that Prometheus shows were added."""
    if len(regions) < 2:
        shown = ", ".join(regions) or None
        wanted = "two regions or more: the label region of this Prometheus does not give them"
        yield BadInput("--region", "", shown, wanted)
    for name in ready:
        if name not in regions:
            yield BadInput("--ready", "", name, _one_of(name, regions))


def _problems(told: Told) -> Iterator[BadInput]:
    if not TARGET_NAME.fullmatch(told.name):
        wanted = "a target name of lower-case letters, digits, . _ and -, at most 60 characters"
        yield BadInput("NAME", "", told.name, wanted)
    if not told.prometheus:
        wanted = "the URL of a Prometheus, or REGION=URL for each of several"
        yield BadInput("--prometheus", "", None, wanted)
    else:
        yield from _access_problems(told)
    yield from _url(
        "--public-url", told.public_url, PublicUrl, "the URL to which the load sends requests"
    )
    if not told.model:
        yield BadInput("--model", "", told.model, "the model that the load requests")
    for index, region in enumerate(told.regions):
        if not REGION.fullmatch(region):
            yield BadInput("--region", "", region, "letters, digits, _ and -")
        if region in told.regions[:index]:
            yield BadInput("--region", "", region, "each region only once")
    for one in told.ready:
        region, url = _pair(one)
        yield from _url("--ready", url or None, HttpUrl, "REGION=URL", written=one)
        if told.regions and region not in told.regions:
            yield BadInput("--ready", "", one, _one_of(region, told.regions))
    if told.region_header is not None and not HEADER.fullmatch(told.region_header):
        yield BadInput("--region-header", "", told.region_header, "the name of a header")
    if told.streams is not None and told.streams < 1:
        yield BadInput("--streams", "", told.streams, "1 or more open streams")


def _one_of(region: str, regions: Sequence[str]) -> str:
    return f"REGION=URL, REGION {one_of(region, regions)}"


def _access_problems(told: Told) -> Iterator[BadInput]:
    ways = [name for name in ("bearer", "basic", "sigv4") if getattr(told, name) is not None]
    if len(ways) > 1:
        yield BadInput(
            f"--{ways[1]}", "", getattr(told, ways[1]), f"only one of --{ways[0]} and --{ways[1]}"
        )
    if told.bearer is not None and not VARIABLE.fullmatch(told.bearer):
        # The text may be the token itself, so it is not shown.
        yield BadInput(
            "--bearer",
            "",
            "a text that is no variable name",
            "the name of the environment variable with the token",
        )
    if told.basic is not None and not _basic(told.basic):
        wanted = "USER:VARIABLE, with the name of the environment variable of the password"
        yield BadInput("--basic", "", "a text of another form", wanted)
    for one in told.headers:
        name, _, text = one.partition(":")
        if not name.strip() or not text.strip():
            yield BadInput("--header", "", name, "NAME: VALUE; a secret as ${env.VARIABLE}")
        elif is_secret(f"prometheus.headers.{name.strip()}") and not PLACEHOLDER.search(text):
            wanted = "NAME: ${env.VARIABLE}: a target file contains no secrets"
            yield BadInput("--header", "", f"{name.strip()}: a literal", wanted)
    servers = [_pair(one) for one in told.prometheus]
    several = len(servers) > 1 or bool(servers[0][1])
    if several and not all(url for _, url in servers):
        wanted = "REGION=URL for each server, if there are several"
        yield BadInput("--prometheus", "", ", ".join(told.prometheus), wanted)
        return
    for region, _ in servers if several else ():
        if told.regions and region not in told.regions:
            yield BadInput("--prometheus", "", f"{region}=…", _one_of(region, told.regions))
    for one in told.prometheus:
        if literal_secret(_pair(one)[1] or one):
            wanted = "user and password as ${env.NAME}: a target file contains no secrets"
            yield BadInput("--prometheus", "", "a URL with a literal secret", wanted)
            return
    try:
        parse(PrometheusAccess, _section(told), "--prometheus", every=True)
    except BadInput as error:
        yield from error.each


def _url(
    option: str, value: str | None, kind: Any, wanted: str, written: str | None = None
) -> Iterator[BadInput]:
    if value is None:
        yield BadInput(option, "", written, wanted)
        return
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        yield BadInput(option, "", written or value, said)


def _section(told: Told) -> dict[str, Any]:
    """The target's section `prometheus`."""
    server: dict[str, Any] = {}
    if told.bearer is not None:
        server["auth"] = {"kind": "bearer", "token": f"${{env.{told.bearer}}}"}
    elif told.basic is not None and (pair := _basic(told.basic)):
        server["auth"] = {"kind": "basic", "user": pair[0], "password": f"${{env.{pair[1]}}}"}
    elif told.sigv4 is not None:
        server["auth"] = {"kind": "sigv4", "region": told.sigv4}
    if told.headers:
        pairs = [one.partition(":") for one in told.headers]
        server["headers"] = {name.strip(): text.strip() for name, _, text in pairs}
    keys = ("ca_file", "certificate_file", "key_file")
    if tls := {key: getattr(told, key) for key in keys if getattr(told, key) is not None}:
        server["tls"] = tls
    if told.proxy_url is not None:
        server["proxy_url"] = told.proxy_url
    common: dict[str, Any] = {}
    if told.scrape_interval_s is not None:
        common["scrape_interval_s"] = told.scrape_interval_s
    if told.drop_labels:
        common["drop_labels"] = list(told.drop_labels)
    servers = [_pair(one) for one in told.prometheus]
    if len(servers) == 1 and not servers[0][1]:
        return {"url": told.prometheus[0], **server, **common}
    made = {region: {"url": url, "labels": {"region": region}, **server} for region, url in servers}
    return {"servers": made, **common}


def _pair(text: str) -> tuple[str, str]:
    """`REGION=URL` as region and URL; a URL alone (it may contain =) as URL and empty text."""
    name, _, url = text.partition("=")
    return (name, url) if REGION.fullmatch(name) else (text, "")


def _basic(text: str) -> tuple[str, str] | None:
    user, _, variable = text.partition(":")
    return (user, variable) if user and VARIABLE.fullmatch(variable) else None
