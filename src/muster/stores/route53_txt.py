"""A store of TXT records. Source: Route 53 API, ChangeResourceRecordSets.

A batch is applied whole or not at all, a DELETE must name the record exactly as it is, and a CREATE
fails if one exists: together they are a compare-and-set. Listings show every accepted change, even
one that the DNS servers do not have yet, so nothing waits for INSYNC here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from muster.aws import HostedZone
from muster.stores.model import Conflict, Store, Stored, StoreError
from muster.targets.shared import SharedTxt

TTL_S = 60
STRING_CHARS = 200
"""Characters in one string of a record, before escaping; Route 53 allows 255."""
TEXT_CHARS_MAX = 3500
"""Characters in a whole value; Route 53 allows 4,000, including quotes and escapes."""
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


class TxtStore(Store):
    """Values as TXT records: the key `a/b` is the name `b.a.<name>`, in lower case."""

    def __init__(self, settings: SharedTxt) -> None:
        self.settings = settings
        self._zone = HostedZone(
            settings.zone,
            zone_id=settings.zone_id,
            endpoint_url=settings.endpoint_url,
            timeout_s=settings.timeout_s,
            calls_per_s_max=settings.calls_per_s_max,
            error=_error,
        )

    def read(self, key: str) -> Stored | None:
        name = self._name(key)
        page = self._zone.listing(StartRecordName=name, StartRecordType="TXT", MaxItems="1")
        for record in page["ResourceRecordSets"]:
            if record["Name"] == name and record["Type"] == "TXT":
                return self._stored(record)
        return None

    def under(self, prefix: str) -> tuple[Stored, ...]:
        suffix = self._name(prefix)
        # Names are ordered by their last label first: those below one follow it directly.
        below = self._zone.records(
            {"StartRecordName": suffix}, lambda name: f".{name}".endswith(f".{suffix}")
        )
        return tuple(
            self._stored(record)
            for record in below
            if record["Type"] == "TXT" and record["Name"] != suffix
        )

    def _put(self, key: str, text: str, old: Stored | None) -> None:
        changes = [] if old is None else [_change("DELETE", self._name(key), old.version)]
        self._change([*changes, _change("CREATE", self._name(key), _quoted(text))])

    def _delete(self, old: Stored) -> None:
        self._change([_change("DELETE", self._name(old.key), old.version)])

    def _name(self, key: str) -> str:
        labels = [part for part in reversed(key.split("/")) if part]
        return ".".join([*labels, self.settings.name]).lower()

    def _stored(self, record: dict[str, Any]) -> Stored:
        own = str(record["Name"]).removesuffix(self.settings.name.lower()).rstrip(".")
        value = str(record["ResourceRecords"][0]["Value"])
        return Stored("/".join(reversed(own.split("."))), _unquoted(value), value)

    def _change(self, changes: Sequence[dict[str, Any]]) -> None:
        self._zone.change("muster", list(changes))


def _error(code: str, text: str) -> StoreError:
    return Conflict(text) if code == "InvalidChangeBatch" else StoreError(text)


def _change(action: str, name: str, value: str) -> dict[str, Any]:
    record = {"Name": name, "Type": "TXT", "TTL": TTL_S, "ResourceRecords": [{"Value": value}]}
    return {"Action": action, "ResourceRecordSet": record}


def _quoted(text: str) -> str:
    """`text` as the strings of a TXT record. Raises StoreError if it is too long for one."""
    strings = [text[at : at + STRING_CHARS] for at in range(0, len(text), STRING_CHARS)] or [""]
    value = " ".join(f'"{_escaped(string)}"' for string in strings)
    if len(value) > TEXT_CHARS_MAX or not text.isascii():
        raise StoreError(f"a TXT record can not hold this text of {len(value)} characters")
    return value


def _escaped(string: str) -> str:
    return string.replace("\\", "\\\\").replace('"', '\\"')


def _unquoted(value: str) -> str:
    return "".join(re.sub(r"\\(.)", r"\1", part) for part in _STRING.findall(value))
