"""Keys that sign: made once, read only where nobody else can, and never shown."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from muster.cli import drill
from muster.drill.plan.room import check_room
from muster.errors import BadInput
from muster.signing import new_pair, read_private, read_public, signing_key, verify_keys

NAMES = (
    "MUSTER_SIGNING_KEY_FILE",
    "MUSTER_SIGNING_KEY_PASSWORD",
    "MUSTER_VERIFY_KEY_FILE",
    "MUSTER_SIGNING_KEY",
)


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def run(*arguments):
    result = CliRunner().invoke(drill, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_a_new_pair_signs_and_verifies(tmp_path):
    """The private file is its owner's alone; the public half is enough to verify."""
    code, output = run("key", "new", tmp_path / "keys")
    assert code == 0
    private, public = tmp_path / "keys" / "signing-key.pem", tmp_path / "keys" / "verify-key.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    key, other = read_private(private, "x"), read_public(public, "x")
    assert key.public.name == other.name
    assert other.name in output
    assert other.fits(key.sign(b"data"), b"data")
    assert not other.fits(key.sign(b"data"), b"date")
    assert not other.fits(b"", b"data")
    secret = "".join(private.read_text().splitlines()[1:-1])
    assert secret not in output
    assert secret not in repr(key)


@pytest.mark.parametrize("there", ["signing-key.pem", "verify-key.pem"])
def test_no_key_is_ever_replaced(tmp_path, there):
    """Either file that is there already stays as it is, and nothing is written beside it."""
    (tmp_path / there).write_text("mine")
    code, output = run("key", "new", tmp_path)
    assert (code, len(output.splitlines())) == (2, 1)
    assert (tmp_path / there).read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_the_fingerprint_is_the_one_that_ssh_keygen_shows(tmp_path):
    """The verifiers of in-toto envelopes derive a key's name in the same way."""
    _, public, found = new_pair(tmp_path)
    key = serialization.load_pem_public_key(public.read_bytes())
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (tmp_path / "k.pub").write_bytes(line + b"\n")
    try:
        told = subprocess.run(
            ["ssh-keygen", "-lf", str(tmp_path / "k.pub")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        pytest.skip("no ssh-keygen on this machine")
    assert told.split()[1] == found.name


def test_a_password_opens_the_key_that_it_closed(tmp_path, monkeypatch):
    """Without it, with another one, and with one where none is needed: a line each."""
    monkeypatch.setenv("MUSTER_SIGNING_KEY_PASSWORD", "open sesame")
    private, _, found = new_pair(tmp_path)
    assert b"ENCRYPTED" in private.read_bytes()
    assert read_private(private, "x").public.name == found.name
    monkeypatch.setenv("MUSTER_SIGNING_KEY_PASSWORD", "open barley")
    with pytest.raises(BadInput, match="a key that the password does not decrypt") as raised:
        read_private(private, "x")
    assert "barley" not in str(raised.value)
    monkeypatch.delenv("MUSTER_SIGNING_KEY_PASSWORD")
    with pytest.raises(BadInput, match="MUSTER_SIGNING_KEY_PASSWORD"):
        read_private(private, "x")
    plain = new_pair(tmp_path / "plain")[0]
    monkeypatch.setenv("MUSTER_SIGNING_KEY_PASSWORD", "open sesame")
    with pytest.raises(BadInput, match="does not fit the password"):
        read_private(plain, "x")


@pytest.mark.parametrize(
    ("mode", "taken"),
    [
        (0o600, True), (0o400, True), (0o640, True), (0o440, True),
        (0o644, False), (0o604, False), (0o660, False), (0o602, False), (0o777, False),
    ],
)  # fmt: skip
def test_a_private_key_that_others_can_read_is_refused(tmp_path, mode, taken):
    """Its group may read it, as mounted secrets are; nobody else, and nobody else may write it."""
    private = new_pair(tmp_path)[0]
    private.chmod(mode)
    if taken:
        read_private(private, "x")
        return
    with pytest.raises(BadInput, match="chmod 600"):
        read_private(private, "x")


def other_key(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.mark.parametrize("content", [None, b"", b"no key", b"\xff\xfe\x00", "ec", "public"])
def test_what_is_no_private_key_is_one_line(tmp_path, monkeypatch, content):
    """Absent, empty, garbage, another kind, the public half: exit 2, before anything is started."""
    path = tmp_path / "key.pem"
    if content == "ec":
        other_key(path)
    elif content == "public":
        path.write_bytes(new_pair(tmp_path / "pair")[1].read_bytes())
    elif content is not None:
        path.write_bytes(content)
    if content is not None:
        path.chmod(0o600)
    monkeypatch.setenv("MUSTER_SIGNING_KEY_FILE", str(path))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    with pytest.raises(BadInput, match="an Ed25519 private key as PEM") as raised:
        check_room()
    assert "\n" not in str(raised.value)
    assert "MUSTER_SIGNING_KEY_FILE" in str(raised.value)
    code, output = run("key", "show")
    assert (code, len(output.splitlines())) == (2, 1)


@pytest.mark.parametrize("content", [None, b"", b"no key", "ec", "private"])
def test_what_is_no_public_key_is_one_line(tmp_path, content):
    """A private key is refused too: a verifier has no business with it."""
    path = tmp_path / "key.pem"
    if content == "ec":
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        path.write_bytes(key.public_bytes(serialization.Encoding.PEM, form))
    elif content == "private":
        path.write_bytes(new_pair(tmp_path / "pair")[0].read_bytes())
    elif content is not None:
        path.write_bytes(content)
    code, output = run("key", "show", path)
    assert (code, len(output.splitlines())) == (2, 1)
    assert "expected an Ed25519 public key as PEM (SPKI)" in output


def test_keys_are_named_by_option_or_variable(tmp_path, monkeypatch):
    """Options first, then the variable with several files, then the own signing key's half."""
    first, second = new_pair(tmp_path / "a"), new_pair(tmp_path / "b")
    assert verify_keys() == ()
    assert signing_key() is None
    assert run("key", "show") == (0, "no key is set\n")
    monkeypatch.setenv("MUSTER_SIGNING_KEY_FILE", str(first[0]))
    assert [key.name for key in verify_keys()] == [first[2].name]
    monkeypatch.setenv("MUSTER_VERIFY_KEY_FILE", os.pathsep.join([str(second[1]), str(first[1])]))
    assert [key.name for key in verify_keys()] == [second[2].name, first[2].name]
    assert [key.name for key in verify_keys([first[1]])] == [first[2].name]
    code, output = run("key", "show", "--pem")
    assert code == 0
    assert output.startswith(f"signs: {first[2].name}\n-----BEGIN PUBLIC KEY-----\n")
    assert "PRIVATE" not in output


def test_a_key_of_another_tool_is_read(tmp_path):
    """PKCS#8 and SPKI, as openssl writes them."""
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "k.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    path.chmod(0o600)
    assert read_private(path, "x").sign(b"a") == key.sign(b"a")
