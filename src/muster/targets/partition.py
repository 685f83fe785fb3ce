"""How Muster cuts a region off from everyone outside, while its processes go on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import Argv, HttpUrl, PositiveSeconds
from muster.targets.kubernetes import ClusterAccess, WorkloadName


class ProcessPartition(Document):
    """The testbed's control API: its gateways stop to listen and reset their connections."""

    kind: Literal["process"]
    url: HttpUrl
    token: str
    timeout_s: PositiveSeconds = 10.0


class CommandPartition(Document):
    """A command of the target's own: `argv cut REGION`, `join` and `partition-state`."""

    kind: Literal["command"]
    argv: Argv
    timeout_s: PositiveSeconds = Field(
        default=60.0, description="for one verb, and for the state that must follow it"
    )
    state_timeout_s: PositiveSeconds = Field(
        default=10.0, description="for one answer to partition-state"
    )


class NetworkPolicyPartition(ClusterAccess):
    """A NetworkPolicy that lets nobody in, for each of the named workloads."""

    kind: Literal["network_policy"]
    workloads: Annotated[tuple[WorkloadName, ...], Field(min_length=1)] = Field(
        description="KIND/NAME of each whose pods clients reach: deployment/gateway"
    )
    timeout_s: PositiveSeconds = Field(
        default=60.0, description="for one change, and until it shows from outside"
    )


class NoPartition(Document):
    """Nobody cuts it off: the drill that needs it is refused before anything is started."""

    kind: Literal["none"] = "none"


Partition = Annotated[
    ProcessPartition | CommandPartition | NetworkPolicyPartition | NoPartition,
    Field(discriminator="kind"),
]
