"""How the HTTP client reaches a server: credentials, headers, certificates and proxies.

Every setting that a person may have set wrong is checked when the client is described, before a
drill starts; no request is sent then. The environment's proxies and certificates are ignored: what
a drill sees depends on its target alone.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx

from muster.errors import BadInput
from muster.platform.metrics.model import MetricsError
from muster.redact import keep
from muster.targets.prometheus import ServerAccess, SigV4, Tls

PLACEHOLDER = "${"
_ENCODED = "application/x-www-form-urlencoded"


class SignedV4(httpx.Auth):
    """Signs each request with AWS Signature Version 4, using botocore and the default
    credentials.
    """

    requires_request_body = True

    def __init__(self, asked: SigV4) -> None:
        self._asked = asked

    @cached_property
    def _credentials(self) -> Any:
        # Looked up at the first request: a plan needs none, and botocore is slow to import.
        from boto3.session import Session
        from botocore.exceptions import BotoCoreError

        try:
            found = Session(profile_name=self._asked.profile).get_credentials()
        except BotoCoreError as error:
            raise MetricsError(f"auth sigv4: {error}") from error
        if found is None:
            raise MetricsError(
                "auth sigv4: no AWS credentials in any of the places where the SDK looks"
            )
        return found

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        frozen = self._credentials.get_frozen_credentials()
        keep(frozen.secret_key or "")
        # Only body and destination are signed, because a proxy may change the other headers.
        signed = AWSRequest(
            request.method,
            str(request.url),
            headers={"Content-Type": request.headers.get("content-type", _ENCODED)},
            data=request.content,
        )
        SigV4Auth(frozen, self._asked.service, self._asked.region).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        yield request


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        keep(token)
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


@dataclass(frozen=True)
class Reach:
    """The settings of every client of one server."""

    auth: httpx.Auth | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    verify: ssl.SSLContext | None = None
    proxy_url: str | None = None

    def client(self, timeout_s: float) -> httpx.Client:
        """Return a new client; it connects at its first request."""
        options: dict[str, Any] = {} if self.verify is None else {"verify": self.verify}
        return httpx.Client(
            timeout=timeout_s,
            trust_env=False,
            auth=self.auth,
            headers=dict(self.headers),
            proxy=self.proxy_url,
            follow_redirects=False,
            **options,
        )


def reach_of(access: ServerAccess, file: str, where: str, url: str) -> Reach:
    """How to reach the server of `access`, found at `where` in the target `file`.

    Raises BadInput for files that cannot be read and for missing credentials.
    """
    for name, text in access.headers.items():
        if name.lower() != "x-scope-orgid":
            keep(text)
    context = None
    if url.startswith("https://") or access.tls != Tls():
        context = _context(access.tls, file, f"{where}.tls")
    auth = None if access.auth is None else AUTHS[access.auth.kind](access.auth)
    return Reach(auth, access.headers, context, access.proxy_url)


def _basic(asked: Any) -> httpx.Auth:
    keep(asked.password)
    return httpx.BasicAuth(asked.user, asked.password)


AUTHS: dict[str, Callable[[Any], httpx.Auth]] = {
    "bearer": lambda asked: _Bearer(asked.token),
    "basic": _basic,
    "sigv4": SignedV4,
}
"""Every method of authentication, by its kind."""


def _context(tls: Tls, file: str, where: str) -> ssl.SSLContext | None:
    """The system's trust store or the named one, with the client's certificate."""
    for key in ("ca_file", "certificate_file", "key_file"):
        path = getattr(tls, key)
        if path is not None and PLACEHOLDER in path:
            return None  # the target is only displayed: this client sends no request
        if path is not None and not os.access(path, os.R_OK):
            raise BadInput(file, f"{where}.{key}", path, "a file that can be read")
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (ssl.SSLError, OSError) as error:
        wanted = f"a file of certificates in PEM ({error})"
        raise BadInput(file, f"{where}.ca_file", tls.ca_file, wanted) from error
    if tls.certificate_file is not None:
        try:
            # An encrypted key would prompt at the terminal: an empty password makes it an error.
            context.load_cert_chain(tls.certificate_file, tls.key_file, password="")
        except (ssl.SSLError, OSError) as error:
            wanted = f"a certificate in PEM and its own key without a password ({error})"
            key = f"{where}.certificate_file"
            raise BadInput(file, key, tls.certificate_file, wanted) from error
    return context
