"""Whether an object is still the one that a drill has changed.

A context that leads to another cluster by now finds objects of the same names there, which were
never changed: they would look as if they were restored. Their uids tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Any

from muster.clock import Clock
from muster.platform.kubernetes.cluster import Another, Cluster
from muster.platform.kubernetes.fields import Json, moment_s, text

UIDS, READ_AT = "uids", "read_at_s"
"""The keys of an undo entry that say which objects are meant."""


@dataclass(frozen=True)
class Known:
    """The objects that are meant: their uids by name, as they were read at `read_at_s`.

    That is by the API server's clock, whose `creationTimestamp` it is compared with, in whole
    seconds since the epoch.
    """

    uids: Mapping[str, str]
    read_at_s: float

    @classmethod
    def now(cls, uids: Mapping[str, str], cluster: Cluster, clock: Clock) -> Known:
        """The objects that were read just now from `cluster`."""
        date_s = cluster.date_s()
        return cls(uids, floor(clock.now_s()) if date_s is None else date_s)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Known | None:
        """What `told` returned; None: an older undo entry says nothing of it."""
        uids, read_at_s = told.get(UIDS), told.get(READ_AT)
        return None if uids is None or read_at_s is None else cls(uids, read_at_s)

    def told(self) -> dict[str, Any]:
        """For an undo entry."""
        return {UIDS: dict(self.uids), READ_AT: self.read_at_s}

    def check(self, said: str, found: Json) -> None:
        """Raises Another if `found` stood there then already, and is another one.

        One that was created anew since takes its place.
        """
        uid = text(found, "metadata", "uid")
        if uid == self.uids.get(said, uid):
            return
        if moment_s(found, "metadata", "creationTimestamp") < self.read_at_s:
            raise Another(
                f"Kubernetes: {said} is another one than the drill has changed, and is older than "
                "the drill: the context leads to another cluster now; set it as it was, and recover"
            )
