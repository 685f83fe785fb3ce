"""How the load reaches the platform, and where it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from muster.documents import Document
from muster.targets.kinds import PositiveSeconds
from muster.targets.kubernetes import ClusterAccess
from muster.targets.request_form import RequestForm
from muster.targets.spending import Budget, Cost

PARTS_MAX = 256
OWN_OF_POD = frozenset({"containers", "restartPolicy", "serviceAccountName"})
OWN_OF_CONTAINER = frozenset({"name", "image", "command", "args", "startupProbe", "ports"})


class LoadAccess(Document):
    """How the load reaches the platform's public name."""

    dns_server: str | None = Field(
        default=None, description="host:port; null: the system's resolver"
    )
    file_sd: str | None = Field(
        default=None, description="file where Prometheus looks for the load's metrics addresses"
    )
    token: str = Field(description="bearer token of the streams, as ${env.NAME} off the testbed")
    canary_token: str = Field(
        description="bearer token that the platform leaves out of its figures"
    )
    region_header: str | None = Field(
        default=None, description="response header that names the region; null: by address"
    )
    model: Annotated[str, Field(min_length=1)] = Field(
        default="muster-stub", description="model that streams and canaries request"
    )
    body: dict[str, object] = Field(
        default={},
        description="more fields of every request's JSON, for example ignore_eos: true; the text "
        "{tokens} is replaced by the number of tokens asked for",
    )
    form: RequestForm = RequestForm()
    canary_model: str | None = Field(
        default=None,
        description="model that responses name, if it differs from the requested one; null: "
        "the requested one",
    )
    canary_phrase: str | None = Field(
        default=None,
        description="text that a canary's answer must contain; canary_tokens must allow "
        "enough tokens for it",
    )
    canary_tokens: Annotated[int, Field(ge=1)] = Field(
        default=1, description="number of tokens that a canary requests"
    )
    lengths_kept: bool = Field(
        default=False,
        description="true: every stream generates the tokens asked for; a shorter one then fails",
    )
    shards: Annotated[int, Field(ge=0)] = Field(default=0, description="0: as many as needed")
    metrics_host: str = "127.0.0.1"
    raw_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="share of the requests recorded one by one, for a postmortem"
    )
    trace: str | None = Field(
        default=None, description="CSV of a recorded trace to replay; null: the profile's lengths"
    )
    cost: Cost | None = Field(
        default=None, description="what tokens cost, for the plan and for budget.money_max"
    )
    budget: Budget | None = Field(
        default=None, description="what the load may spend; null: no limit"
    )

    @property
    def cluster(self) -> ClusterAccess | None:
        """Where the load runs, if that is a cluster."""
        return None

    @property
    def job_name(self) -> str:
        """The name of the Job in which it runs; empty for this machine."""
        return ""

    @property
    def elsewhere(self) -> bool:
        """Whether the load does not run on the machine that drills."""
        return self.cluster is not None

    @property
    def where(self) -> str:
        """Where it runs and what that creates there; empty for this machine."""
        return ""

    @property
    def parts_max(self) -> int | None:
        """In how many parts the load runs; None: in as many as it needs."""
        return None


class ProcessLoad(LoadAccess):
    """The load runs on the machine that drills, in as many processes as it needs."""

    kind: Literal["process"] = "process"


def _without(own: frozenset[str]) -> AfterValidator:
    def check(value: dict[str, object]) -> dict[str, object]:
        for name in sorted(own & value.keys()):
            raise ValueError(f"other keys than {name}: Muster sets it")
        return value

    return AfterValidator(check)


class KubernetesLoad(LoadAccess, ClusterAccess):
    """The load runs as an Indexed Job, one part a pod."""

    kind: Literal["kubernetes"]
    parts: Annotated[int, Field(ge=1, le=PARTS_MAX)] = Field(
        description="how many pods; each offers its part of the arrivals of one seed"
    )
    image: Annotated[str, Field(min_length=1)] = Field(
        description="image of deploy/load/Dockerfile"
    )
    secret: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="Secret of the namespace with a key for each ${env.NAME} that the load needs",
    )
    job: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40)] = Field(
        default="muster-load", description="name of the Job and of its ConfigMap"
    )
    service_account: Annotated[str, Field(min_length=1)] = Field(
        default="muster-load", description="of the pods; it may watch that ConfigMap"
    )
    metrics_port: Annotated[int, Field(ge=1024, le=65000)] = Field(
        default=9464,
        description="port of each pod where Prometheus scrapes it; with pod.hostNetwork part k has "
        "the k-th port from there on",
    )
    ready_s_max: PositiveSeconds = Field(
        default=180.0, description="how long it may take until all parts are ready"
    )
    lifeline_s: Annotated[float, Field(ge=15, le=600)] = Field(
        default=60.0,
        description="a part that has heard nothing of its drill for this long ends by itself",
    )
    annotations: dict[str, str] = Field(default={}, description="more annotations of the pods")
    pod: Annotated[dict[str, object], _without(OWN_OF_POD)] = Field(
        default={},
        description="more of the pods' spec: nodeSelector, tolerations, volumes, …; mappings and "
        "lists are added to what Muster sets",
    )
    container: Annotated[dict[str, object], _without(OWN_OF_CONTAINER)] = Field(
        default={}, description="more of the container: resources, env, volumeMounts, …"
    )

    @property
    def cluster(self) -> ClusterAccess:
        """The namespace of the Job."""
        return self

    @property
    def job_name(self) -> str:
        """As the target names it."""
        return self.job

    @property
    def where(self) -> str:
        """The Job and its namespace."""
        return f"{self.parts} pods of Job {self.job} in namespace {self.namespace}"

    @property
    def parts_max(self) -> int:
        """The Job's completions."""
        return self.parts

    @property
    def host_network(self) -> bool:
        """Whether the pods share the network of their nodes."""
        return self.pod.get("hostNetwork") is True

    def port_of(self, part: int) -> int:
        """Where the part with that index, from 0, is scraped."""
        return self.metrics_port + (part if self.host_network else 0)


def _said(value: Any) -> Any:
    """A section that says no kind means processes on this machine."""
    if isinstance(value, Mapping) and "kind" not in value:
        return {"kind": "process", **value}
    return value


Load = Annotated[ProcessLoad | KubernetesLoad, Field(discriminator="kind"), BeforeValidator(_said)]
