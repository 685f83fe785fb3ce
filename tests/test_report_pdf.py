"""`chaos drill report --pdf`: a PDF by the system's Chromium, sealed with the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundle_maker import make_bundle
from click.testing import CliRunner

from muster.bundle import check_seal
from muster.cli import drill
from muster.drill.conclude import conclude
from muster.errors import MusterError
from muster.reports import pdf


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A sealed bundle with its report."""
    made = make_bundle(tmp_path / "a")
    conclude(made)
    return made


@pytest.mark.skipif(not any(map(pdf.shutil.which, pdf.BROWSERS)), reason="no Chromium on PATH")
def test_the_page_is_printed_and_sealed(bundle: Path) -> None:
    """The PDF stands beside the page; a report written again without it takes it away."""
    said = CliRunner().invoke(drill, ["report", "--pdf", str(bundle)])
    assert said.exit_code == 0, said.output
    assert "report.pdf" in said.output
    assert (bundle / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert check_seal(bundle).intact
    assert CliRunner().invoke(drill, ["report", str(bundle)]).exit_code == 0
    assert not (bundle / "report.pdf").exists()
    assert check_seal(bundle).intact


def test_without_a_browser_nothing_is_written(bundle: Path, monkeypatch) -> None:
    """One line says what was looked for; the bundle is as it was."""
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    said = CliRunner().invoke(drill, ["report", "--pdf", str(bundle)])
    assert said.exit_code == 2
    assert "no-such-browser on PATH" in said.output
    assert said.output.count("\n") == 1
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo no display >&2", "printed nothing: no display"), ("sleep 600", "within 0.3 s")],
)
def test_a_browser_that_does_not_print_is_told_and_ended(
    bundle: Path, tmp_path: Path, monkeypatch, script: str, said: str
) -> None:
    """No PDF, no half of one, and no process stays."""
    program = tmp_path / "browser"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(pdf, "BROWSERS", (str(program),))
    with pytest.raises(MusterError, match=said):
        pdf.print_pdf(bundle, 0.3 if "sleep" in script else 30.0)
    assert not list(bundle.glob("*.pdf")) + list(bundle.glob(".*.pdf"))
