"""How Muster stops and starts a region."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import Argv, BaseUrl, PositiveSeconds


class ProcessPower(Document):
    """The testbed's own switch: a region's gateways and Redis are processes."""

    kind: Literal["process"]
    url: BaseUrl
    token: str
    timeout_s: PositiveSeconds = 60.0


class KubernetesPower(Document):
    """Named deployments are scaled to 0 and back; the undo log holds their replicas."""

    kind: Literal["kubernetes"]
    namespace: str
    deployments: Annotated[tuple[str, ...], Field(min_length=1)]
    context: str | None = None
    timeout_s: PositiveSeconds = 300.0


class CommandPower(Document):
    """A command of the target's own: `argv stop REGION`, `kill`, `start` and `state`."""

    kind: Literal["command"]
    argv: Argv
    timeout_s: PositiveSeconds = Field(
        default=300.0, description="for one verb, and for the state that must follow it"
    )
    state_timeout_s: PositiveSeconds = Field(default=10.0, description="for one answer to state")
    kills: bool = Field(default=False, description="whether the command supports the verb kill")


class NoPower(Document):
    """The region is not stopped. It gets weight 0 and no traffic; the verdict says so."""

    kind: Literal["none"]


Power = Annotated[
    ProcessPower | KubernetesPower | CommandPower | NoPower, Field(discriminator="kind")
]
