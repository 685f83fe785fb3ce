"""The source of a target's samples, and how Muster reaches that Prometheus server.

Managed and shared servers (Amazon Managed Service for Prometheus, Grafana Mimir, Thanos, a server
behind an ingress) need credentials, a tenant, a certificate or a proxy. Each region may have its
own server.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from muster.documents import Document
from muster.targets.headers import Headers
from muster.targets.kinds import BaseUrl, HttpUrl, PositiveSeconds

DELAY_S_MAX = 300.0
"""The longest `delay_s`: a guard that sees samples later than that guards nothing."""
LABEL = r"^[a-zA-Z_][a-zA-Z0-9_]*$"


class Bearer(Document):
    """`Authorization: Bearer TOKEN` (RFC 6750)."""

    kind: Literal["bearer"]
    token: str


def _user(value: str) -> str:
    if ":" in value or not value:
        raise ValueError("a user name without a colon")
    return value


class Basic(Document):
    """`Authorization: Basic …` (RFC 7617)."""

    kind: Literal["basic"]
    user: Annotated[str, AfterValidator(_user)]
    password: str


class SigV4(Document):
    """AWS Signature Version 4 with the default AWS credentials."""

    kind: Literal["sigv4"]
    region: Annotated[str, Field(min_length=1)] = Field(description="the workspace's AWS region")
    service: Annotated[str, Field(min_length=1)] = "aps"
    profile: str | None = Field(default=None, description="a profile of the AWS configuration")


Auth = Annotated[Bearer | Basic | SigV4, Field(discriminator="kind")]


class Tls(Document):
    """Certificates; without `ca_file` the system's trust store is used."""

    ca_file: str | None = Field(
        default=None, description="PEM; used instead of the system's trust store"
    )
    certificate_file: str | None = Field(default=None, description="PEM; the client's certificate")
    key_file: str | None = Field(
        default=None, description="PEM; its key, if that is a separate file"
    )

    @model_validator(mode="after")
    def _key_has_certificate(self) -> Tls:
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("certificate_file beside key_file")
        return self


class ServerAccess(Document):
    """One server: its address, and how to authenticate."""

    auth: Auth | None = None
    headers: Headers = Field(
        default={}, description="additional headers of every request, for example X-Scope-OrgID"
    )
    tls: Tls = Tls()
    proxy_url: HttpUrl | None = Field(
        default=None, description="an HTTP proxy; null: none, even if the environment names one"
    )


class RegionServer(ServerAccess):
    """One of several servers."""

    url: BaseUrl
    labels: dict[Annotated[str, Field(pattern=LABEL)], str] = Field(
        default={},
        description="added to the platform's series that lack them, because a server does not "
        "return its own external labels",
    )


class PrometheusAccess(ServerAccess):
    """The source of the samples: one server at `url`, or all `servers`."""

    kind: Literal["prometheus"] = "prometheus"
    url: BaseUrl | None = Field(default=None, description="including its path prefix")
    servers: dict[str, RegionServer] = Field(
        default={}, description="several servers by name, for example one for each region"
    )
    drop_labels: tuple[Annotated[str, Field(pattern=LABEL)], ...] = Field(
        default=(),
        description="labels that tell the replicas of an HA pair apart (prometheus_replica): "
        "only one replica is read",
    )
    scrape_interval_s: PositiveSeconds = 1.0
    timeout_s: PositiveSeconds = 5.0
    missing_s_max: PositiveSeconds = Field(
        default=15.0,
        description="if the server does not answer for longer, data is lost beyond the limit",
    )

    delay_s: Annotated[float, Field(ge=0, le=DELAY_S_MAX, allow_inf_nan=False)] = Field(
        default=0.0,
        description="how much later than its scrape a sample may appear, in seconds, because the "
        "server ingests late (remote write, federation)",
    )

    @property
    def plain(self) -> bool:
        """Whether an HTTP client that has only the URL reads the same samples."""
        return self.url is not None and not self.drop_labels and not self._guarded

    @property
    def _guarded(self) -> bool:
        return bool(self.auth or self.headers or self.proxy_url or self.tls != Tls())

    @model_validator(mode="after")
    def _one_way(self) -> PrometheusAccess:
        if (self.url is None) == (not self.servers):
            raise ValueError("either url or servers")
        if self.servers and self._guarded:
            raise ValueError("auth, headers, tls and proxy_url within each of servers")
        return self
