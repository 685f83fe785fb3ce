"""The load over https: the certificate is checked against the host that was named."""

from __future__ import annotations

import asyncio
import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from load_peers import Peer, config, outcomes, running, streaming, until

from muster.load.lookup import LiteralLookup


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate of chat.muster.test with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "chat.muster.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("chat.muster.test")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


async def offered(path, host, wanted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    one = Peer(streaming)
    server = await asyncio.start_server(one.handle, "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        given = config(port, url=f"https://{host}:{port}/v1")
        async with running(given, LiteralLookup("127.0.0.1")) as engine:
            await until(lambda: sum(outcomes(engine).values()) >= wanted)
            return set(outcomes(engine))
    finally:
        server.close()


def test_streams_go_over_tls(certificate, monkeypatch):
    """A certificate that is trusted and names the host: successes."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert asyncio.run(offered(certificate, "chat.muster.test", 20)) == {"success"}


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_that_does_not_fit_is_no_connection(certificate, monkeypatch, trusted):
    """Another host's name, or an issuer that nobody trusts: the attempt is refused."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    host = "other.muster.test" if trusted else "chat.muster.test"
    assert asyncio.run(offered(certificate, host, 5)) == {"refused"}
