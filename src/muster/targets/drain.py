"""How a region is asked to let go of its clients."""

from __future__ import annotations

from muster.documents import Document
from muster.targets.kinds import HttpUrl, PositiveSeconds


class DrainHook(Document):
    """Where a region is asked to close keep-alive connections and to let its streams finish."""

    url: HttpUrl
    token: str | None = None
    timeout_s: PositiveSeconds = 10.0
