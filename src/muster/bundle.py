"""An evidence bundle as a directory: the names of its files, and their seal.

The manifest holds the SHA-256 of every other file and the head of the ledger's hash chain, so that
accidental changes show. A signature also shows deliberate ones: if `MUSTER_SIGNING_KEY_FILE` is
set, an attestation with an Ed25519 signature is written beside the manifest, and a public key
verifies it; if `MUSTER_SIGNING_KEY` is set, the manifest carries an HMAC-SHA256, which the same key
verifies. A bundle may have both.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from muster import attestation
from muster.attestation import ATTESTATION
from muster.documents import nearest_file
from muster.errors import BadInput
from muster.ledger import LedgerRead, read_ledger
from muster.signing import SIGNING_KEY_FILE, VERIFY_KEY_FILE, VerifyKey, signing_key, verify_keys

MANIFEST = "manifest.json"
LEDGER = "ledger.jsonl"
DAY_LEDGER = "day.jsonl"
"""What a directory of a game day holds, which is no bundle."""
SCHEMA_VERSION = 1
KEY_VARIABLE = "MUSTER_SIGNING_KEY"
SIGNATURE_MISFIT = "the signature does not fit the manifest"
State = Literal["sealed", "unreadable", "removed", "unended", "running"]
_STATES: Mapping[State, str] = {
    "unreadable": f"{MANIFEST} is not a readable manifest",
    "removed": f"no {MANIFEST}: the drill has ended, so the seal was removed or never written",
    "unended": f"no {MANIFEST}: the drill was cut off before its end, or runs on another machine",
    "running": f"no {MANIFEST} yet: the drill is still running",
}
_OUTSIDE = frozenset({MANIFEST, ATTESTATION})


@dataclass(frozen=True)
class Seal:
    """The current state of a bundle's seal.

    `faults`: each file that differs from what was sealed, and why. `signed`: True if a signature
    was verified, False if one does not fit or if the one that an available key requires is missing,
    None if no key is available. `signature` says it in words. `carries_signature`: the bundle has
    one.
    """

    state: State
    faults: tuple[str, ...]
    signed: bool | None
    carries_signature: bool
    signature: str

    @property
    def intact(self) -> bool:
        """Whether there is a manifest and every file is as it says."""
        return self.state == "sealed" and not self.faults

    @property
    def trusted(self) -> bool:
        """Whether a reader may trust that the evidence is what was sealed."""
        return self.intact and self.signed is not False

    @property
    def why(self) -> tuple[str, ...]:
        """Why the evidence is not to be trusted; empty if it is."""
        if self.trusted:
            return ()
        found: tuple[str, ...] = () if self.state == "sealed" else (_STATES[self.state],)
        found += self.faults
        return (*found, self.signature) if self.signed is False else found

    def line(self) -> str:
        """The seal in one line."""
        if not self.trusted:
            return "seal: " + "; ".join(self.why)
        if self.carries_signature:
            return f"seal: intact, {self.signature}"
        return "seal: intact, not signed: it shows accidental changes, but not deliberate ones"


def seal(bundle: Path) -> str:
    """Write the manifest over everything in `bundle`, and sign it with the keys that are set.

    Returns why there is no attestation although a key is set, else an empty text. Raises OSError.
    """
    # An attestation must be about the current manifest; a seal that was cut off may have left a
    # part of either.
    for name in (ATTESTATION, *(_temporary(bundle / one).name for one in _OUTSIDE)):
        (bundle / name).unlink(missing_ok=True)
    files = {name: _digest(path) or "" for name, path in _files(bundle)}
    manifest: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "sha256": files}
    ledger = _ledger(bundle)
    manifest["ledger_chain"] = None if ledger is None else ledger.head
    key = os.environ.get(KEY_VARIABLE)
    if key:
        manifest["hmac_sha256"] = _sign(files, key)
    raw = (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()
    _replace(bundle / MANIFEST, raw)
    return _attest(bundle, raw, files)


def check_seal(
    bundle: Path,
    keys: Sequence[VerifyKey] | None = None,
    *,
    running: Callable[[str], bool] = lambda drill_id: False,
) -> Seal:
    """Compare the seal with the files.

    `keys` verify an attestation (None: those that the environment names). `running` says whether a
    drill without a manifest still runs. Raises BadInput if there is no bundle, for a manifest of
    another schema version, or if the environment names a key that cannot be used.
    """
    try:
        raw = (bundle / MANIFEST).read_bytes()
    except OSError as error:
        if not bundle.is_dir():
            why = "a file" if bundle.exists() else error.strerror
            wanted = f"the directory of a drill's evidence{nearest_file(bundle)}"
            raise BadInput(bundle, "", why, wanted) from error
        if not (bundle / LEDGER).is_file():
            why = f"a directory without {MANIFEST} and {LEDGER}"
            raise BadInput(bundle, "", why, "the directory of a drill's evidence") from error
        return _unsealed(bundle, running)
    manifest = _parsed(raw)
    version = None if manifest is None else manifest.get("schema_version")
    # Without a version it is no seal of any Muster, but one that was damaged or made up.
    if manifest is None or type(version) is not int:
        return Seal("unreadable", (), None, (bundle / ATTESTATION).exists(), "not verified")
    if version != SCHEMA_VERSION:
        wanted = f"{SCHEMA_VERSION}: another version of Muster sealed this bundle"
        raise BadInput(bundle / MANIFEST, "schema_version", version, wanted)
    sealed: dict[str, str] = manifest["sha256"]
    faults = _differences(bundle, sealed)
    ledger = None if f"altered: {LEDGER}" in faults else _ledger(bundle)
    if ledger is not None and manifest.get("ledger_chain", ledger.head) != ledger.head:
        faults.append(f"altered: {LEDGER}: its hash chain ends with another line")
    keys = verify_keys() if keys is None else keys
    found = [*_hmac_of(manifest, sealed), *_attested(bundle, raw, keys)]
    wanted = "Ed25519" if keys else "HMAC" if os.environ.get(KEY_VARIABLE) else ""
    signed, said = _signature(found, wanted)
    faults += [fault for one in found for fault in one.faults]
    return Seal("sealed", tuple(faults), signed, bool(found), said)


def unsigned_if_sealed_now(bundle: Path) -> str:
    """Which signature of the bundle a new seal would lose because its key is missing; empty if
    none.

    Raises BadInput for a signing key that cannot be used.
    """
    manifest = _parsed(_bytes(bundle / MANIFEST) or b"") or {}
    lost = []
    if "hmac_sha256" in manifest and not os.environ.get(KEY_VARIABLE):
        lost.append(f"signed by HMAC, and {KEY_VARIABLE} is not set")
    if (bundle / ATTESTATION).exists() and signing_key() is None:
        lost.append(f"signed by Ed25519, and {SIGNING_KEY_FILE} is not set")
    return "; ".join(lost)


@dataclass(frozen=True)
class _Signature:
    """One existing signature. `fits` None: no available key can decide."""

    kind: str
    fits: bool | None
    said: str
    faults: tuple[str, ...] = ()


def _signature(found: Sequence[_Signature], wanted: str) -> tuple[bool | None, str]:
    """Whether a signature was verified, and a text about all of them.

    `wanted`: the kind that an available key requires. Public keys require an attestation: anyone
    who can verify an HMAC can also make one, so it does not replace an attestation.
    """
    said = "; ".join(one.said for one in found) or "the manifest carries no signature"
    if any(one.fits is False for one in found):
        return False, said
    fitting = {one.kind for one in found if one.fits}
    if fitting and (wanted == "HMAC" or wanted in fitting):
        return True, said
    if wanted:
        return False, said if not found else f"{said}; the key at hand is of the other kind"
    told = f"{VERIFY_KEY_FILE} (or --key) and {KEY_VARIABLE} are not set"
    return None, f"{told}; {said}"


def _hmac_of(manifest: Mapping[str, Any], sealed: Mapping[str, str]) -> list[_Signature]:
    told, key = manifest.get("hmac_sha256"), os.environ.get(KEY_VARIABLE)
    if told is None:
        return []
    if not key:
        return [_Signature("HMAC", None, f"HMAC not verified: {KEY_VARIABLE} is not set")]
    if hmac.compare_digest(_printable(str(told)).encode(), _sign(sealed, key).encode()):
        return [_Signature("HMAC", True, "HMAC holds")]
    return [_Signature("HMAC", False, "HMAC does not fit", (SIGNATURE_MISFIT,))]


def _attested(bundle: Path, manifest: bytes, keys: Sequence[VerifyKey]) -> list[_Signature]:
    raw = _bytes(bundle / ATTESTATION)
    if raw is None:
        return []
    found = attestation.check(raw, manifest, _bytes(bundle / "verdict.json"), keys)
    names = ", ".join(found.claimed) or "a key that it does not name"
    if found.by is not None and not found.faults:
        return [_Signature("Ed25519", True, f"Ed25519 by {found.by} holds")]
    if keys or found.faults:
        return [_Signature("Ed25519", False, f"Ed25519 by {names} does not fit", found.faults)]
    said = f"Ed25519 by {names} not verified: no --key, and {VERIFY_KEY_FILE} is not set"
    return [_Signature("Ed25519", None, said)]


def _unsealed(bundle: Path, running: Callable[[str], bool]) -> Seal:
    """A bundle without a manifest: its drill runs, was cut off, or ended without a seal."""
    ledger = _ledger(bundle)
    ended = ledger is not None and bool(ledger.of("drill_ended"))
    state: State = "removed" if ended else "unended"
    if running(bundle.resolve().name):
        state = "running"
    return Seal(state, (), None, (bundle / ATTESTATION).exists(), "not verified")


def _attest(bundle: Path, manifest: bytes, files: Mapping[str, str]) -> str:
    try:
        key = signing_key()
        if key is None:
            return ""
        verdict = json.loads((bundle / "verdict.json").read_bytes())
        said = attestation.statement(manifest, files, verdict)
        _replace(bundle / ATTESTATION, attestation.attest(said, key))
    except (BadInput, OSError, ValueError) as error:
        return f"not signed with {SIGNING_KEY_FILE}: {error}"
    except KeyError as error:
        return f"not signed with {SIGNING_KEY_FILE}: the bundle holds no {error.args[0]}"
    return ""


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        manifest = json.loads(raw)
        sealed = manifest["sha256"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    whole = all(isinstance(digest, str) for _, digest in sealed)
    return manifest if isinstance(manifest, dict) and whole else None


def _differences(bundle: Path, sealed: Mapping[str, str]) -> list[str]:
    """Each file that is missing, added or altered."""
    found = dict(_files(bundle))
    faults = [f"missing: {name}" for name in sorted(set(sealed) - set(found))]
    faults += [f"not in the manifest: {name}" for name in sorted(set(found) - set(sealed))]
    both = sorted(set(found) & set(sealed))
    faults += [f"altered: {name}" for name in both if sealed[name] != _digest(found[name])]
    return [_printable(fault) for fault in faults]


def _printable(text: str) -> str:
    """Text of a file that anyone may have written, without terminal control characters."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _ledger(bundle: Path) -> LedgerRead | None:
    try:
        return read_ledger(bundle / LEDGER)
    except BadInput:
        return None


def _files(bundle: Path) -> list[tuple[str, Path]]:
    """Everything below the bundle that is not a directory, including links and pipes."""
    found = [
        (path.relative_to(bundle).as_posix(), path)
        for path in bundle.rglob("*")
        if path.is_symlink() or not path.is_dir()
    ]
    return sorted(one for one in found if one[0] not in _OUTSIDE)


def _digest(path: Path) -> str | None:
    """The SHA-256 of a file; None for a link or anything that cannot be read as a file."""
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        return b""


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp")


def _replace(path: Path, data: bytes) -> None:
    temporary = _temporary(path)
    temporary.write_bytes(data)
    temporary.replace(path)


def _sign(files: Mapping[str, str], key: str) -> str:
    text = json.dumps(files, sort_keys=True, separators=(",", ":")).encode()
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
