"""Where a target's samples come from, and how a Prometheus is reached as it stands out there.

Managed and shared servers (Amazon Managed Service for Prometheus, Grafana Mimir, Thanos, a server
behind an ingress) want credentials, a tenant, a certificate or a proxy; a region may have its own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from muster.documents import Document
from muster.targets.headers import Headers
from muster.targets.kinds import BaseUrl, HttpUrl, PositiveSeconds

LABEL = r"^[a-zA-Z_][a-zA-Z0-9_]*$"


class Bearer(Document):
    """`Authorization: Bearer TOKEN` (RFC 6750)."""

    kind: Literal["bearer"]
    token: str


def _user(value: str) -> str:
    if ":" in value or not value:
        raise ValueError("a user's name without a colon, which ends it")
    return value


class Basic(Document):
    """`Authorization: Basic …` (RFC 7617)."""

    kind: Literal["basic"]
    user: Annotated[str, AfterValidator(_user)]
    password: str


class SigV4(Document):
    """AWS Signature Version 4, by the ordinary AWS credentials."""

    kind: Literal["sigv4"]
    region: Annotated[str, Field(min_length=1)] = Field(description="the workspace's AWS region")
    service: Annotated[str, Field(min_length=1)] = "aps"
    profile: str | None = Field(default=None, description="a profile of the AWS configuration")


Auth = Annotated[Bearer | Basic | SigV4, Field(discriminator="kind")]


class Tls(Document):
    """Certificates; without `ca_file` the system's trust store decides."""

    ca_file: str | None = Field(default=None, description="PEM; replaces the system's trust store")
    certificate_file: str | None = Field(default=None, description="PEM; the client's certificate")
    key_file: str | None = Field(default=None, description="PEM; its key, where it is a file apart")

    @model_validator(mode="after")
    def _key_has_certificate(self) -> Tls:
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("certificate_file beside key_file")
        return self


class ServerAccess(Document):
    """One server: where it is and how it lets itself be asked."""

    auth: Auth | None = None
    headers: Headers = Field(
        default={}, description="more headers of every request, for example X-Scope-OrgID"
    )
    tls: Tls = Tls()
    proxy_url: HttpUrl | None = Field(
        default=None, description="an HTTP proxy; null: none, whatever the environment says"
    )


class RegionServer(ServerAccess):
    """One of several servers."""

    url: BaseUrl
    labels: dict[Annotated[str, Field(pattern=LABEL)], str] = Field(
        default={},
        description="put on the platform's series that lack them: external labels are not shown "
        "by the server that has them",
    )


class PrometheusAccess(ServerAccess):
    """Where the samples come from: one server at `url`, or each of `servers`."""

    kind: Literal["prometheus"] = "prometheus"
    url: BaseUrl | None = Field(default=None, description="its path prefix belongs to it")
    servers: dict[str, RegionServer] = Field(
        default={}, description="several servers, for example one a region, by a name for each"
    )
    drop_labels: tuple[Annotated[str, Field(pattern=LABEL)], ...] = Field(
        default=(),
        description="labels of the replicas of one pair (prometheus_replica): one replica is read",
    )
    scrape_interval_s: PositiveSeconds = 1.0
    timeout_s: PositiveSeconds = 5.0
    missing_s_max: PositiveSeconds = Field(
        default=15.0, description="no answer for longer: data lost beyond the limit"
    )

    @property
    def plain(self) -> bool:
        """Whether any HTTP client that knows the URL alone reads the same samples."""
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
