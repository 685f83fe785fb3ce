"""The envelope of DSSE (Dead Simple Signing Envelope, protocol v1): what is signed, and how.

A signature covers `pae(payload_type, payload)`, never the JSON around it. `keyid` is a hint that
nothing authenticates; a verifier tries every key.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Signature:
    """One signature. `keyid` names the key that made it; nothing proves that it did."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A decoded envelope. Its signatures are not verified."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def signed_bytes(self) -> bytes:
        """The bytes that every signature covers."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding; lengths are in bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def encode(envelope: Envelope) -> bytes:
    """The envelope as one line of JSON with its line end."""
    document = {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": envelope.payload_type,
        "signatures": [
            {"keyid": one.keyid, "sig": base64.b64encode(one.sig).decode()}
            for one in envelope.signatures
        ],
    }
    return json.dumps(document).encode() + b"\n"


def decode(raw: bytes) -> Envelope:
    """The envelope in `raw`. Raises ValueError if it is none, or has no signature."""
    try:
        document = json.loads(raw)
        kind, signatures = document["payloadType"], document["signatures"]
        found = [Signature(str(one.get("keyid", "")), _bytes(one["sig"])) for one in signatures]
        payload = _bytes(document["payload"])
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a DSSE envelope: {type(error).__name__} {error}") from error
    if not isinstance(kind, str) or not kind.isascii() or not found:
        raise ValueError("not a DSSE envelope: expected a payloadType and a signature")
    return Envelope(kind, payload, tuple(found))


def _bytes(text: object) -> bytes:
    """Base64 of either alphabet; the standard allows both."""
    if not isinstance(text, str):
        raise ValueError("not a DSSE envelope: expected base64 text")
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not a DSSE envelope: {error}") from error


def signed(payload_type: str, payload: bytes, signatures: Sequence[Signature]) -> bytes:
    """An encoded envelope of `payload`."""
    return encode(Envelope(payload_type, payload, tuple(signatures)))
