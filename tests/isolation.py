"""What the process of the tests must not carry from one test to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from muster import redact


@contextmanager
def secrets_restored() -> Iterator[None]:
    """Afterwards those texts are secrets that were secrets before.

    Otherwise a test whose token is a plain word would remove this word from the messages that a
    later test reads.
    """
    before = set(redact._kept)
    try:
        yield
    finally:
        redact._kept.clear()
        redact._kept.update(before)
