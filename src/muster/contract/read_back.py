"""What a drill's read-backs say of others: things that somebody else changed while it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def changed_by_another(verify: Sequence[Mapping[str, Any]]) -> list[str]:
    """What any `verify` event of the ledger found changed by somebody else, and left so."""
    items = [item for event in verify for item in event.get("readback") or ()]
    return [f"{item.get('subject')}: {item['another']}" for item in items if item.get("another")]
