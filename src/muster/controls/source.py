"""Reads a drill's file before Chaos Toolkit does, which ends in a traceback for one it cannot read.

Chaos Toolkit's own loader stays the one that a run uses; an address (`https://…`) is left to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chaoslib.exceptions import ChaosException
from chaoslib.loader import load_experiment

from muster.documents import nearest_file, parse_yaml
from muster.errors import BadInput

SUFFIXES = (".json", ".yaml", ".yml")


def is_address(source: str) -> bool:
    """Whether `source` is fetched instead of read from a file."""
    return source.startswith(("http://", "https://"))


def read_drill(source: str) -> dict[str, Any]:
    """The drill in the file or at the address `source`. Raises BadInput."""
    if is_address(source):
        return _fetched(source)
    return drill_in(source, bytes_of(source))


def bytes_of(source: str) -> bytes:
    """What the drill's file `source` holds. Raises BadInput."""
    path = Path(source)
    try:
        return path.read_bytes()
    except OSError as error:
        wanted = f"a drill's file{nearest_file(path)}"
        raise BadInput(source, "", error.strerror or str(error), wanted) from error


def drill_in(source: str, raw: bytes) -> dict[str, Any]:
    """The drill in `raw`, the content of the file `source`. Raises BadInput."""
    path = Path(source)
    if path.suffix not in SUFFIXES:
        raise BadInput(source, "", path.suffix, f"a name that ends in {', '.join(SUFFIXES)}")
    return _object(source, _json(source, raw) if path.suffix == ".json" else parse_yaml(raw, path))


def _json(source: str, raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadInput(source, where, error.msg, "a whole JSON document") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadInput(source, "", str(error), "a JSON document in UTF-8") from error


def _fetched(source: str) -> dict[str, Any]:
    # `requests` raises OSError for a server that does not answer, ValueError for no JSON.
    try:
        return _object(source, load_experiment(source))
    except (ChaosException, OSError, ValueError, TypeError) as error:
        raise BadInput(source, "", str(error), "a drill at this address") from error


def _object(source: str, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise BadInput(source, "", found, "a drill: an object with title, method and controls")
    return found
