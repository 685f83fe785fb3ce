"""How a testbed's name server is told to fail."""

from __future__ import annotations

from muster.documents import Document
from muster.targets.kinds import HttpUrl, PositiveSeconds


class DnsStub(Document):
    """The testbed's control API hands it on. A stub can be told; real name servers cannot."""

    url: HttpUrl
    token: str
    timeout_s: PositiveSeconds = 10.0


class RtoObjective(Document):
    """What the platform promises its users once the cause is gone."""

    rto_s_max: PositiveSeconds
