"""Sends one message to one receiver: by HTTP or by SMTP, once, within a time limit.

An error names the receiver's answer and never its address, which may be its secret.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import httpx

from muster.redact import keep

TIMEOUT_S = 10.0


class NotSent(Exception):
    """Why a receiver was not told, without its address."""


def call(method: str, url: str, *, body: Any = None, headers: dict[str, str] | None = None) -> None:
    """One request, answered with 2xx. Raises NotSent."""
    keep(urlsplit(url).path)
    try:
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
            answer = client.request(method, url, json=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise NotSent(f"no answer ({type(error).__name__})") from error
    if not answer.is_success:
        raise NotSent(f"answered {answer.status_code}")


def post_letter(
    letter: EmailMessage, host: str, port: int, security: str, login: tuple[str, str] | None
) -> None:
    """Hand the letter to an SMTP server. Raises NotSent."""
    try:
        context = ssl.create_default_context()
        if security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        with server:
            if security == "starttls":
                server.starttls(context=context)
            if login is not None:
                server.login(*login)
            server.send_message(letter)
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"answered {error.smtp_code}") from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotSent(f"no answer ({type(error).__name__})") from error
