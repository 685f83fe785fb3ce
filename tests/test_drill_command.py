"""A whole drill on a platform that only commands of the target's own steer, stop and drain."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from drill_runner import TARGET, drill

pytestmark = pytest.mark.drills
SCRIPT = Path(__file__).with_name("steer_testbed.py")
SWITCH = Path(__file__).with_name("power_testbed.py")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The tests' target, with scripts in place of Route 53 and of every hook; names are stated."""
    document = yaml.safe_load(TARGET.read_text())
    route53 = document["steering"]
    document["steering"] = {
        "kind": "command",
        "argv": [str(SCRIPT), "${testbed.route53_url}"],
        "calls_per_s_max": 4,
        "weight_sum": 20,
    }
    document["names"] = {"kind": "stated", "ttl_s": 1, "detection_s_max": 10}
    document["testbed"]["dns"] |= {"zone": route53["zone"], "record": route53["record"]}
    document["blast_radius"] |= {"zones": [], "records": [], "commands": [str(SCRIPT), str(SWITCH)]}
    for region, built in document["testbed"]["regions"].items():
        document["regions"][region] |= {
            "addresses": [built["address"]],
            "power": {"kind": "command", "argv": [str(SWITCH)], "kills": True},
            "drain": {"kind": "command", "argv": [str(SWITCH)]},
        }
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_drill_by_commands_alone_passes(tmp_path: Path, target: Path) -> None:
    """Evacuated, dark, back: every step by the command, read back, and nothing left."""
    with drill(tmp_path / "work", target=str(target)) as run:
        run.start()
        assert run.wait() == 0, run.output
        verdict = run.verdict
        assert verdict["verdict"] == "PASS", run.output
        assert verdict["undo"]["pending"] == []
        shares = [step["shares"]["eu-west-1"] for step in run.events("step")]
        assert 0 in shares
        # Weights sum to 20: what is awaited is the share that such weights give.
        split = run.events("observed_split")
        assert {event["wanted_pct"] for event in split} >= {0, 50}
        subjects = {event["subject"] for event in run.events("undo")}
        assert any(subject.startswith("command ") for subject in subjects)
        proofs = [proof for proof in run.events("fault_proof") if proof["fault"] == "region_power"]
        assert proofs
        assert all(proof["proven"] for proof in proofs)
        assert "power off" in proofs[0]["why"]


def test_a_command_that_is_not_allowed_is_refused(tmp_path: Path, target: Path) -> None:
    """`blast_radius` does not name it: nothing is locked, nothing is started."""
    document = yaml.safe_load(target.read_text())
    document["blast_radius"]["commands"] = []
    target.write_text(yaml.safe_dump(document))
    with drill(tmp_path / "work", target=str(target)) as run:
        run.start()
        assert run.wait() != 0
        assert "blast_radius.commands does not allow" in run.output
        assert run.bundles == []


def test_a_command_that_is_not_there_is_bad_input(tmp_path: Path, target: Path) -> None:
    """One line with file, key, value and what was expected; nothing is started."""
    document = yaml.safe_load(target.read_text())
    document["steering"]["argv"][0] = "/nowhere/steer"
    document["blast_radius"]["commands"] = ["/nowhere/steer"]
    target.write_text(yaml.safe_dump(document))
    with drill(tmp_path / "work", target=str(target)) as run:
        run.start()
        assert run.wait() != 0
        assert "steering.argv.0: got '/nowhere/steer', expected a program" in run.output
        assert run.bundles == []
