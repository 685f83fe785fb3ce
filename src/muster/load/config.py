"""The configuration of one shard process."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from muster.documents import Document
from muster.errors import BadInput
from muster.load.traffic import Traffic
from muster.targets.request_form import RequestForm

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ShardConfig(Document):
    """One shard of the load. Times in seconds, `start_at` since the epoch; `shard` from 0."""

    url: str
    dns_server: str | None = None
    regions_by_address: dict[str, str] = Field(default_factory=dict)
    region_header: str | None = None
    token: SecretStr = SecretStr("")
    canary_token: SecretStr = SecretStr("")
    model: str = "muster-stub"
    body: dict[str, Any] = Field(default_factory=dict)
    form: RequestForm = RequestForm()
    canary_model: str | None = None
    canary_phrase: str | None = None
    canary_tokens: Annotated[int, Field(ge=1)] = 1
    traffic: Traffic
    scale: Seconds = 1.0
    canaries_per_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Of all shards together; None: the profile's, at `scale`."""
    seed: int = 1
    shard: Annotated[int, Field(ge=0)] = 0
    shards: Annotated[int, Field(ge=1)] = 1
    duration_s_max: Seconds | None = None
    record: str | None = None
    raw_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    start_at: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    metrics: tuple[str, Annotated[int, Field(ge=0, le=65535)]] = ("127.0.0.1", 0)
    canary_s_max: Seconds
    late_s: Seconds
    catch_up_s_max: Seconds
    faster_than_asked_max: Seconds
    first_token_edges_s: tuple[float, ...]
    completion_edges_s: tuple[float, ...]
    first_token_over_s: tuple[float, ...]
    completion_over_s: tuple[float, ...]
    trace: str | None = None
    wait_start: bool = False
    connect_s_max: Seconds = 5.0
    first_byte_s_max: Seconds = 30.0
    stream_s_max: Seconds | None = None
    idle_s_max: Seconds = 15.0
    drain_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    linger_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    parent_pid: int | None = None

    @property
    def canary_rate_per_s(self) -> float:
        """Canaries a second that all shards together send."""
        if self.canaries_per_s is not None:
            return self.canaries_per_s
        return self.traffic.canaries_per_s * self.scale

    @property
    def tokens_per_s_max(self) -> float:
        """A stream that was faster than this was not generated for the load."""
        return self.faster_than_asked_max * self.traffic.tokens_per_s

    @property
    def stream_bound_s(self) -> float:
        """A stream open longer than this is ended and counted as broken."""
        if self.stream_s_max is not None:
            return self.stream_s_max
        return self.bound_s(self.traffic.tokens_quantiles[-1][1])

    def bound_s(self, tokens_max: float) -> float:
        """Twice the expected length of the longest stream, plus 30 s."""
        traffic = self.traffic
        return 2 * (traffic.first_token_s_mean + tokens_max / traffic.tokens_per_s) + 30

    def to_json(self) -> dict[str, Any]:
        """The configuration with its secrets; write it only to the child's standard input."""
        data = self.model_dump(mode="json")
        data["token"] = self.token.get_secret_value()
        data["canary_token"] = self.canary_token.get_secret_value()
        return data


class Endpoint:
    """A URL in the parts that the wire needs."""

    def __init__(self, url: str, where: str = "--url") -> None:
        """Raises BadInput unless `url` is http(s)://host[:port]/path[?query]."""
        wanted = "http://host:port/v1/chat/completions or https://..."
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadInput(where, "", url, wanted) from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(where, "", url, wanted)
        if parts.username or parts.fragment:
            raise BadInput(where, "", f"{parts.scheme}://{parts.hostname}/…", wanted)
        self.tls = parts.scheme == "https"
        self.host = parts.hostname
        self.port = port or (443 if self.tls else 80)
        path = parts.path.rstrip("/")
        self.path = path if path.endswith("/chat/completions") else _completed(path)
        if parts.query:
            self.path += f"?{parts.query}"
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.host_header = shown if port is None else f"{shown}:{port}"


def _completed(path: str) -> str:
    """Complete a base URL: `/v1` or an empty path gets the chat path."""
    return f"{path or '/v1'}/chat/completions"


def server_address(text: str, where: str = "--dns-server") -> tuple[str, int]:
    """`host:port`; port 53 if none. Raises BadInput."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "53"
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadInput(where, "", text, "host:port")
    return host.strip("[]"), int(port)
