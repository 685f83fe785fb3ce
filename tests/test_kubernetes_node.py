"""A node's parts: its images, cgroups, configuration, where it can be had, and its end."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dataplane_fixtures import free_port
from floor_fixtures import await_true, end
from kubernetes_world import processes

from muster import home
from muster.testbed.kubernetes.control_plane import PROGRAMS, ControlPlane, Ports
from muster.testbed.kubernetes.node import cgroups, design, images, pods
from muster.testbed.kubernetes.node.design import NodePorts, NodePrograms, lacking, node

HIDDEN = ("/run/containerd", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods")
"""What a kubelet and containerd make elsewhere."""


def plane_in(place: Path, **more: bool) -> ControlPlane:
    programs = {name: Path("/bin/false") for name in PROGRAMS}
    return ControlPlane(place, Ports(1, 2, 3), programs, datetime.now(UTC), **more)


@pytest.fixture
def told(tmp_path):
    """A node's process, as it is told below the test's folder."""
    pause = tmp_path / "pause"
    pause.write_bytes(b"static")
    programs = NodePrograms(Path("/t/bin/kubelet"), pause, Path("/t/runtime"))
    plane = plane_in(tmp_path / "plane", played=False)
    return node(tmp_path / "node", plane, NodePorts(10, 11), programs)


def test_a_real_node_and_kwok_exclude_each_other(tmp_path):
    """kwok plays every node: it would speak for the real one."""
    names = {
        played: [one.name for group in plane_in(tmp_path / str(played), played=played).processes()
                 for one in group]
        for played in (True, False)
    }  # fmt: skip
    assert set(names[True]) - set(names[False]) == {"kwok"}


def test_a_node_keeps_to_its_place_and_to_loopback(told, tmp_path):
    """Every file that it is told of stands below its place, every port on 127.0.0.1."""
    place = tmp_path / "node"
    assert told.config is not None
    kubelet, inside = told.config["kubelet_config"], told.config["inside"]
    assert (kubelet["address"], kubelet["healthzBindAddress"]) == ("127.0.0.1", "127.0.0.1")
    assert kubelet["readOnlyPort"] == 0
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert Path(kubelet["podLogsDir"]).is_relative_to(place)
    assert told.ready == "http://127.0.0.1:11/healthz"
    assert told.config_path.is_relative_to(place)
    assert all(Path(one).is_relative_to(place) for one in told.config["remove"])
    # These are hidden within the node: see namespaces.
    hidden = ("/run/", "/var/lib/kubelet")
    assert inside["socket"].startswith(hidden)
    assert inside["kubelet"][0] == "/t/bin/kubelet"
    assert "--root-dir=/var/lib/kubelet" in inside["kubelet"]
    containerd = tomllib.loads((place / "containerd.toml").read_text())
    assert Path(containerd["root"]).is_relative_to(place)
    assert containerd["state"].startswith(hidden)
    assert json.dumps(inside)


def test_the_images_are_archives_that_fit_together(tmp_path):
    """The host's has links to /usr, as far as this machine has them, and no program."""
    (tmp_path / "pause").write_bytes(b"static")
    found = images.write_all(tmp_path / "made", tmp_path / "pause")
    names = {}
    for archive in found:
        with tarfile.open(archive) as one:
            (manifest,) = json.loads(one.extractfile("manifest.json").read())
            config = json.loads(one.extractfile(manifest["Config"]).read())
            layer = one.extractfile(manifest["Layers"][0]).read()
        assert config["rootfs"]["diff_ids"] == [f"sha256:{images._sum(layer)}"]
        with tarfile.open(fileobj=io.BytesIO(layer)) as inner:
            names[manifest["RepoTags"][0]] = {entry.name: entry for entry in inner}
    assert names[images.PAUSE]["pause"].mode == 0o755
    host = names[images.HOST]
    assert host["tmp"].mode == 0o1777
    assert ("lib" in host) == Path("/lib").is_symlink()
    assert not [entry for name, entry in host.items() if entry.isreg() and "etc/" not in name]


def test_a_pod_sees_the_machine_read_only():
    """By the same paths; what is within another is not mounted twice."""
    inner, data = Path("/usr/share"), Path("/data")
    made = pods.spec(
        {"name": "one", "command": ["a"], "env": [{"name": "PYTHONPATH", "value": "/mine"}]},
        {"name": "two", "command": ["b"], "image": "other"},
        read=[inner],
        written=[data],
    )
    one, two = made["containers"]
    mounts = {mount["mountPath"]: mount["readOnly"] for mount in one["volumeMounts"]}
    assert mounts == {mount["mountPath"]: mount["readOnly"] for mount in two["volumeMounts"]}
    assert str(inner) not in mounts
    assert mounts.pop(str(data)) is False
    assert set(mounts.values()) == {True}
    assert any(Path(sys.prefix).is_relative_to(path) for path in mounts)
    assert {volume["name"] for volume in made["volumes"]} == {
        mount["name"] for mount in one["volumeMounts"]
    }
    assert (one["image"], two["image"]) == (images.HOST, "other")
    assert one["env"][-1] == {"name": "PYTHONPATH", "value": "/mine"}


def hierarchies_in(top: Path) -> Path:
    """Two hierarchies like those of cgroup v1."""
    for name in ("cpuset", "memory"):
        (top / name).mkdir(parents=True)
        (top / name / "cgroup.procs").touch()
    return top


def test_cgroups_are_made_in_every_hierarchy_and_removed(tmp_path):
    """Those in them too; one that cannot be removed is told."""
    top = hierarchies_in(tmp_path)
    cgroups.make("muster-node-1", top)
    for one in ("cpuset", "memory"):
        (top / one / "muster-node-1" / "kubepods" / "pod").mkdir(parents=True)
    assert cgroups.remove("muster-node-1", time.monotonic(), top) == []
    cgroups.make("muster-node-1", top)
    (top / "memory" / "muster-node-1" / "busy").touch()
    assert cgroups.remove("muster-node-1", time.monotonic(), top) == [top / "memory"]


def test_the_next_node_removes_what_a_killed_one_left(tmp_path):
    """Not those of a node that lives, nor anybody else's."""
    top = hierarchies_in(tmp_path)
    for name in ("muster-node-1", "muster-node-2", "muster-node-x", "other-1"):
        cgroups.make(name, top)
    cgroups.sweep(lambda pid: pid == 2, top)
    left = {one.name for one in (top / "memory").iterdir() if one.is_dir()}
    assert left == {"muster-node-2", "muster-node-x", "other-1"}


def test_cgroup_v2_is_one_hierarchy(tmp_path):
    """It hands down what it offers."""
    for name, text in (("controllers", "cpu memory"), ("subtree_control", ""), ("procs", "")):
        (tmp_path / f"cgroup.{name}").write_text(text)
    assert cgroups.hierarchies(tmp_path) == [tmp_path]
    cgroups.make("muster-node-1", tmp_path)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    assert (tmp_path / "muster-node-1").is_dir()


def test_where_there_can_be_no_node_it_is_said_why(tmp_path, monkeypatch):
    """In one line each."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert lacking(tmp_path) == "a node with real pods needs Linux"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert lacking(tmp_path) == "a node with real pods needs root"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert lacking(tmp_path).endswith("/kubelet is missing: run `make setup-kubernetes`")
    programs = design.programs_in(tmp_path)
    wanted = [programs.kubelet, programs.pause, *(programs.runtime / one for one in design.RUNTIME)]
    for one in wanted:
        one.parent.mkdir(parents=True, exist_ok=True)
        one.touch(mode=0o755)
    assert lacking(tmp_path) == ""
    wanted[-1].unlink()
    assert lacking(tmp_path).endswith("/runtime/runc is missing: run `make setup-kubernetes`")


@pytest.mark.kubernetes
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_a_node_outlives_it(tmp_path, number):
    """Whatever ends it. Only a killed one leaves its cgroups, and those to the next node."""
    if why := lacking(home.tools_dir()):
        pytest.skip(f"no real pods: {why}")
    seen = {path: os.path.exists(path) for path in HIDDEN}
    plane = plane_in(tmp_path / "plane", played=False)
    programs = design.programs_in(home.tools_dir())
    told = node(tmp_path / "node", plane, NodePorts(free_port(), free_port()), programs)
    told.config_path.write_text(json.dumps({**told.config, "parent_pid": os.getpid()}))
    one = subprocess.Popen(told.argv, env={**os.environ, **told.environment})
    try:
        kubelet = told.config["inside"]["kubelet"][1]
        containerd = told.config["inside"]["containerd"][2]
        await_true(lambda: processes(kubelet) and processes(containerd), "its kubelet", 120)
        mine = f"{cgroups.STEM}{one.pid}"
        assert all((top / mine).is_dir() for top in cgroups.hierarchies())
        one.send_signal(number)
        one.wait(timeout=60)
    finally:
        end(one)
    await_true(lambda: not processes(kubelet) and not processes(containerd), "their end", 60)
    mounts = Path("/proc/mounts").read_text()
    assert str(tmp_path) not in mounts
    assert "/proc/sys/vm" not in mounts
    assert {path: os.path.exists(path) for path in seen} == seen
    left = [top for top in cgroups.hierarchies() if (top / mine).exists()]
    if number == signal.SIGTERM:
        assert left == []
        assert not (tmp_path / "node" / "containerd").exists()
    assert cgroups.remove(mine, time.monotonic() + 10) == []
