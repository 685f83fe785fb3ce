"""How Muster restarts a Toxiproxy server that hangs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import Argv, HttpUrl, PositiveSeconds
from muster.targets.kubernetes import ClusterAccess


class ProcessRestart(Document):
    """The testbed's control API restarts it."""

    kind: Literal["process"]
    url: HttpUrl
    token: str
    timeout_s: PositiveSeconds = 30.0


class CommandRestart(Document):
    """A command of the target's own, run without a shell where the drill runs."""

    kind: Literal["command"]
    argv: Argv
    timeout_s: PositiveSeconds = 60.0


class KubernetesRestart(ClusterAccess):
    """Restarts a deployment's pods, like `kubectl rollout restart`."""

    kind: Literal["kubernetes"]
    deployment: str
    timeout_s: PositiveSeconds = 120.0


class NoRestart(Document):
    """Only a person restarts it: a server that hangs ends the drill as ROLLBACK_FAILED."""

    kind: Literal["none"] = "none"


Restart = Annotated[
    ProcessRestart | CommandRestart | KubernetesRestart | NoRestart, Field(discriminator="kind")
]
