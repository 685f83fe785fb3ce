"""One snapshot of contract and target: what the plan was made from is what everybody loads."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from bundle_maker import make_bundle

from muster import home
from muster.contract import load
from muster.contract.model import Contract
from muster.drill import start as starts
from muster.drill.plan.plan import make_plan
from muster.drill.start import write_snapshots
from muster.drill.watchdog.process import guard
from muster.errors import BadInput
from muster.jsonl import LogLost
from muster.judge.verdict import judge, verdict_bytes
from muster.platform.steering import Expected
from muster.targets import load as load_target

SPOILT = {
    "changed": lambda text: text.replace("queue_age_s_max: 30", "queue_age_s_max: 3000"),
    "broken": lambda text: text + "\n  - ][",
    "removed": None,
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of its own, whose files a test may spoil."""
    root = tmp_path / "project"
    for folder in ("contract", "targets"):
        shutil.copytree(home.root() / folder, root / folder)
    monkeypatch.setenv("MUSTER_HOME", str(root))
    monkeypatch.setenv("MUSTER_OUT_DIR", str(tmp_path / "out"))
    monkeypatch.setenv("MUSTER_STATE_DIR", str(tmp_path / "state"))
    return root


def planned(**settings):
    return make_plan(settings, drill="d", title="t", kind="failover", gate="M3")


def spoil(path, how):
    """Change, break or remove a file; what it held."""
    before = path.read_text()
    if how is None:
        path.unlink()
    else:
        path.write_text(how(before))
        assert path.read_text() != before
    return before


@pytest.mark.parametrize("what", SPOILT)
def test_a_file_spoilt_after_the_plan_changes_nothing_of_the_bundle(project, tmp_path, what):
    """The bundle's contract and target are the bytes that the plan was made from."""
    plan = planned()
    texts = {}
    for name in ("contract/phase5.yaml", "targets/testbed.yaml"):
        texts[name] = spoil(project / name, SPOILT[what] if "phase5" in name else None)
    bundle = tmp_path / "bundle"
    write_snapshots(plan, bundle)
    assert (bundle / "contract.yaml").read_text() == texts["contract/phase5.yaml"]
    assert (bundle / "target.yaml").read_text() == texts["targets/testbed.yaml"]
    assert load(bundle / "contract.yaml") == plan.contract
    assert load_target(str(bundle / "target.yaml")) == plan.target


def test_a_disk_that_refuses_them_is_one_line(project, tmp_path):
    """As for the ledger: the drill does not begin."""
    (tmp_path / "taken").write_text("a file where the bundle should be")
    with pytest.raises(LogLost, match="taken"):
        write_snapshots(planned(), tmp_path / "taken")


def test_a_plan_of_a_changed_file_keeps_the_changed_one(project, tmp_path):
    """The near miss: what changed before the plan is what the bundle keeps."""
    spoil(project / "contract/phase5.yaml", SPOILT["changed"])
    plan = planned()
    write_snapshots(plan, tmp_path / "bundle")
    assert plan.gate.queue_age_s_max == 3000
    assert load(tmp_path / "bundle" / "contract.yaml").gates["M3"].queue_age_s_max == 3000


def test_a_broken_file_makes_no_plan(project):
    """Read before anything is started, in one line that names the file."""
    spoil(project / "contract/phase5.yaml", SPOILT["broken"])
    with pytest.raises(BadInput, match=r"phase5\.yaml: line \d+"):
        planned()


@pytest.mark.parametrize("what", SPOILT)
def test_the_watchdog_loads_the_bundle_s_own_files(project, tmp_path, monkeypatch, what):
    """Spoilt between plan and watchdog: it guards by the snapshot all the same."""
    plan = planned()
    bundle = tmp_path / "out" / "it"
    write_snapshots(plan, bundle)
    session = SimpleNamespace(
        drill_id="it",
        bundle=bundle,
        plan=plan,
        time_scale=6.0,
        target=plan.target,
        ttl_s=5,
        health_checks={},
        expected=Expected(),
    )
    config = starts._guarded(session)
    spoil(project / "contract/phase5.yaml", SPOILT[what])
    spoil(project / "targets/testbed.yaml", None)
    began = []

    def begin(platform, contract, gate, time_scale, records):
        began.append((platform.target, contract, gate, time_scale))
        return SimpleNamespace()

    monkeypatch.setattr("muster.drill.watchdog.process.patrols.begin", begin)
    endpoints = SimpleNamespace(endpoints=None)
    monkeypatch.setattr("muster.drill.watchdog.process.testbed.status", lambda name: endpoints)
    monkeypatch.setattr("muster.targets.resolve", lambda target, **_: target)
    monkeypatch.setattr("muster.drill.watchdog.process.Place.of", lambda *given: given)
    guard(config)
    assert began == [(plan.target, plan.contract, "M3", 6.0)]
    assert isinstance(began[0][1], Contract)


def test_a_watchdog_without_its_snapshot_refuses(tmp_path, monkeypatch):
    """The bundle's contract is gone: it says so, and does not fall back on another file."""
    monkeypatch.setattr("muster.drill.watchdog.process._reach", lambda file: load_target("testbed"))
    config = SimpleNamespace(target_file="x.yaml", contract_file=str(tmp_path / "contract.yaml"))
    with pytest.raises(BadInput, match=r"contract\.yaml"):
        guard(config)


@pytest.mark.parametrize("what", SPOILT)
def test_the_judge_loads_the_bundle_s_own_files(project, tmp_path, what):
    """Spoilt between drill and judge: the verdict is the same, byte for byte."""
    bundle = make_bundle(tmp_path / "bundle")
    before = verdict_bytes(judge(bundle))
    spoil(project / "contract/phase5.yaml", SPOILT[what])
    spoil(project / "targets/testbed.yaml", None)
    assert verdict_bytes(judge(bundle)) == before


def test_the_contract_is_the_first_thing_in_a_bundle(project, tmp_path, monkeypatch):
    """When the ledger opens, contract and target stand there already, and nothing else."""
    seen = {}

    class Stopped(Exception):
        pass

    def ledger(path):
        files = sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        seen["names"] = [file.name for file in files]
        raise Stopped

    nothing = SimpleNamespace(
        acquire=lambda: None, release=lambda: None, abandon=lambda: None, close=lambda: None
    )
    for name in ("TargetLock", "Watchdog"):
        monkeypatch.setattr(starts, name, lambda *_: nothing)
    shown = SimpleNamespace(metrics=nothing)
    monkeypatch.setattr(starts, "platform_of", lambda *_: shown)
    for name in ("check_room", "capacity_of", "_answers"):
        monkeypatch.setattr(starts, name, lambda *_: None)
    monkeypatch.setattr(starts, "_reach", lambda plan, drill_id: (plan.target, False))
    monkeypatch.setattr(starts, "Ledger", ledger)
    with pytest.raises(Stopped):
        starts.start(planned())
    assert seen["names"] == ["contract.yaml", "target.yaml"]
    # A drill that did not begin leaves no bundle.
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("needed", "fits"), [(10, True), (11, False)])
def test_a_window_holds_as_many_scrapes_as_the_contract_asks(project, needed, fits):
    """`window_scrapes_min` decides: 10 s windows with a scrape a second hold 10, not 11."""
    path = project / "contract/phase5.yaml"
    path.write_text(
        path.read_text().replace("window_scrapes_min: 10 ", f"window_scrapes_min: {needed} ")
    )
    if fits:
        assert planned(time_scale=6).contract.triggers.window_scrapes_min == needed
        return
    with pytest.raises(BadInput, match=r"at most 5\.45455 .*\(a window holds at least 11\)"):
        planned(time_scale=6)
