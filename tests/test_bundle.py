"""The seal over a bundle: accidents show by hash, intent by signature."""

from __future__ import annotations

import json

import pytest
from bundle_maker import Story, make_bundle
from click.testing import CliRunner

from muster.bundle import MANIFEST, check_seal, seal
from muster.cli import drill
from muster.errors import BadInput


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.delenv("MUSTER_SIGNING_KEY", raising=False)
    (tmp_path / "charts").mkdir()
    (tmp_path / "ledger.jsonl").write_text("{}\n")
    (tmp_path / "charts" / "split.svg").write_text("<svg/>")
    seal(tmp_path)
    return tmp_path


def test_an_untouched_bundle_is_whole(bundle):
    """Nothing to say, and no signature that could have been checked."""
    assert check_seal(bundle) == check_seal(bundle)
    found = check_seal(bundle)
    assert (found.intact, found.faults, found.signed) == (True, (), None)


@pytest.mark.parametrize(
    ("touch", "fault"),
    [
        (lambda b: (b / "ledger.jsonl").write_text("{ }\n"), "altered: ledger.jsonl"),
        (lambda b: (b / "charts" / "split.svg").unlink(), "missing: charts/split.svg"),
        (lambda b: (b / "more.txt").write_text(""), "not in the manifest: more.txt"),
    ],
)
def test_each_accident_is_named(bundle, touch, fault):
    """Altered, missing, or more than there was."""
    touch(bundle)
    found = check_seal(bundle)
    assert (found.intact, found.faults) == (False, (fault,))


def test_a_signature_finds_intent(bundle, monkeypatch):
    """Whoever alters a file and its hash does not have the key."""
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "the key")
    seal(bundle)
    assert check_seal(bundle).signed is True
    (bundle / "ledger.jsonl").write_text("other\n")
    signature = json.loads((bundle / MANIFEST).read_text())["hmac_sha256"]
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "another key")
    seal(bundle)
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["hmac_sha256"] = signature
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    monkeypatch.setenv("MUSTER_SIGNING_KEY", "the key")
    found = check_seal(bundle)
    assert (found.intact, found.signed) == (False, False)
    assert found.faults == ("the signature does not fit the manifest",)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 3}', '{"sha256": ["a"]}'])
def test_what_is_no_manifest_is_refused(bundle, text):
    """One line, exit 2."""
    (bundle / MANIFEST).write_text(text)
    with pytest.raises(BadInput, match="manifest"):
        check_seal(bundle)
    (bundle / MANIFEST).unlink()
    with pytest.raises(BadInput, match="a sealed bundle"):
        check_seal(bundle)


def test_judging_anew_never_seals_altered_evidence(tmp_path, monkeypatch):
    """`judge --write` over a changed file would hide the change: refused, nothing written."""
    monkeypatch.delenv("MUSTER_SIGNING_KEY", raising=False)
    made = make_bundle(tmp_path / "bundle", Story())
    seal(made)
    before = (made / MANIFEST).read_bytes()
    (made / "config.json").write_text("{}")
    result = CliRunner().invoke(drill, ["judge", str(made), "--write"])
    assert result.exit_code == 2
    assert "altered: config.json" in result.output
    assert (made / MANIFEST).read_bytes() == before
    assert not (made / "verdict.json").exists()
