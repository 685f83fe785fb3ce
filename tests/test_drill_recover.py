"""Recovery from outside: whatever is wrong with one log or with the disk, the rest goes back."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
import yaml
from disks import fill, tmpfs
from floor_fixtures import NOWHERE, OTHER, REGION, stand_in, testbed_document
from strict_aws import strict_aws

from muster import targets
from muster.drill.phases.preflight import no_leftover_undo
from muster.drill.recover.again import recover_target
from muster.drill.undo.logs import left_on
from muster.drill.undo.store import open_undo
from muster.ledger import Ledger, read_ledger
from muster.undo import UndoHeader, read_undo


class Hooks:
    """Stand-in drain hooks of two regions, and the order in which they were put back."""

    def __init__(self):
        self.state = {}
        self.deaf = set()
        self.order = []

    def answer(self, call):
        region = call.path.strip("/")
        if call.method == "POST":
            self.order.append(region)
            if region not in self.deaf:
                self.state[region] = call.json["state"]
        return 200, {"state": self.state.get(region, "serving")}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A staging target of two drain hooks, and where its drills keep their evidence."""
    hooks = Hooks()
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    monkeypatch.setenv("IT_TOKEN", "x")
    with stand_in(hooks.answer) as shown, strict_aws() as aws:
        data = testbed_document() | {"name": "it", "class": "staging"}
        del data["testbed"], data["provider_stub"], data["dns_stub"], data["steering_stub"]
        data["load"] = {"token": "${env.IT_TOKEN}", "canary_token": "${env.IT_TOKEN}"}
        data["shared"] = {"kind": "s3", "bucket": "drills", "endpoint_url": aws.url, "lease_s": 5}
        data["public_url"] = data["prometheus"]["url"] = NOWHERE
        data["steering"]["endpoint_url"] = NOWHERE
        for region in (REGION, OTHER):
            data["regions"][region] = {
                "ready_url": NOWHERE,
                "power": {"kind": "none"},
                "drain": {"url": f"{shown.url}/{region}", "timeout_s": 2},
            }
        file = tmp_path / "it.yaml"
        file.write_text(yaml.safe_dump(data))
        yield SimpleNamespace(file=str(file), hooks=hooks, out=tmp_path / "out", said=[])


def drained(place, drill_id, region=REGION, target="it"):
    """A dead drill that had asked `region` to let go; its undo log's path."""
    bundle = place.out / drill_id
    header = UndoHeader(drill_id, target, place.file)
    log = open_undo(targets.load(place.file), bundle / "undo.jsonl", header)
    log.add("drain", f"drain {region}", {}, region)
    log.close()
    ledger = Ledger(bundle / "ledger.jsonl")
    ledger.append("drill_started", drill_id=drill_id)
    ledger.close()
    place.hooks.state[region] = "closing"
    return log.path


def recover(place):
    """Exit code, with what was said in `place.said`."""
    place.said.clear()
    return recover_target(place.file, place.said.append)


def test_it_restores_ends_the_ledger_and_then_has_nothing_to_do(place):
    """Back, read back, on record; a second time nothing is touched."""
    path = drained(place, "d1")
    assert recover(place) == 0
    assert place.hooks.state == {REGION: "serving"}
    assert read_undo(path).pending == ()
    ledger = read_ledger(path.with_name("ledger.jsonl"))
    assert ledger.of("stopped")[0]["by"] == "lost_lease"
    assert ledger.of("verify")[-1]["verified"] is True
    assert ledger.of("drill_ended")
    assert recover(place) == 0
    assert place.said == ["target it: nothing is left changed"]
    assert place.hooks.order == [REGION]


def test_the_newest_drill_goes_back_first(place):
    """Of two dead drills the oldest value is what stands at the end."""
    drained(place, "d1", OTHER)
    drained(place, "d2", REGION)
    assert recover(place) == 0
    assert place.hooks.order == [REGION, OTHER]


BAD = [
    '{"schema_version": 2, "target": "it", "drill_id": "d0"}\n',
    '{"schema_version": 1, "target": "it"}\n{"id": "u1", "kind": "drain"}\n',
    '{"seq": 1, "event": "drill_started"}\n',
]


@pytest.mark.parametrize("text", BAD)
def test_a_log_of_another_version_keeps_no_other_from_being_restored(place, text):
    """It is named, left as it is, and makes the exit code 5; the others are back."""
    bad = place.out / "d0" / "undo.jsonl"
    bad.parent.mkdir(parents=True)
    bad.write_text(text)
    good = drained(place, "d1")
    assert recover(place) == 5
    assert place.hooks.state == {REGION: "serving"}
    assert read_undo(good).pending == ()
    (line,) = [line for line in place.said if line.startswith("NOT RESTORED")]
    assert str(bad) in line
    assert bad.read_text() == text
    assert recover(place) == 5, "it stays told"
    session = SimpleNamespace(
        target=SimpleNamespace(name="it"),
        bundle=place.out / "now",
        plan=SimpleNamespace(target_file=place.file),
    )
    assert str(bad) in no_leftover_undo(session), "and no new drill begins over it"


def test_a_bad_log_of_another_target_is_not_ours(place):
    """Its own first line says so, in whatever version."""
    bad = place.out / "d0" / "undo.jsonl"
    bad.parent.mkdir(parents=True)
    bad.write_text('{"schema_version": 2, "target": "another"}\n')
    assert recover(place) == 0
    assert left_on("another").unusable


def test_one_that_cannot_go_back_is_told_with_its_line(place):
    """Exit 5, the command by hand, and the entry stays pending for the next try."""
    first, second = drained(place, "d1", OTHER), drained(place, "d2", REGION)
    place.hooks.deaf.add(REGION)
    assert recover(place) == 5
    assert place.hooks.state == {OTHER: "serving", REGION: "closing"}
    assert any(line.startswith("by hand: curl ") for line in place.said)
    assert (read_undo(first).pending, len(read_undo(second).pending)) == ((), 1)
    place.hooks.deaf.clear()
    assert recover(place) == 0


def test_a_full_disk_keeps_nothing_changed(place, monkeypatch):
    """All is back though no line can be written; exit 4 says that it is not on record."""
    path = drained(place, "d1")

    def full(fd, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("muster.jsonl.os.write", full)
        assert recover(place) == 4
    assert place.hooks.state == {REGION: "serving"}
    assert any("No space left" in line for line in place.said)
    assert len(read_undo(path).pending) == 1
    assert recover(place) == 0, "with room again it is written down"
    assert read_undo(path).pending == ()


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_real_disk_without_room_keeps_nothing_changed(place, how):
    """Full, or mounted read-only: restored all the same, and told that it is not on record."""
    with tmpfs(place.out):
        path = drained(place, "d1")
        filler = place.out / "filler"
        if how == "full":
            # What is left of the log's own page would have room for a few lines yet.
            path.write_bytes(path.read_bytes() + b"\n" * (-path.stat().st_size % 4096))
            fill(filler)
        else:
            remount = ["mount", "-o", "remount,ro", str(place.out)]
            subprocess.run(remount, check=True)
        assert recover(place) == 4
        assert place.hooks.state == {REGION: "serving"}
        assert any(line.startswith("not on record: ") for line in place.said)
        if how == "full":
            filler.unlink()
        else:
            subprocess.run(["mount", "-o", "remount,rw", str(place.out)], check=True)
        assert recover(place) == 0
        assert read_undo(path).pending == ()
