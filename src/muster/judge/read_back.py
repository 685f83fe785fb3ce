"""Reads from a drill's read-backs what somebody else changed while it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def changed_by_another(verify: Sequence[Mapping[str, Any]]) -> list[str]:
    """What any `verify` event of the ledger found changed by somebody else, and left as it was."""
    told = [event.get("readback") for event in verify]
    items = [item for readback in told if isinstance(readback, list) for item in readback]
    known = [item for item in items if isinstance(item, dict)]
    return [f"{item.get('subject')}: {item['another']}" for item in known if item.get("another")]
