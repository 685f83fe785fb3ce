"""The certificates of one control plane: a CA of its own, and a key pair for each of its parts.

They are written into one folder that only its owner may read, and are valid for a day: no control
plane of a testbed lives longer.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = datetime.timedelta(days=1)
SLACK = datetime.timedelta(minutes=5)
LOCAL = "127.0.0.1"
SERVED_AS = ("localhost", "kubernetes.default.svc")


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and of its key."""

    certificate: Path
    key: Path


class Authority:
    """A CA that exists as long as this object; its key is never written."""

    def __init__(self, folder: Path, now: datetime.datetime) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("muster-testbed", ())
        whole = x509.BasicConstraints(ca=True, path_length=0)
        built = self._begun(self._name, self._key.public_key()).add_extension(whole, critical=True)
        self.file = folder / "ca.crt"
        self.file.write_bytes(_pem(built.sign(self._key, hashes.SHA256())))

    def pair(self, name: str, groups: Sequence[str] = ()) -> Pair:
        """A key pair for the user `name` in `groups`, good as a client and as a server here."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(one) for one in SERVED_AS]
        names.append(x509.IPAddress(ipaddress.ip_address(LOCAL)))
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        built = (
            self._begun(_name(name, groups), key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        )
        stem = name.replace(":", "-")
        found = Pair(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        found.certificate.write_bytes(_pem(built.sign(self._key, hashes.SHA256())))
        write_key(found.key, key)
        return found

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - SLACK)
            .not_valid_after(self._now + LIFE)
        )


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a private key that only its owner may read."""
    text = key.private_bytes(
        serialization.Encoding.PEM,
        # The API server reads a public key out of this form only.
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)


def _name(user: str, groups: Sequence[str]) -> x509.Name:
    """As Kubernetes reads it: the common name is the user, each organisation a group."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
