"""An evidence bundle as a directory: where things stand in it, and the seal over them.

The manifest holds the SHA-256 of every other file, so that accidents show; where
`MUSTER_SIGNING_KEY` is set it is signed with HMAC-SHA256, so that intent shows too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muster.errors import BadInput

MANIFEST = "manifest.json"
KEY_VARIABLE = "MUSTER_SIGNING_KEY"


@dataclass(frozen=True)
class Seal:
    """What a manifest says now. `signed` None: it has no signature, or there is no key to check."""

    intact: bool
    faults: tuple[str, ...]
    signed: bool | None
    carries_signature: bool = False


def seal(bundle: Path) -> None:
    """Write the manifest over everything in `bundle`."""
    files = {name: _digest(path) for name, path in _files(bundle)}
    manifest: dict[str, Any] = {"schema_version": 1, "sha256": files}
    key = os.environ.get(KEY_VARIABLE)
    if key:
        manifest["hmac_sha256"] = _sign(files, key)
    path = bundle / MANIFEST
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)


def check_seal(bundle: Path) -> Seal:
    """Compare the manifest with what is there. Raises BadInput when there is no manifest."""
    path = bundle / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        sealed: Mapping[str, str] = dict(manifest["sha256"].items())
    except OSError as error:
        raise BadInput(path, "", error.strerror, "a sealed bundle") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(path, "sha256", str(error), "a manifest") from error
    found = {name: _digest(file) for name, file in _files(bundle)}
    faults = [f"missing: {name}" for name in sorted(set(sealed) - set(found))]
    faults += [f"not in the manifest: {name}" for name in sorted(set(found) - set(sealed))]
    both = sorted(set(found) & set(sealed))
    faults += [f"altered: {name}" for name in both if sealed[name] != found[name]]
    signature, key = manifest.get("hmac_sha256"), os.environ.get(KEY_VARIABLE)
    signed: bool | None = None
    if signature and key:
        signed = hmac.compare_digest(str(signature), _sign(dict(sealed), key))
        if not signed:
            faults.append("the signature does not fit the manifest")
    return Seal(not faults, tuple(faults), signed, signature is not None)


def _files(bundle: Path) -> list[tuple[str, Path]]:
    found = [
        (path.relative_to(bundle).as_posix(), path)
        for path in bundle.rglob("*")
        if path.is_file() and path not in (bundle / MANIFEST, bundle / "manifest.tmp")
    ]
    return sorted(found)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sign(files: Mapping[str, str], key: str) -> str:
    text = json.dumps(files, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
