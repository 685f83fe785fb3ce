"""Types of values in target files: URLs, names, durations."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field


def _url(*schemes: str, base: bool = False, user: bool = True) -> AfterValidator:
    """A URL with one of `schemes`, or a text with placeholders that are not filled yet.

    `base`: paths are appended to it, so it has no query. If not `user`: its client would not send a
    user and password from a URL, so the URL must not hold any.
    """

    def check(value: str) -> str:
        if "${" in value:
            return value
        wanted = f"a URL that begins {' or '.join(f'{scheme}://' for scheme in schemes)}"
        try:
            parts = urlsplit(value)
            usable = parts.scheme in schemes and parts.hostname and parts.port != 0
            if usable and base and (parts.query or parts.fragment):
                raise ValueError(f"{wanted} without ? and #: paths are put behind it")
            if usable and not user and "@" in parts.netloc:
                raise ValueError(f"{wanted} without user and password: they would not be sent")
        except ValueError as error:
            if str(error).startswith(wanted):
                raise
            usable = False
        if not usable or any(sign.isspace() for sign in value):
            raise ValueError(wanted)
        return value.rstrip("/") if base else value

    return AfterValidator(check)


def _dns_name(value: str) -> str:
    if not value.endswith(".") and "${" not in value:
        raise ValueError("a full name, with its last dot")
    # DNS ignores case, and Route 53 writes `*` as an octal escape: compare one form.
    return value if "${" in value else value.lower().replace("\\052", "*")


def _zone_id(value: str) -> str:
    plain = value.removeprefix("/hostedzone/")
    if not plain.isalnum() and "${" not in value:
        raise ValueError("a hosted zone's id, for example Z0123456789ABCDEFGHIJ")
    return plain


def _argv(value: tuple[str, ...]) -> tuple[str, ...]:
    # Recovery may run in another directory than the drill: both must find the same program.
    if "/" in value[0] and not value[0].startswith(("/", "${")):
        raise ValueError("a path from the root, or a name on PATH")
    return value


HttpUrl = Annotated[str, _url("http", "https")]
BaseUrl = Annotated[str, _url("http", "https", base=True)]
"""A URL to which paths are appended."""
ApiUrl = Annotated[str, _url("http", "https", base=True, user=False)]
"""Like `BaseUrl`, but its client signs requests itself and sends no user and password."""
PublicUrl = Annotated[str, _url("http", "https", user=False)]
"""A whole URL, which the load calls with its own tokens."""
RedisUrl = Annotated[str, _url("redis", "rediss")]
ZoneId = Annotated[str, AfterValidator(_zone_id)]
SetIdentifiers = (
    Annotated[str, Field(min_length=1)]
    | Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
)
DnsName = Annotated[str, AfterValidator(_dns_name)]
Argv = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1), AfterValidator(_argv)
]
"""A command and its first arguments, run without a shell."""
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
