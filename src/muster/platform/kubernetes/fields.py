"""Values out of the API's JSON. What has another shape is an error, never a default."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from muster.platform.port import PortError

Json = Mapping[str, Any]


def whole_number(found: Json, *keys: str, absent: int | None = None) -> int:
    """The whole number at `keys`; `absent` if the last key is missing. Raises PortError."""
    value = _at(found, keys)
    if value is None and absent is not None:
        return absent
    if not isinstance(value, int) or isinstance(value, bool):
        raise PortError(f"Kubernetes: {'.'.join(keys)}: got {value!r}, expected a whole number")
    return value


def text(found: Json, *keys: str, absent: str | None = None) -> str:
    """The text at `keys`; `absent` if the last key is missing. Raises PortError."""
    value = _at(found, keys)
    if value is None and absent is not None:
        return absent
    if not isinstance(value, str):
        raise PortError(f"Kubernetes: {'.'.join(keys)}: got {value!r}, expected a text")
    return value


def moment_s(found: Json, *keys: str) -> float:
    """The time at `keys`, RFC 3339, in seconds since the epoch. Raises PortError."""
    value = text(found, *keys)
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError as error:
        raise PortError(f"Kubernetes: {'.'.join(keys)}: got {value!r}, expected a time") from error


def mapping(found: Json, *keys: str) -> Json:
    """The mapping at `keys`; empty if it is missing. Raises PortError."""
    value = _at(found, keys)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise PortError(f"Kubernetes: {'.'.join(keys)}: got {value!r}, expected a mapping")
    return value


def each(found: Json, *keys: str) -> list[Json]:
    """The mappings of the list at `keys`; empty if it is missing. Raises PortError."""
    value = _at(found, keys)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise PortError(f"Kubernetes: {'.'.join(keys)}: got {value!r}, expected a list")
    return value


def _at(found: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        if found is None:
            return None
        if not isinstance(found, Mapping):
            raise PortError(f"Kubernetes: {'.'.join(keys)}: got {found!r}, expected a mapping")
        found = found.get(key)
    return found
