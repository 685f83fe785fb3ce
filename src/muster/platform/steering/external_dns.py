"""Whether external-dns owns the records: it sets its own weights over a drill's within a minute.

Its registry is a TXT record for each record that it owns, at the same name or, since version 0.12,
at one that also says the type (`a-chat.example.com.`); a prefix or suffix of the operator's may
stand around either. Its text begins `heritage=external-dns,external-dns/owner=ID`.
Source: external-dns, docs/registry/txt.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from muster.platform.port import Other
from muster.platform.steering.records import STEERING_TYPES, name_of

HERITAGE = "heritage=external-dns"


def others_of(records: Sequence[Mapping[str, Any]], name: str) -> tuple[Other, ...]:
    """Who owns the records of `name`, by the records of its parent's domain. Pure."""
    wanted = name_of(name)
    known = {name_of(one["Name"]) for one in records if one["Type"] in STEERING_TYPES} | {wanted}
    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record["Type"] != "TXT" or _meant(name_of(record["Name"]), known) != wanted:
            continue
        for text in _texts(record):
            if HERITAGE in text:
                fields = dict(part.partition("=")[::2] for part in text.split(","))
                owner = fields.get("external-dns/owner", "unknown")
                resource = fields.get("external-dns/resource", "unknown")
                identifiers = found.setdefault((owner, resource), [])
                identifiers.append(str(record.get("SetIdentifier", "")))
    return tuple(
        Other(_said(wanted, owner, resource, identifiers), undoes=True)
        for (owner, resource), identifiers in sorted(found.items())
    )


def _said(name: str, owner: str, resource: str, identifiers: Iterable[str]) -> str:
    named = ", ".join(sorted({one for one in identifiers if one}))
    of = f" ({named})" if named else ""
    return (
        f"external-dns owns {name}{of}: owner {owner}, for {resource}; it sets its own weights "
        "over a drill's. Stop it for the drill, or take the record from it"
    )


def _texts(record: Mapping[str, Any]) -> list[str]:
    """The texts of a TXT record, without their quotes."""
    return [str(one["Value"]).replace('"', "") for one in record.get("ResourceRecords", ())]


def _meant(txt: str, known: Iterable[str]) -> str:
    """The record that a TXT record's name speaks of: the longest of `known` that it contains.

    `a-chat-v2` speaks of `chat-v2` and not of `chat`, where both are there.
    """
    fits = [one for one in known if _contains(txt, one)]
    return max(fits, key=len, default="")


def _contains(txt: str, name: str) -> bool:
    """Whether `txt` is `name` with a prefix, a suffix or more labels in front of it."""
    if txt == name or txt.endswith(f".{name}"):
        return True
    label, _, parent = name.partition(".")
    own, _, domain = txt.partition(".")
    return domain == parent and label.replace("*", "") in own
