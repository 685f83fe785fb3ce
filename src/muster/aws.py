"""Clients of AWS APIs, made one way: bounded in time, with the SDK's own backoff on throttling."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

ATTEMPTS_MAX = 4
"""Tries of one call, with the SDK's own backoff between them."""


@dataclass
class Pace:
    """Keeps calls apart: Route 53 allows five a second for a whole account; a drill takes one."""

    calls_per_s_max: float
    _next_s: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Sleep until the next call may be made."""
        with self._lock:
            now = time.monotonic()
            delay = self._next_s - now
            self._next_s = max(now, self._next_s) + 1.0 / self.calls_per_s_max
        if delay > 0:
            time.sleep(delay)


def client(
    service: str,
    *,
    endpoint_url: str | None,
    timeout_s: float,
    region_name: str = "us-east-1",
    **config: Any,
) -> Any:
    """A boto3 client of `service`; `endpoint_url` None: the real one. `config` as botocore's."""
    # boto3 takes a quarter of a second to import: only a drill that needs it pays for it.
    import boto3
    from botocore.config import Config

    settings = Config(
        connect_timeout=timeout_s,
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
        **config,
    )
    session = boto3.session.Session()
    arguments: dict[str, Any] = {"config": settings, "region_name": region_name}
    if endpoint_url:
        arguments["endpoint_url"] = endpoint_url
        if session.get_credentials() is None:
            # A stand-in API asks for a signature but not for whose; the real one is never
            # reached with these, since they apply only to a named endpoint.
            arguments |= {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return session.client(service, **arguments)  # type: ignore[call-overload]
