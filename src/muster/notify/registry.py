"""What is sent to each kind of receiver. The only place that knows all kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from muster.clock import SYSTEM_CLOCK
from muster.notify import bodies
from muster.notify.message import Message
from muster.notify.wire import call, post_letter
from muster.targets.notify import Email, Grafana, PagerDuty, Ping, Slack, Webhook


def _webhook(to: Webhook, message: Message) -> None:
    headers = dict(to.headers)
    if to.token is not None:
        headers["Authorization"] = f"Bearer {to.token}"
    call("POST", to.url, body=message.as_json(), headers=headers)


def _slack(to: Slack, message: Message) -> None:
    call("POST", to.webhook_url, body=bodies.slack(message))


def _pagerduty(to: PagerDuty, message: Message) -> None:
    for event in bodies.pagerduty(message, to.routing_key):
        call("POST", to.url, body=event)


def _email(to: Email, message: Message) -> None:
    letter = bodies.email(message, to.from_, to.to, SYSTEM_CLOCK.now_s())
    login = (to.user, to.password or "") if to.user is not None else None
    post_letter(letter, to.host, to.port, to.security, login)


def _grafana(to: Grafana, message: Message) -> None:
    for body in bodies.grafana(message, to.tags):
        headers = {"Authorization": f"Bearer {to.token}"}
        call("POST", f"{to.url}/api/annotations", body=body, headers=headers)


def _ping(to: Ping, message: Message) -> None:
    call("GET", to.ping_url)


SENDERS: Mapping[str, Callable[[Any, Message], None]] = {
    "webhook": _webhook,
    "slack": _slack,
    "pagerduty": _pagerduty,
    "email": _email,
    "grafana": _grafana,
    "ping": _ping,
}


def wants(receiver: Any, message: Message) -> bool:
    """Whether the receiver is told of this message. Kinds without `when` are told of each."""
    return getattr(receiver, "when", "always") == "always" or message.occasion != "passed"
