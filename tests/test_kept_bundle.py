"""A bundle of an earlier version is still whole, and is still judged as it was."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from muster.cli import drill
from muster.judge.verdict import judge

KEPT = Path(__file__).parent / "kept" / "region_failover.tar.xz"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kept bundle, unpacked."""
    folder = tmp_path_factory.mktemp("kept")
    with tarfile.open(KEPT) as packed:
        packed.extractall(folder)
    return next(folder.iterdir())


def test_its_findings_are_as_they_were(bundle: Path) -> None:
    """The verdict, and status, figure and threshold of every finding that it had."""
    kept = json.loads((bundle / "verdict.json").read_text())
    now = json.loads(json.dumps(judge(bundle).document))
    assert now["verdict"] == kept["verdict"] == "PASS"

    def told(document: dict) -> dict:
        return {
            (one["slo"], one["phase"], one["region"], one["source"]): (
                one["status"], one["measured"], one["threshold"], one["samples"],
            )
            for one in document["findings"]
        }  # fmt: skip

    before, after = told(kept), told(now)
    assert len(before) > 100
    assert {key: after.get(key) for key in before} == before
    assert kept["timings_s"] == now["timings_s"]
    assert kept["undo"] == now["undo"]


def test_its_seal_is_whole(bundle: Path) -> None:
    """`chaos drill judge` believes it and exits 0."""
    said = CliRunner().invoke(drill, ["judge", str(bundle)])
    assert said.exit_code == 0, said.output
    assert "PASS" in said.output
    assert "altered" not in said.output


def test_it_is_noticed_when_it_is_altered(bundle: Path) -> None:
    """One figure of its samples changed: nothing of it is believed."""
    samples = bundle / "samples.jsonl"
    whole = samples.read_bytes()
    try:
        samples.write_bytes(whole.replace(b"0.1", b"0.2", 1))
        said = CliRunner().invoke(drill, ["judge", str(bundle)])
    finally:
        samples.write_bytes(whole)
    assert said.exit_code == 3
    assert "altered: samples.jsonl" in said.output
