"""The seal over a bundle: accidents show by hash, intent by signature."""

from __future__ import annotations

import json
import os

import pytest
from bundle_maker import make_bundle
from click.testing import CliRunner

from muster.bundle import MANIFEST, check_seal, seal
from muster.cli import drill
from muster.errors import BadInput
from muster.ledger import Ledger, read_ledger


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    for name in ("MUSTER_SIGNING_KEY", "MUSTER_SIGNING_KEY_FILE", "MUSTER_VERIFY_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
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
def test_what_is_no_manifest_is_not_trusted(bundle, text):
    """It says so in words; where there is no bundle at all it is one line, exit 2."""
    (bundle / MANIFEST).write_text(text)
    found = check_seal(bundle)
    assert (found.trusted, found.state) == (False, "unreadable")
    assert found.why == ("manifest.json is not a readable manifest",)
    (bundle / MANIFEST).unlink()
    (bundle / "ledger.jsonl").unlink()
    with pytest.raises(BadInput, match="a directory without manifest"):
        check_seal(bundle)


def test_a_bundle_without_a_manifest_says_how_far_its_drill_came(bundle):
    """Ended and unsealed, cut off, and still running are told apart."""
    (bundle / MANIFEST).unlink()
    (bundle / "ledger.jsonl").write_text('{"seq":1,"event":"drill_started"}\n')
    assert (check_seal(bundle).state, check_seal(bundle).trusted) == ("unended", False)
    assert "cut off before its end" in check_seal(bundle).line()
    running = check_seal(bundle, running=lambda drill_id: drill_id == bundle.name)
    assert (running.state, running.trusted) == ("running", False)
    assert "still running" in running.line()
    (bundle / "ledger.jsonl").write_text('{"seq":1,"event":"drill_ended"}\n')
    assert check_seal(bundle).state == "removed"
    assert "the seal was removed or never written" in check_seal(bundle).line()


def test_links_and_pipes_are_no_files_to_seal(bundle):
    """What was put there as anything but a file is named, and nobody waits to read it."""
    (bundle / "more").symlink_to("/")
    os.mkfifo(bundle / "pipe")
    assert check_seal(bundle).faults == (
        "not in the manifest: more",
        "not in the manifest: pipe",
    )


def test_the_manifest_pins_the_head_of_the_ledgers_chain(bundle):
    """Another head is named; a manifest of an older version has none and is taken as it is."""
    ledger = bundle / "ledger.jsonl"
    ledger.unlink()
    Ledger(ledger).append("drill_started")
    seal(bundle)
    manifest = json.loads((bundle / MANIFEST).read_text())
    assert manifest["ledger_chain"] == read_ledger(ledger).head
    (bundle / MANIFEST).write_text(json.dumps({**manifest, "ledger_chain": "0" * 64}))
    assert check_seal(bundle).faults == (
        "altered: ledger.jsonl: its hash chain ends with another line",
    )
    del manifest["ledger_chain"]
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    assert check_seal(bundle).intact


def test_judging_anew_never_seals_altered_evidence(tmp_path, monkeypatch):
    """`judge --write` over a changed file would hide the change: refused, nothing written."""
    monkeypatch.delenv("MUSTER_SIGNING_KEY", raising=False)
    made = make_bundle(tmp_path / "bundle")
    seal(made)
    before = (made / MANIFEST).read_bytes()
    (made / "config.json").write_text("{}")
    result = CliRunner().invoke(drill, ["judge", str(made), "--write"])
    assert result.exit_code == 2
    assert "altered: config.json" in result.output
    assert (made / MANIFEST).read_bytes() == before
    assert not (made / "verdict.json").exists()
