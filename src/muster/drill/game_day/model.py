"""The values of a game day: what is planned, and how one drill of it came out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from muster.drill.game_day.form import Listed
from muster.drill.plan.plan import DrillPlan
from muster.targets import Target

NAME_DEFAULT = "game_day"


@dataclass(frozen=True)
class Entry:
    """One drill of the day. `path`: where its file is; `sha256`: of the file's bytes."""

    listed: Listed
    path: str
    sha256: str
    plan: DrillPlan

    @property
    def number(self) -> int:
        """Its place in the day, from 1."""
        return self.listed.number

    @property
    def file(self) -> str:
        """The drill's file, as the day's file names it."""
        return self.listed.file


@dataclass(frozen=True)
class Day:
    """A day as its file and settings plan it. `variables`: the settings that each drill is given.

    `source` is the day's file.
    """

    name: str
    title: str
    source: str
    on_fail: str
    variables: Mapping[str, str]
    entries: tuple[Entry, ...]

    @property
    def target(self) -> Target:
        """The target of every drill; placeholders are not filled yet."""
        return self.entries[0].plan.target

    @property
    def identity(self) -> str:
        """What makes two days the same, so that one may continue the other: drills and settings.

        The files of target and contract count with their bytes: other limits are another day.
        Whether to go on after a FAIL may be told anew, and so must the confirmation.
        """
        said = {
            "name": self.name,
            "target": self.target.name,
            "settings": {k: v for k, v in sorted(self.variables.items()) if k != "confirm"},
            "drills": [
                [
                    *(one.file, one.sha256, one.listed.recovery_s_max),
                    *(_sha256(one.plan.target_bytes), _sha256(one.plan.contract_bytes)),
                ]
                for one in self.entries
            ],
        }
        return _sha256(json.dumps(said, sort_keys=True).encode())


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """How one drill came out, read from its bundle.

    `left`: what it changed and did not restore. `seal` is empty if the seal is intact. `digests`
    are the SHA-256 of manifest and attestation. `margin`: the least share of a limit that was left,
    and of which limit, in words. Times in seconds since the epoch.
    """

    verdict: str
    why: str = ""
    stopped_by: str | None = None
    evidence: str | None = None
    started_s: float | None = None
    ended_s: float | None = None
    margin: str = ""
    left: tuple[str, ...] = ()
    seal: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "stopped_by": self.stopped_by,
            "evidence": self.evidence,
            "started_s": self.started_s,
            "ended_s": self.ended_s,
            "margin": self.margin,
            "left": list(self.left),
            "seal": self.seal,
            "digests": dict(self.digests),
        }
