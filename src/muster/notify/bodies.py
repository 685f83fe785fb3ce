"""The message in the form that each receiver takes, as data. Pure.

Slack: incoming webhooks with Block Kit. PagerDuty: Events API v2. Grafana: the annotations of its
HTTP API, in milliseconds. E-mail: RFC 5322.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from muster.notify.message import Message

_SEVERITY = {"ROLLBACK_FAILED": "critical", "FAIL": "error"}
_MARK = {"PASS": "✅", "ROLLBACK_FAILED": "🚨", "FAIL": "❌", "ABORTED": "⏹️"}
SLACK_TEXT_MAX = 2900
SLACK_HEADER_MAX = 150
PAGERDUTY_SUMMARY_MAX = 1024


def slack(message: Message) -> dict[str, Any]:
    """The body of a POST to an incoming webhook."""
    head = f"{_MARK.get(message.verdict, '❔')} {message.title}"
    text = "\n".join(_slack_text(line) for line in message.lines)
    return {
        "text": _slack_text(head),
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": _cut(head, SLACK_HEADER_MAX)},
            },
            {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, SLACK_TEXT_MAX)}},
        ],
    }


def pagerduty(message: Message, routing_key: str) -> list[dict[str, Any]]:
    """The events, in order: each kind of drill has one alert, and one more for a regression.

    A PASS resolves the first, and the second unless it is a regression itself. To resolve an alert
    that is not open changes nothing.
    """
    failed = f"muster/{message.target}/{message.drill}"
    slower = f"{failed}/regression"
    if message.verdict != "PASS":
        return [_alert(message, routing_key, failed)]
    resolved = _resolved(routing_key, failed)
    if message.occasion == "regression":
        return [resolved, _alert(message, routing_key, slower)]
    return [resolved, _resolved(routing_key, slower)]


def _resolved(routing_key: str, key: str) -> dict[str, Any]:
    return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": key}


def _alert(message: Message, routing_key: str, key: str) -> dict[str, Any]:
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "client": "Muster",
        "payload": {
            "summary": _cut(message.title, PAGERDUTY_SUMMARY_MAX),
            "source": message.target,
            "severity": _SEVERITY.get(message.verdict, "warning"),
            "component": message.drill,
            "class": message.verdict,
            "custom_details": message.as_json(),
        },
    }
    if message.report_url:
        event["links"] = [{"href": message.report_url, "text": "report"}]
    return event


def grafana(message: Message, tags: Sequence[str]) -> list[dict[str, Any]]:
    """An annotation of the whole drill, and one of each phase."""
    every = [*tags, f"target:{message.target}", f"drill:{message.drill}"]
    found = [
        _annotation(span.start_s, span.end_s, span.name, [*every, f"phase:{span.name}"])
        for span in message.phases
    ]
    if message.started_s is not None and message.ended_s is not None:
        whole = f"{message.title} ({message.drill_id})"
        tagged = [*every, f"verdict:{message.verdict}"]
        found.insert(0, _annotation(message.started_s, message.ended_s, whole, tagged))
    return found


def email(message: Message, sender: str, to: Sequence[str], now_s: float) -> EmailMessage:
    """The letter. Names in it come from a platform, so no line break reaches a header."""
    letter = EmailMessage()
    letter["Subject"] = f"[Muster] {' '.join(message.title.split())}"
    letter["From"], letter["To"] = sender, ", ".join(to)
    letter["Date"] = format_datetime(datetime.fromtimestamp(now_s, UTC))
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content("\n".join([message.title, "", *message.lines]) + "\n")
    return letter


def _annotation(start_s: float, end_s: float, text: str, tags: list[str]) -> dict[str, Any]:
    return {"time": int(1000 * start_s), "timeEnd": int(1000 * end_s), "text": text, "tags": tags}


def _slack_text(text: str) -> str:
    """Text that names nobody and is no link: Slack reads only these three signs as markup's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, length_max: int) -> str:
    return text if len(text) <= length_max else text[: length_max - 1] + "…"
