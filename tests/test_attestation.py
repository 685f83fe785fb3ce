"""The verdict as an in-toto attestation, checked by hand with the library's own verifier."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from bundle_maker import Story, make_bundle
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from muster import dsse
from muster.attestation import ATTESTATION, result_of, statement
from muster.bundle import MANIFEST, check_seal, seal
from muster.judge.verdict import judge, write_verdict
from muster.signing import new_pair, verify_keys

TYPE = b"application/vnd.in-toto+json"


@pytest.fixture
def keys(tmp_path, monkeypatch):
    for name in ("MUSTER_SIGNING_KEY", "MUSTER_VERIFY_KEY_FILE", "MUSTER_SIGNING_KEY_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    found = new_pair(tmp_path / "keys")
    monkeypatch.setenv("MUSTER_SIGNING_KEY_FILE", str(found[0]))
    return found


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    made = make_bundle(tmp_path_factory.mktemp("attested") / "bundle")
    write_verdict(made, judge(made))
    return made


@pytest.fixture
def bundle(judged, keys):
    assert seal(judged) == ""
    return judged


def public_of(keys):
    return serialization.load_pem_public_key(keys[1].read_bytes())


def test_the_encoding_is_the_standards_own_example():
    """Byte for byte the example in the DSSE protocol; lengths are of bytes, not of characters."""
    said = dsse.pae("http://example.com/HelloWorld", b"hello world")
    assert said == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert dsse.pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_the_library_alone_verifies_it_over_an_encoding_built_by_hand(bundle, keys):
    """Nothing of Muster's own takes part."""
    document = json.loads((bundle / ATTESTATION).read_bytes())
    assert set(document) == {"payload", "payloadType", "signatures"}
    assert document["payloadType"].encode() == TYPE
    payload = base64.b64decode(document["payload"], validate=True)
    (signature,) = document["signatures"]
    assert signature["keyid"] == keys[2].name
    raw = b" ".join([b"DSSEv1", b"28", TYPE, str(len(payload)).encode(), payload])
    public_of(keys).verify(base64.b64decode(signature["sig"], validate=True), raw)
    with pytest.raises(InvalidSignature):
        public_of(keys).verify(base64.b64decode(signature["sig"]), payload)


def test_the_statement_is_a_test_result_about_the_manifest(bundle):
    """Its shape is the specification's; what kind of evidence it is stands in the predicate."""
    said = json.loads(base64.b64decode(json.loads((bundle / ATTESTATION).read_bytes())["payload"]))
    manifest = (bundle / MANIFEST).read_bytes()
    assert set(said) == {"_type", "subject", "predicateType", "predicate"}
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert said["subject"] == [
        {"name": "manifest.json", "digest": {"sha256": hashlib.sha256(manifest).hexdigest()}}
    ]
    predicate = said["predicate"]
    assert set(predicate) == {
        "result", "configuration", "passedTests", "warnedTests", "failedTests",
    }  # fmt: skip
    assert (predicate["result"], predicate["failedTests"]) == ("WARNED", [])
    assert predicate["warnedTests"] == ["evidence/testbed"]
    assert "verdict" in predicate["passedTests"]
    assert "dark/success_2xx/G/client" in predicate["passedTests"]
    sealed = json.loads(manifest)["sha256"]
    assert ATTESTATION not in sealed
    assert [(one["name"], one["digest"]["sha256"]) for one in predicate["configuration"]] == [
        (name, sealed[name]) for name in ("config.json", "contract.yaml", "target.yaml")
    ]
    annotations = predicate["configuration"][0]["annotations"]
    assert (annotations["evidence"], annotations["verdict"]) == ("testbed", "PASS")


@pytest.mark.parametrize(
    ("verdict", "evidence", "result"),
    [
        ("PASS", "gate", "PASSED"),
        ("PASS", "testbed", "WARNED"),
        ("PASS", "rehearsal", "WARNED"),
        ("PASS", None, "WARNED"),
        *[(v, "gate", "FAILED") for v in ("FAIL", "INCONCLUSIVE", "ABORTED", "ROLLBACK_FAILED")],
        (None, "gate", "FAILED"),
    ],
)
def test_only_a_pass_of_gate_evidence_is_passed(verdict, evidence, result):
    """A policy that asks for PASSED alone admits no testbed."""
    assert result_of({"verdict": verdict, "evidence": evidence}) == result


def test_each_finding_is_named_by_how_it_went():
    """Unknown is failed, not judged is a warning, and of two with one name the worse counts."""
    findings = [
        {"slo": "a", "phase": "dark", "status": "pass"},
        {"slo": "b", "phase": "dark", "status": "unknown"},
        {"slo": "c", "phase": "dark", "status": "not_judged"},
        {"slo": "d", "phase": "dark", "status": "pass"},
        {"slo": "d", "phase": "dark", "status": "fail"},
        {"slo": "e", "phase": "dark", "status": "something new"},
    ]
    said = statement(
        b"", {"config.json": "0"}, {"verdict": "FAIL", "evidence": "gate", "findings": findings}
    )["predicate"]
    assert said["passedTests"] == ["dark/a"]
    assert said["warnedTests"] == ["dark/c"]
    assert said["failedTests"] == ["dark/b", "dark/d", "dark/e", "verdict"]


def test_a_signed_bundle_is_verified_by_the_public_key_alone(bundle, keys, monkeypatch):
    """And by no other key; without one it is not verified, and the line says what gives the key."""
    monkeypatch.delenv("MUSTER_SIGNING_KEY_FILE")
    found = check_seal(bundle, verify_keys([keys[1]]))
    assert (found.trusted, found.signed) == (True, True)
    assert found.line() == f"seal: intact, Ed25519 by {keys[2].name} holds"
    other = new_pair(keys[0].parent / "other")
    found = check_seal(bundle, verify_keys([other[1]]))
    assert (found.trusted, found.signed) == (False, False)
    assert "none of the given keys made its signature" in found.line()
    assert check_seal(bundle, verify_keys([other[1], keys[1]])).signed is True
    found = check_seal(bundle)
    assert (found.trusted, found.signed) == (True, None)
    assert "no --key, and MUSTER_VERIFY_KEY_FILE is not set" in found.line()


def rewritten(bundle, change):
    """The envelope with `change` made to its document."""
    path = bundle / ATTESTATION
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def flipped(text, at):
    raw = bytearray(base64.b64decode(text))
    raw[at] ^= 1
    return base64.b64encode(bytes(raw)).decode()


def flip_payload(at):
    return lambda d: d.update(payload=flipped(d["payload"], at))


def flip_signature(at):
    return lambda d: d["signatures"][0].update(sig=flipped(d["signatures"][0]["sig"], at))


@pytest.mark.parametrize(
    "change",
    [
        flip_payload(0),
        flip_payload(100),
        flip_payload(-1),
        flip_signature(0),
        flip_signature(31),
        flip_signature(32),
        flip_signature(63),
        lambda d: d.update(payloadType="application/vnd.in-toto+jsom"),
        lambda d: d.update(payloadType="application/json"),
        lambda d: d.update(payloadType=3),
        lambda d: d.update(signatures=[]),
        lambda d: d["signatures"][0].update(sig=""),
        lambda d: d["signatures"][0].update(sig="%"),
        lambda d: d.pop("signatures"),
        lambda d: d.pop("payload"),
        lambda d: d["signatures"].append(3),
    ],
)
def test_a_changed_envelope_verifies_no_more(bundle, change):
    """Payload, type and signature, each at its edges and within."""
    assert check_seal(bundle).signed is True
    rewritten(bundle, change)
    found = check_seal(bundle)
    assert (found.trusted, found.signed) == (False, False)
    assert found.faults[0].startswith("attestation.dsse.json: ")


def test_an_envelope_may_use_either_base64_and_more_signatures_than_ours(bundle):
    """As the standard has it; a key's name in it is a hint that decides nothing."""

    def change(document):
        document["payload"] = document["payload"].replace("+", "-").replace("/", "_")
        document["signatures"].insert(0, {"sig": base64.b64encode(b"x" * 64).decode()})
        document["signatures"][1]["keyid"] = "somebody"

    rewritten(bundle, change)
    assert check_seal(bundle).signed is True


def test_an_attestation_of_another_bundle_does_not_fit(bundle, keys, tmp_path):
    """Signed by the right key, about another manifest."""
    other = make_bundle(tmp_path / "other", Story(build="2.0.0"))
    write_verdict(other, judge(other))
    seal(other)
    (bundle / ATTESTATION).write_bytes((other / ATTESTATION).read_bytes())
    found = check_seal(bundle)
    assert (found.trusted, found.faults) == (
        False, ("attestation.dsse.json: it is about another manifest",)
    )  # fmt: skip


def test_a_manifest_made_anew_over_changed_files_is_found(bundle, monkeypatch):
    """Whoever alters a file and its hash, and has no key, leaves a signature that does not fit."""
    kept = (bundle / ATTESTATION).read_bytes()
    verdict = (bundle / "verdict.json").read_bytes()
    try:
        (bundle / "verdict.json").write_bytes(verdict.replace(b'"testbed"', b'"gate"'))
        with monkeypatch.context() as patch:
            patch.delenv("MUSTER_SIGNING_KEY_FILE")
            seal(bundle)
        assert not (bundle / ATTESTATION).exists()
        assert check_seal(bundle).signed is False
        (bundle / ATTESTATION).write_bytes(kept)
        found = check_seal(bundle)
        assert found.faults == (
            "attestation.dsse.json: it is about another manifest",
            "attestation.dsse.json: its result is not the one in verdict.json",
        )
    finally:
        (bundle / "verdict.json").write_bytes(verdict)


def test_both_signatures_are_told_apart(bundle, keys, monkeypatch):
    """An HMAC beside the attestation: each is verified by its own key, and both are named."""
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "shared")
    seal(bundle)
    assert check_seal(bundle).signature == f"HMAC holds; Ed25519 by {keys[2].name} holds"
    monkeypatch.delenv("MUSTER_SIGNING_KEY")
    found = check_seal(bundle)
    assert (found.signed, found.signature.split("; ")[0]) == (
        True, "HMAC not verified: MUSTER_SIGNING_KEY is not set",
    )  # fmt: skip
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "another")
    assert check_seal(bundle).trusted is False


def test_an_hmac_is_not_taken_for_the_signature_that_a_key_asks_for(bundle, keys, monkeypatch):
    """A public key at hand wants its own signature; an HMAC that nobody can check is none."""
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "shared")
    monkeypatch.delenv("MUSTER_SIGNING_KEY_FILE")
    seal(bundle)
    monkeypatch.delenv("MUSTER_SIGNING_KEY")
    found = check_seal(bundle, verify_keys([keys[1]]))
    assert (found.trusted, found.signed) == (False, False)
    # Nor where it can be checked: whoever can check it can make it.
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "shared")
    found = check_seal(bundle, verify_keys([keys[1]]))
    assert (found.trusted, found.signed) == (False, False)
    assert found.signature == "HMAC holds; the key at hand is of the other kind"
    assert check_seal(bundle, ()).signed is True


def test_no_key_material_comes_into_the_bundle(bundle, keys):
    """Neither the PEM's text nor the raw key, in any file."""
    pem = keys[0].read_text().splitlines()[1]
    raw = serialization.load_pem_private_key(keys[0].read_bytes(), None).private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    for path in bundle.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert pem.encode() not in content
            assert raw not in content
            assert raw.hex().encode() not in content
            assert base64.b64encode(raw) not in content


def test_a_key_that_is_gone_at_the_end_leaves_a_sealed_bundle_and_a_reason(bundle, keys):
    """The verdict is kept; a gate takes no such bundle."""
    keys[0].unlink()
    assert "No such file or directory" in seal(bundle)
    assert not (bundle / ATTESTATION).exists()
    assert check_seal(bundle, ()).intact
