"""Who is told when a drill on the target has ended, and how each of them is reached.

A notification is sent after the verdict is written and sealed, so it can change nothing. Its
placeholders are filled only then: a missing variable costs that notification, and never keeps a
drill from starting or a recovery from restoring.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from muster.documents import Document
from muster.targets.headers import Headers
from muster.targets.kinds import BaseUrl, HttpUrl

When = Literal["attention", "always"]
WHEN: Any = Field(
    default="attention",
    description="attention: everything but PASS, the first PASS after that, and a regression; "
    "always: every drill",
)
DRILL_ID = "{drill_id}"


class Webhook(Document):
    """POST of the message as JSON (docs/notify.md has its fields)."""

    kind: Literal["webhook"]
    url: HttpUrl
    token: str | None = Field(default=None, description="sent as Authorization: Bearer")
    headers: Headers = Field(default={}, description="sent as they stand")
    when: When = WHEN


class Slack(Document):
    """An incoming webhook of Slack, or of what takes the same messages."""

    kind: Literal["slack"]
    webhook_url: HttpUrl = Field(description="whole URL as ${env.NAME}, because it is the secret")
    when: When = WHEN


class PagerDuty(Document):
    """Events API v2: anything but PASS triggers an alert, the next PASS resolves it.

    It is told of every drill, because an alert of an earlier one may be open.
    """

    kind: Literal["pagerduty"]
    routing_key: Annotated[str, Field(min_length=1)]
    url: HttpUrl = "https://events.pagerduty.com/v2/enqueue"


class Email(Document):
    """One e-mail by SMTP."""

    kind: Literal["email"]
    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = None
    from_: Annotated[str, Field(alias="from", min_length=3)]
    to: Annotated[tuple[Annotated[str, Field(min_length=3)], ...], Field(min_length=1)]
    when: When = WHEN


class Grafana(Document):
    """Annotations of the drill and of each of its phases, for every drill."""

    kind: Literal["grafana"]
    url: BaseUrl
    token: str
    tags: tuple[str, ...] = ("muster",)


class Ping(Document):
    """GET after every drill, whatever its verdict: a monitor that waits for it finds the game day
    that did not run."""

    kind: Literal["ping"]
    ping_url: HttpUrl = Field(description="whole URL as ${env.NAME}, because it is the secret")


Receiver = Annotated[
    Webhook | Slack | PagerDuty | Email | Grafana | Ping, Field(discriminator="kind")
]


def _report_url(value: str) -> str:
    if value.count(DRILL_ID) != 1 or not value.startswith(("https://", "http://")):
        raise ValueError(f"a URL with {DRILL_ID} once in it")
    return value


class Notify(Document):
    """The `notify` section of a target."""

    report_url: Annotated[str, AfterValidator(_report_url)] | None = Field(
        default=None, description="where reports are published, with {drill_id} in it"
    )
    to: Annotated[tuple[Receiver, ...], Field(min_length=1)]
