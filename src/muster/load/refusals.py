"""What the platform itself said as it refused the first requests: the line that explains a 4xx.

A few of each status are kept, cut to a length, on one line, without the tokens that were sent.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from muster.load.wire import Answer
from muster.redact import redacted

STATUS_MAX = 3
"""Answers of each status that are kept, a shard."""
KINDS_MAX = 8
"""Statuses of which some are kept, a shard."""
TEXT_MAX = 300
"""Characters of a body that are kept."""
KEY = "refused"
"""Its name in a line of the load's record."""


class Refusals:
    """The first refusals of a run; what `muster.redact` keeps is left out of their texts."""

    def __init__(self) -> None:
        self._kept: Counter[int] = Counter()
        self._fresh: list[dict[str, Any]] = []

    def ended(self, region: str, answer: Answer | None) -> None:
        """An attempt is over; of a refusal the first ones are kept."""
        status = 0 if answer is None else answer.status
        known = self._kept.get(status, 0)
        if status < 400 or known >= STATUS_MAX or (not known and len(self._kept) >= KINDS_MAX):
            return
        self._kept[status] += 1
        body = b"" if answer is None else answer.body
        self._fresh.append(
            {"t": round(time.time(), 3), "status": status, "region": region, "said": self._of(body)}
        )

    def take(self) -> list[dict[str, Any]]:
        """Those that came since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _of(self, body: bytes) -> str:
        text = redacted(body.decode("utf-8", "replace"))
        text = "".join(sign if sign.isprintable() else " " for sign in text)
        text = " ".join(text.split())
        return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"
