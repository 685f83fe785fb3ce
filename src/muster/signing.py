"""Ed25519 keys that sign evidence, and public keys that verify it.

The private key is a PEM file (PKCS#8), named by `MUSTER_SIGNING_KEY_FILE`; its password, if it has
one, is in `MUSTER_SIGNING_KEY_PASSWORD`. A verifier needs only the public key (PEM, SPKI): files
named by `--key` or, joined by `:`, in `MUSTER_VERIFY_KEY_FILE`. A key is named by its fingerprint,
as `ssh-keygen` and the DSSE libraries compute it. No message contains key material.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from muster.errors import BadInput

SIGNING_KEY_FILE = "MUSTER_SIGNING_KEY_FILE"
SIGNING_KEY_PASSWORD = "MUSTER_SIGNING_KEY_PASSWORD"
VERIFY_KEY_FILE = "MUSTER_VERIFY_KEY_FILE"
PRIVATE_NAME = "signing-key.pem"
PUBLIC_NAME = "verify-key.pem"
_FORBIDDEN_MODE = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
_BYTES_MAX = 64 * 1024


@dataclass(frozen=True)
class VerifyKey:
    """A public key. `name` is its fingerprint, `SHA256:…`."""

    name: str
    key: Ed25519PublicKey = field(repr=False)

    def fits(self, signature: bytes, data: bytes) -> bool:
        """Whether this key's private half made `signature` over `data`."""
        try:
            self.key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def pem(self) -> bytes:
        """The key as a PEM file (SPKI)."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_bytes(serialization.Encoding.PEM, form)


@dataclass(frozen=True)
class SigningKey:
    """A private key; it is never printed."""

    public: VerifyKey
    key: Ed25519PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self.key.sign(data)


def signing_key() -> SigningKey | None:
    """The key that `MUSTER_SIGNING_KEY_FILE` names; None if it is not set. Raises BadInput."""
    named = os.environ.get(SIGNING_KEY_FILE)
    return read_private(Path(named), SIGNING_KEY_FILE) if named else None


def verify_keys(files: Sequence[Path] = ()) -> tuple[VerifyKey, ...]:
    """Public keys of `files`, else of `MUSTER_VERIFY_KEY_FILE`, else of the own signing key.

    Empty if none is named. Raises BadInput for a file that holds none.
    """
    if files:
        return tuple(read_public(path, "--key") for path in files)
    named = os.environ.get(VERIFY_KEY_FILE, "")
    if named:
        paths = [Path(one) for one in named.split(os.pathsep) if one]
        return tuple(read_public(path, VERIFY_KEY_FILE) for path in paths)
    own = signing_key()
    return () if own is None else (own.public,)


def read_private(path: Path, named_by: str) -> SigningKey:
    """The private key in `path`. Raises BadInput, also for a file that others can read."""
    wanted = "an Ed25519 private key as PEM (PKCS#8); `chaos drill key new DIR` makes one"
    raw = _read(path, named_by, wanted)
    _guarded(path, named_by)
    password = os.environ.get(SIGNING_KEY_PASSWORD) or None
    try:
        key = serialization.load_pem_private_key(raw, password and password.encode())
    except TypeError as error:
        # The library's two cases: a password for a key without one, or none for a key with one.
        wanted = f"its password in {SIGNING_KEY_PASSWORD}; no password for an unencrypted key"
        raise BadInput(path, named_by, "a key that does not fit the password", wanted) from (error)
    except (ValueError, UnsupportedAlgorithm) as error:
        what = (
            "not a readable key" if password is None else "a key that the password does not decrypt"
        )
        raise BadInput(path, named_by, what, wanted) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(path, named_by, type(key).__name__.lstrip("_"), wanted)
    return SigningKey(_public(key.public_key()), key)


def read_public(path: Path, named_by: str) -> VerifyKey:
    """The public key in `path`. Raises BadInput; a private key is refused as well."""
    wanted = "an Ed25519 public key as PEM (SPKI)"
    raw = _read(path, named_by, wanted)
    if b"PRIVATE KEY" in raw:
        raise BadInput(
            path, named_by, "a private key", f"{wanted}: do not give the private key to others"
        )
    try:
        key = serialization.load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(path, named_by, "not a readable key", wanted) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput(path, named_by, type(key).__name__.lstrip("_"), wanted)
    return _public(key)


def new_pair(directory: Path) -> tuple[Path, Path, VerifyKey]:
    """A new pair as `signing-key.pem` (mode 0600) and `verify-key.pem` in `directory`.

    The private key is encrypted if `MUSTER_SIGNING_KEY_PASSWORD` is set. Raises BadInput if either
    file exists already or cannot be written; then neither file is left behind.
    """
    private, public = directory / PRIVATE_NAME, directory / PUBLIC_NAME
    key = Ed25519PrivateKey.generate()
    password = os.environ.get(SIGNING_KEY_PASSWORD)
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password.encode())
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, encryption)
    found = _public(key.public_key())
    for path in (private, public):
        if path.exists():
            raise BadInput(
                path, "", "an existing file", "no existing key, because no key is replaced"
            )
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(private, secret, 0o600)
        try:
            _write(public, found.pem(), 0o644)
        except OSError:
            with suppress(OSError):
                private.unlink()
            raise
    except OSError as error:
        raise BadInput(directory, "", error.strerror, "a directory to write a key to") from error
    return private, public, found


def _public(key: Ed25519PublicKey) -> VerifyKey:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + len(raw).to_bytes(4, "big") + raw
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return VerifyKey(f"SHA256:{digest}", key)


def _read(path: Path, named_by: str, wanted: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_BYTES_MAX)
    except OSError as error:
        raise BadInput(path, named_by, error.strerror, wanted) from error


def _guarded(path: Path, named_by: str) -> None:
    """A group may read the file, because containers mount secrets like that; nobody else may."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _FORBIDDEN_MODE:
        wanted = f"a file that nobody else can read or write: chmod 600 {path}"
        raise BadInput(path, named_by, f"mode {mode:04o}", wanted)


def _write(path: Path, data: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
