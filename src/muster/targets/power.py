"""How Muster stops and starts a region."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from muster.documents import Document
from muster.targets.kinds import Argv, BaseUrl, PositiveSeconds
from muster.targets.kubernetes import ClusterAccess, WorkloadName


class ProcessPower(Document):
    """The testbed's own switch: a region's gateways and Redis are processes."""

    kind: Literal["process"]
    url: BaseUrl
    token: str
    timeout_s: PositiveSeconds = 60.0


class KubernetesPower(ClusterAccess):
    """Named workloads are scaled to 0 and back; the undo log holds their replicas."""

    kind: Literal["kubernetes"]
    workloads: Annotated[tuple[WorkloadName, ...], Field(min_length=1)] = Field(
        description="KIND/NAME of each: deployment/gateway, statefulset/redis, or PLURAL.GROUP/NAME"
    )
    pause_keda: bool = Field(
        default=False,
        description="pause KEDA's ScaledObjects of the workloads while they are stopped; false: "
        "a drill is refused where one is not paused",
    )
    timeout_s: PositiveSeconds = 300.0

    @model_validator(mode="before")
    @classmethod
    def _of_deployments(cls, data: Any) -> Any:
        """Read `deployments: [NAME]`, as older target files say it."""
        if not isinstance(data, dict) or "workloads" in data:
            return data
        names = data.get("deployments")
        if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
            return data
        kept = {key: value for key, value in data.items() if key != "deployments"}
        return {**kept, "workloads": [f"deployment/{name}" for name in names]}


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
