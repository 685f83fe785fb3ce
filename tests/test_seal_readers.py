"""Whoever reads a bundle looks at its seal first: judge, report, history and the gate."""

from __future__ import annotations

import json
import shutil
from xml.etree import ElementTree as ET

import pytest
from bundle_maker import make_bundle
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.bundle import MANIFEST, check_seal, seal
from muster.cli import drill
from muster.drill.conclude import conclude
from muster.drill.lock.runs import BeatFile, RunFiles
from muster.errors import BadInput
from muster.signing import new_pair, verify_keys

FILES = (
    "comparison.json",
    "config.json",
    "contract.yaml",
    "ledger.jsonl",
    "samples.jsonl",
    "target.yaml",
    "undo.jsonl",
    "verdict.json",
    "report.html",
    "report.md",
    "junit.xml",
)
NAMES = (
    "MUSTER_SIGNING_KEY",
    "MUSTER_SIGNING_KEY_FILE",
    "MUSTER_SIGNING_KEY_PASSWORD",
    "MUSTER_VERIFY_KEY_FILE",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A drill's bundle as its end leaves it: judged, reported, sealed; not signed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.delenv(name, raising=False)
        bundle = make_bundle(tmp_path_factory.mktemp("readers") / "out" / "bundle")
        assert conclude(bundle).verdict == "PASS"
    return bundle


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch, tmp_path):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def bundle(made, tmp_path):
    return shutil.copytree(made, tmp_path / "out" / "bundle")


def run(*arguments):
    result = CliRunner().invoke(drill, [str(argument) for argument in arguments])
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.output


def alter(path):
    path.write_bytes(path.read_bytes() + b"\n")


def refused_by_all(bundle, said):
    """Each reader says it, in words and in its exit code, and none says PASS."""
    code, output = run("judge", bundle)
    assert (code, said in output, "PASS" in output) == (3, True, False)
    code, output = run("judge", bundle, "--json")
    told = json.loads(output)
    assert (code, told["verdict"]) == (3, "INCONCLUSIVE")
    assert said in told["unknowns"]
    code, output = run("report", bundle)
    assert (code, said in output) == (3, True)
    (row,) = json.loads(run("history", "--out", bundle.parent, "--json")[1])
    assert (row["verdict"], row["evidence"], row["trusted"]) == ("", "", False)
    assert said in row["problem"]
    table = run("history", "--out", bundle.parent)[1]
    assert (said in table, "PASS" in table) == (True, False)
    asked = ("gate", "m3", bundle, "--allow-testbed", "--unsigned", "--age-days-max", 100000)
    code, output = run(*asked)
    assert code == 3
    assert f"REFUSED whole: bundle: {said}" in output


@pytest.mark.parametrize("name", FILES)
def test_every_reader_names_an_altered_or_missing_file(bundle, name):
    """Whichever file of the bundle it is; nothing is written."""
    alter(bundle / name)
    refused_by_all(bundle, f"altered: {name}")
    (bundle / name).unlink()
    refused_by_all(bundle, f"missing: {name}")
    assert not (bundle / name).exists()


def test_the_list_above_is_every_file_of_a_bundle(made):
    """But for the charts, which are many, and what the seal is made of."""
    found = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    charts = {name for name in found if name.startswith("charts/")}
    assert charts
    assert found - charts == {*FILES, MANIFEST}
    sealed = json.loads((made / MANIFEST).read_text())["sha256"]
    assert set(sealed) == found - {MANIFEST}


def test_every_reader_names_a_chart_and_a_file_too_many(bundle):
    """In a folder of the bundle as well."""
    chart = sorted((bundle / "charts").iterdir())[0]
    alter(chart)
    refused_by_all(bundle, f"altered: charts/{chart.name}")
    alter_back = chart.read_bytes()[:-1]
    chart.write_bytes(alter_back)
    (bundle / "charts" / "more.svg").write_text("<svg/>")
    refused_by_all(bundle, "not in the manifest: charts/more.svg")


def test_every_reader_says_that_the_manifest_is_gone(bundle):
    """The drill has ended, so somebody took it."""
    (bundle / MANIFEST).unlink()
    said = "no manifest.json: the drill has ended, so the seal was removed or never written"
    refused_by_all(bundle, said)


def test_a_drill_that_runs_is_told_from_one_that_was_cut_off(bundle):
    """By who is awake on this machine."""
    (bundle / MANIFEST).unlink()
    ledger = bundle / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(line for line in lines if "drill_ended" not in line))
    code, output = run("judge", bundle)
    assert (code, "cut off before its end" in output) == (3, True)
    files = RunFiles(bundle.name)
    files.make("testbed")
    beats = BeatFile(files, "drill")
    beats.write()
    try:
        code, output = run("judge", bundle)
        assert (code, "the drill is still running" in output) == (3, True)
        code, output = run("report", bundle, "--unsealed")
        assert (code, "a drill that is running" in output) == (2, True)
        assert "RUNNING" in run("history", "--out", bundle.parent)[1]
    finally:
        beats.close()


def test_whole_evidence_is_read_as_before(bundle):
    """The verdict, and that an unsigned seal shows accidents alone; the report is sealed again."""
    code, output = run("judge", bundle)
    assert code == 0
    assert output.startswith("PASS (synthetic-region_failover)")
    assert "seal: intact, not signed: it shows accidental changes, but not deliberate" in output
    assert "UNSEALED" not in output
    assert run("judge", bundle, "--json")[1] == (bundle / "verdict.json").read_text()
    (row,) = json.loads(run("history", "--out", bundle.parent, "--json")[1])
    assert (row["verdict"], row["seal"], row["trusted"]) == ("PASS", "unsigned", True)
    assert run("report", bundle)[0] == 0
    assert run("judge", bundle, "--write")[0] == 0
    assert check_seal(bundle).trusted
    assert "UNSEALED" not in (bundle / "report.html").read_text()


def test_unsealed_evidence_is_marked_wherever_it_is_read(bundle):
    """Console lines, verdict.json, page, draft and JUnit; and it is not sealed over."""
    before = (bundle / MANIFEST).read_bytes()
    alter(bundle / "config.json")
    code, output = run("judge", bundle, "--unsealed", "--write")
    assert code == 0
    assert all(line.endswith("[UNSEALED]") for line in output.splitlines())
    told = json.loads((bundle / "verdict.json").read_text())
    assert (told["notice"], told["unsealed"]) == ("UNSEALED", ["altered: config.json"])
    assert json.loads(run("judge", bundle, "--unsealed", "--json")[1])["notice"] == "UNSEALED"
    for name in ("report.html", "report.md"):
        page = (bundle / name).read_text()
        assert "UNSEALED" in page
        assert "altered: config.json" in page
    suite = ET.parse(bundle / "junit.xml").getroot()
    (error,) = suite.findall(".//testcase[@name='seal']/error")
    assert "altered: config.json" in error.get("message")
    seals = {p.get("value") for p in suite.findall(".//property[@name='seal']")}
    assert seals == {"UNSEALED"}
    code, output = run("report", bundle, "--unsealed")
    assert (code, all(line.endswith("[UNSEALED]") for line in output.splitlines())) == (0, True)
    assert "PASS [UNSEALED]" in run("history", "--out", bundle.parent, "--unsealed")[1]
    assert (bundle / MANIFEST).read_bytes() == before
    assert not check_seal(bundle).trusted


def test_a_report_of_unsealed_evidence_alone_is_marked(bundle):
    """Though verdict.json says nothing of it."""
    alter(bundle / "samples.jsonl")
    assert run("report", bundle, "--unsealed")[0] == 0
    assert "UNSEALED" in (bundle / "report.html").read_text()
    assert "UNSEALED" not in (bundle / "verdict.json").read_text()


def test_judging_anew_refuses_to_write_over_altered_evidence(bundle):
    """Without `--unsealed` one line, exit 2, and nothing changes."""
    alter(bundle / "samples.jsonl")
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    code, output = run("judge", bundle, "--write")
    assert (code, len(output.splitlines())) == (2, 1)
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before


def forge(bundle):
    """A verdict that the evidence does not give, under a seal made anew."""
    path = bundle / "ledger.jsonl"
    path.write_text(path.read_text().replace('"proven": true', '"proven": false'))
    told = json.loads((bundle / "verdict.json").read_text())
    assert told["verdict"] == "PASS"
    seal(bundle)


def test_a_verdict_that_the_evidence_does_not_give_is_told(bundle):
    """An unsigned seal can be made anew by anybody; the evidence is judged all the same."""
    forge(bundle)
    code, output = run("judge", bundle)
    assert code == 3
    said = (
        "verdict.json differs from what the evidence gives: verdict: on record PASS, judged INCON"
    )
    assert said in output
    code, output = run("gate", "m3", bundle, "--allow-testbed", "--unsigned")
    assert "REFUSED verdict.json: bundle: verdict: on record PASS, judged INCONCLUSIVE" in output
    told = json.loads((bundle / "verdict.json").read_text())
    told["findings"][0]["measured"] = 0.5
    (bundle / "verdict.json").write_text(json.dumps({**told, "verdict": "INCONCLUSIVE"}))
    seal(bundle)
    assert "gives: faults, findings, unknowns differ" in run("judge", bundle)[1]


def test_with_a_key_at_hand_an_unsigned_bundle_is_not_believed(bundle, tmp_path):
    """Whoever took the signature away would be believed otherwise."""
    public = new_pair(tmp_path / "keys")[1]
    code, output = run("judge", bundle, "--key", public)
    assert (code, "the manifest carries no signature" in output) == (3, True)
    assert run("report", bundle, "--key", public)[0] == 3
    table = run("history", "--out", bundle.parent, "--key", public)[1]
    assert ("UNTRUSTED" in table, "PASS" in table) == (True, False)
    code, output = run("judge", bundle, "--key", public, "--unsealed")
    assert (code, output.count("[UNSEALED]")) == (0, len(output.splitlines()))


def test_a_signed_bundle_is_signed_again_only_with_its_key(bundle, tmp_path, monkeypatch):
    """With the public key alone it is judged, and never written."""
    private, public, found = new_pair(tmp_path / "keys")
    with monkeypatch.context() as patch:
        patch.setenv("MUSTER_SIGNING_KEY_FILE", str(private))
        assert seal(bundle) == ""
        assert run("judge", bundle, "--write")[0] == 0
        assert run("report", bundle)[0] == 0
        assert check_seal(bundle).signed is True
    code, output = run("judge", bundle, "--key", public)
    assert (code, f"seal: intact, Ed25519 by {found.name} holds" in output) == (0, True)
    for command in (("judge", bundle, "--write"), ("report", bundle)):
        code, output = run(*command, "--key", public)
        assert (code, "MUSTER_SIGNING_KEY_FILE is not set" in output) == (2, True)
    assert check_seal(bundle, verify_keys([public])).signed is True
    assert "signed" in run("history", "--out", bundle.parent, "--key", public)[1]


def test_a_gate_takes_a_signed_bundle_with_the_public_key(bundle, tmp_path, monkeypatch):
    """Without the key it says which option gives one; with another key it is refused."""
    private, public, found = new_pair(tmp_path / "keys")
    monkeypatch.setenv("MUSTER_SIGNING_KEY_FILE", str(private))
    seal(bundle)
    monkeypatch.delenv("MUSTER_SIGNING_KEY_FILE")
    asked = ("gate", "m3", bundle, "--allow-testbed", "--age-days-max", 100000)
    output = run(*asked, "--key", public)[1]
    assert f"ok      signature: bundle: Ed25519 by {found.name} holds" in output
    output = run(*asked)[1]
    line = next(x for x in output.splitlines() if "signature" in x)
    assert line.startswith("REFUSED")
    assert "MUSTER_VERIFY_KEY_FILE (or --key)" in line
    output = run(*asked, "--unsigned")[1]
    assert "accepted by --unsigned" in output
    assert output.splitlines()[-1].endswith("[NOT A GATE] [UNSIGNED: bundle]")
    other = new_pair(tmp_path / "other")[1]
    for flags in ((), ("--unsigned",)):
        code, output = run(*asked, "--key", other, *flags)
        assert code == 3
        assert "REFUSED signature: bundle" in output


def trusted(bundle, keys):
    """Whether the seal is; one that says another version is refused, which is as good."""
    try:
        return check_seal(bundle, keys).trusted
    except BadInput:
        return False


@settings(max_examples=60)
@given(data=st.data())
def test_any_changed_byte_of_any_file_is_noticed(made, tmp_path_factory, data):
    """One byte of one file, whichever: also of the manifest, where it is signed."""
    folder = tmp_path_factory.getbasetemp() / "any-byte"
    bundle, keys = folder / "bundle", ()
    if not folder.exists():
        shutil.copytree(made, bundle)
        private = new_pair(folder / "keys")[0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MUSTER_SIGNING_KEY_FILE", str(private))
            seal(bundle)
    keys = verify_keys([folder / "keys" / "verify-key.pem"])
    path = bundle / data.draw(st.sampled_from([*FILES, MANIFEST]))
    raw = path.read_bytes()
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = bytearray(raw)
    changed[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(changed))
    try:
        assert not trusted(bundle, keys)
    finally:
        path.write_bytes(raw)
    assert check_seal(bundle, keys).trusted
