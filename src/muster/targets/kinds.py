"""Kinds of values that stand in target files: URLs, names, lengths of time."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field


def _url(*schemes: str) -> AfterValidator:
    """A URL with one of `schemes`, or a text whose placeholders are not filled yet."""

    def check(value: str) -> str:
        if "${" in value:
            return value
        wanted = f"a URL that begins {' or '.join(f'{scheme}://' for scheme in schemes)}"
        try:
            parts = urlsplit(value)
            usable = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or any(sign.isspace() for sign in value):
            raise ValueError(wanted)
        return value

    return AfterValidator(check)


def _dns_name(value: str) -> str:
    if not value.endswith(".") and "${" not in value:
        raise ValueError("a full name, with its last dot")
    return value


HttpUrl = Annotated[str, _url("http", "https")]
RedisUrl = Annotated[str, _url("redis", "rediss")]
DnsName = Annotated[str, AfterValidator(_dns_name)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
