"""Seals as an editor leaves them: a fault that is told, never a traceback."""

from __future__ import annotations

import base64
import json

import pytest

from muster.attestation import ATTESTATION, PREDICATE_TYPE, STATEMENT_TYPE
from muster.bundle import MANIFEST, check_seal, seal
from muster.errors import BadInput

VERDICT = {"verdict": "PASS", "evidence": "gate"}


@pytest.fixture
def sealed(tmp_path, monkeypatch):
    for name in ("MUSTER_SIGNING_KEY", "MUSTER_VERIFY_KEY_FILE", "MUSTER_SIGNING_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("config.json", "verdict.json"):
        (tmp_path / name).write_text(json.dumps(VERDICT))
    (tmp_path / "ledger.jsonl").write_text("")
    assert seal(tmp_path) == ""
    return tmp_path


def envelope(payload, kind="application/vnd.in-toto+json", sig="AAAA"):
    text = base64.b64encode(json.dumps(payload).encode()).decode()
    return json.dumps({"payload": text, "payloadType": kind, "signatures": [{"sig": sig}]})


def statement(annotations, **more):
    configuration = [{"name": "config.json", "annotations": annotations, **more}]
    return {
        "_type": STATEMENT_TYPE,
        "predicateType": PREDICATE_TYPE,
        "subject": [{"digest": {"sha256": "0"}}],
        "predicate": {"result": "PASSED", "configuration": configuration},
    }


@pytest.mark.parametrize(
    "written",
    [
        envelope(statement(None)),
        envelope(statement(5)),
        envelope(statement("evidence")),
        envelope(statement(["evidence"])),
        envelope(statement({}), kind="\ud800"),
        envelope([]),
        envelope({"subject": None}),
        "[" * 100_000,
        json.dumps({"payload": "é", "payloadType": "x", "signatures": [{"sig": "AAAA"}]}),
        json.dumps({"payload": "AAAA", "payloadType": "x", "signatures": 5}),
        json.dumps({"payload": "AAAA", "payloadType": "x", "signatures": [{"sig": None}]}),
    ],
    ids=range(11),
)
def test_an_attestation_that_is_none_is_a_fault(sealed, written):
    """Whatever was written into the file."""
    (sealed / ATTESTATION).write_text(written)
    found = check_seal(sealed)
    assert not found.trusted
    assert any(fault.startswith(ATTESTATION) for fault in found.faults)


@pytest.mark.parametrize("told", ["\ud800", 5, None, "", {}])
def test_an_hmac_that_is_none_does_not_fit(sealed, monkeypatch, told):
    """And is no traceback."""
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "k")
    manifest = json.loads((sealed / MANIFEST).read_bytes())
    (sealed / MANIFEST).write_text(json.dumps({**manifest, "hmac_sha256": told}))
    assert check_seal(sealed).signed is False


@pytest.mark.parametrize(
    "written",
    [
        "[" * 100_000,
        "[]",
        "5",
        '{"sha256":[]}',
        '{"sha256":{"a":5}}',
        '"x"',
        "\x00",
        '{"schema_version":1,"sha256":{"\\ud800":"0"}}',
    ],
)
def test_a_manifest_that_is_none_is_not_trusted(sealed, written):
    """In one line that can be printed."""
    (sealed / MANIFEST).write_text(written)
    found = check_seal(sealed)
    assert not found.trusted
    found.line().encode()


@pytest.mark.parametrize("version", [None, True, "1", 1.0, [1]])
def test_a_manifest_whose_version_is_none_is_not_trusted(sealed, version):
    """It is no seal of another version, but one that was damaged or made up."""
    manifest = json.loads((sealed / MANIFEST).read_bytes())
    (sealed / MANIFEST).write_text(json.dumps({**manifest, "schema_version": version}))
    assert not check_seal(sealed).trusted


@pytest.mark.parametrize("version", [0, 2])
def test_a_manifest_of_another_version_is_refused(sealed, version):
    """In one line that names it; what such a seal covers is not known here."""
    manifest = json.loads((sealed / MANIFEST).read_bytes())
    (sealed / MANIFEST).write_text(json.dumps({**manifest, "schema_version": version}))
    with pytest.raises(BadInput, match=r"schema_version: got .*another version of Muster") as told:
        check_seal(sealed)
    assert told.value.exit_code == 2


def test_a_files_name_moves_no_terminal(sealed):
    """What the seal says of a file is text alone."""
    (sealed / "\x1b]0;PASS\x07").write_text("")
    assert check_seal(sealed).faults == ("not in the manifest: \\x1b]0;PASS\\x07",)


def test_a_link_in_the_place_of_a_file_is_seen(sealed, tmp_path_factory):
    """Evidence stands in the bundle itself: what a link leads to may change at any time."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "config.json"
    (sealed / "config.json").rename(elsewhere)
    (sealed / "config.json").symlink_to(elsewhere)
    assert check_seal(sealed).faults == ("altered: config.json",)
