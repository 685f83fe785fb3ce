"""How a testbed's provider stub is told to fail."""

from __future__ import annotations

from muster.documents import Document
from muster.targets.kinds import HttpUrl, PositiveSeconds


class ProviderStub(Document):
    """The testbed's control API hands it to every stub."""

    url: HttpUrl
    token: str
    timeout_s: PositiveSeconds = 10.0
