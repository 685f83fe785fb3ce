"""Keeps secrets out of every text that a person or a file gets.

The part of a URL before `@`, and its query, are removed wherever a URL appears. Secrets that are
known by their value (`keep`) are removed wherever they appear, also if a library quotes only a part
of a URL.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SHOWN = "***"
LENGTH_MIN = 6
"""A shorter value would also remove words that are not secret."""
_USERINFO = re.compile(r"(?<=://)[^\s/@'\"<>]*@(?=[\w\[*.-])")
_QUERY = re.compile(r"(?<=\w://)([^\s'\"<>?]*\?)[^\s'\"<>]+?(?=[:,;.)]*(?:[\s'\"<>]|$))")
_kept: set[str] = set()


def keep(secret: str) -> None:
    """From now on `secret` appears in no text of this process."""
    for form in {secret, unquote(secret), quote(secret, safe="")}:
        if len(form) >= LENGTH_MIN:
            _kept.add(form)


def keep_url(url: str) -> None:
    """Register what is secret in a URL: its password (its user if there is none), its query."""
    for secret in secrets_of(url):
        keep(secret)


def secrets_of(url: str) -> Iterator[str]:
    """Password (or user where there is no password) and values of the query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    if password or user:
        yield password or user
    for _, value in parse_qsl(parts.query, keep_blank_values=True):
        yield value


def redacted(text: str) -> str:
    """`text` without any secret."""
    if "://" in text:
        text = _USERINFO.sub(f"{SHOWN}@", text)
        text = _QUERY.sub(rf"\g<1>{SHOWN}", text)
    for secret in sorted(_kept, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, SHOWN)
    return text


def redacted_data(value: Any) -> Any:
    """Plain data with every text in it redacted; keys stay as they are."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: redacted_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_data(item) for item in value]
    return value


class Redacting(logging.Filter):
    """Removes secrets from a logger's lines, including tracebacks."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redacted("".join(traceback.format_exception(*record.exc_info)))
        return True


_FILTER = Redacting()


def quiet(logger: logging.Logger) -> None:
    """Remove secrets from everything that `logger` writes; a second call changes nothing."""
    logger.addFilter(_FILTER)
