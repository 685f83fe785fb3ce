"""`make setup-kubernetes` with a Go of the test's own: what is built, kept, copied and refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from muster_setup import container_runtime, kubernetes  # noqa: E402
from muster_setup.console import SetupError  # noqa: E402

GO = """\
#!/bin/sh
[ "$1" = env ] && { echo go$RELEASE; exit; }
case "$*" in *fails) exit 1 ;; esac
echo "$*" >> "$CALLS"
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then printf '#!/bin/sh\\n' > "$2"; chmod +x "$2"; fi
  if [ "$1" = download ]; then
    folder=$GOPATH/pkg/mod/$2@v1.6.3/config/crd/standard
    mkdir -p "$folder"
    echo routes > "$folder/gateway.networking.k8s.io_httproutes.yaml"
  fi
  shift
done
"""
PROGRAMS = sorted(name for name, _ in kubernetes.STEPS)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A clone's folder, with a Go that writes down how it was called."""
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "go").write_text(GO)
    (folder / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("RELEASE", "1.26.4")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("MUSTER_TOOLS_CACHE", raising=False)
    (tmp_path / "calls").touch()
    return tmp_path / "kubernetes"


def provide(place: Path, steps: kubernetes.Steps = kubernetes.STEPS) -> int:
    """How many programs were built for it."""
    calls = Path(os.environ["CALLS"])
    before = len(calls.read_text().splitlines())
    kubernetes.provide(ROOT / "tools/kubernetes", place, place.parent / "log", steps)
    return len(calls.read_text().splitlines()) - before


def built(place: Path) -> list[str]:
    return sorted(one.name for one in (place / "bin").iterdir())


def test_what_is_built_is_not_built_again(place):
    """As long as pins, Go, flags and programs are the same; what was compiled on the way goes."""
    assert provide(place) == len(PROGRAMS)
    assert built(place) == PROGRAMS
    assert not (place / "build").exists()
    assert provide(place) == 0
    (place / "bin/etcd").unlink()
    assert provide(place) == 1
    assert built(place) == PROGRAMS


def test_a_node_adds_its_programs_alone(place):
    """And a run that does not want them leaves them, and their stamps."""
    both = (*kubernetes.STEPS, *kubernetes.NODE_STEPS)
    assert provide(place) == len(PROGRAMS)
    assert provide(place, both) == len(kubernetes.NODE_STEPS)
    assert built(place) == sorted(name for name, _ in both)
    (place / "bin/etcd").unlink()
    assert provide(place) == 1
    assert provide(place, both) == 0


def test_an_interrupted_build_goes_on_where_it_was(place):
    """What was built is stamped at once."""
    with pytest.raises(SetupError, match=r"kwok .*failed with exit code 1"):
        provide(place, (*kubernetes.STEPS[:2], ("kwok", "fails"), *kubernetes.STEPS[2:3]))
    assert provide(place, kubernetes.STEPS[:2]) == 0
    assert provide(place) == len(PROGRAMS) - 2


def test_another_go_builds_anew_and_an_older_one_is_refused(place, monkeypatch):
    """What a release of Go makes of the pins is its own."""
    assert provide(place) == len(PROGRAMS)
    monkeypatch.setenv("RELEASE", "1.27.0")
    assert provide(place) == len(PROGRAMS)
    monkeypatch.setenv("RELEASE", "1.25.9")
    with pytest.raises(SetupError, match=r"version: got 1\.25, expected 1\.26 or newer"):
        provide(place)


def test_a_cache_serves_another_clone(place, tmp_path, monkeypatch):
    """Only where it was asked for; what is missing there is built."""
    monkeypatch.setenv("MUSTER_TOOLS_CACHE", str(tmp_path / "cache"))
    assert provide(place) == len(PROGRAMS)
    other = tmp_path / "other"
    other.mkdir()
    assert provide(other) == 0
    assert built(other) == PROGRAMS
    (kept,) = (tmp_path / "cache").glob("etcd-*")
    kept.unlink()
    third = tmp_path / "third"
    third.mkdir()
    assert provide(third) == 1
    assert kept.exists()


def test_without_go_what_is_there_will_do(place, monkeypatch):
    """Nothing can be built, and nothing needs to be."""
    provide(place)
    monkeypatch.setenv("PATH", "/nonexistent")
    kubernetes.provide(ROOT / "tools/kubernetes", place, place.parent / "log")
    (place / "built").unlink()
    with pytest.raises(SetupError, match=r"go is missing: Kubernetes is built with Go 1\.26"):
        kubernetes.provide(ROOT / "tools/kubernetes", place, place.parent / "log")


def test_the_crd_is_fetched_once(place):
    """From its own module, whose hash is pinned."""
    place.mkdir()
    pins = ROOT / "tools/kubernetes/gateway_api"
    calls = Path(os.environ["CALLS"])
    for _ in range(2):
        kubernetes.provide_crds(pins, place, place.parent / "log")
    (line,) = calls.read_text().splitlines()
    assert line.endswith("mod download sigs.k8s.io/gateway-api")
    assert (place / "gateway_api/httproutes.yaml").read_text() == "routes\n"
    assert not (place / "gateway_api.build").exists()


def test_every_program_of_the_control_plane_is_built():
    """What the testbed starts is what set-up makes."""
    from muster.testbed.kubernetes.control_plane import PROGRAMS as STARTED
    from muster.testbed.kubernetes.node.design import PROGRAMS as OF_A_NODE
    from muster.testbed.kubernetes.node.design import RUNTIME

    assert sorted(STARTED) == PROGRAMS
    assert sorted(OF_A_NODE) == sorted(name for name, _ in kubernetes.NODE_STEPS)
    assert sorted(RUNTIME) == sorted(Path(one).name for one in container_runtime.PROGRAMS)
    assert kubernetes.version_of(ROOT / "tools/kubernetes", "k8s.io/kubernetes").startswith("v1.")
    with pytest.raises(SetupError, match="example: got nothing, expected its version"):
        kubernetes.version_of(ROOT / "tools/kubernetes", "example")


APT = """\
#!/bin/sh
case "$*" in
  *update) [ -z "$OFFLINE" ] || { echo "Could not resolve the host" >&2; exit 100; } ;;
  *) for name in containerd runc; do touch "$name.deb"; done ;;
esac
"""
UNPACK = """\
#!/bin/sh
for one in usr/bin/containerd usr/bin/ctr usr/bin/containerd-shim-runc-v2 usr/sbin/runc; do
  mkdir -p "$3/$(dirname "$one")"
  printf '#!/bin/sh\\necho %s %s\\n' "$(basename "$one")" "$PACKAGED" > "$3/$one"
  chmod +x "$3/$one"
done
"""


@pytest.fixture
def debian(place, monkeypatch):
    """Where the packages are unpacked, with a Debian of the test's own."""
    for name, text in (("apt-get", APT), ("dpkg-deb", UNPACK)):
        (place.parent / "path" / name).write_text(text)
        (place.parent / "path" / name).chmod(0o755)
    monkeypatch.setenv("PACKAGED", "1.6.20")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    place.mkdir()
    return place / "runtime"


def test_the_runtime_is_unpacked_once_and_not_installed(debian, monkeypatch, capsys):
    """Only the programs that a node starts are kept."""
    assert container_runtime.lacking() == ""
    container_runtime.provide(debian, debian.parent / "log")
    assert sorted(one.name for one in debian.iterdir()) == sorted(
        Path(one).name for one in container_runtime.PROGRAMS
    )
    assert "containerd 1.6.20, runc 1.6.20 unpacked into " in capsys.readouterr().out
    assert sorted(one.name for one in debian.parent.iterdir()) == ["log", "runtime"]
    monkeypatch.setenv("OFFLINE", "1")
    container_runtime.provide(debian, debian.parent / "log")


def test_a_runtime_that_is_too_old_or_not_offered_is_refused(debian, monkeypatch):
    """And nothing is left in its place."""
    monkeypatch.setenv("PACKAGED", "1.0.9")
    with pytest.raises(SetupError, match=r"containerd 1\.0\.9, expected 1\.6 or newer"):
        container_runtime.provide(debian, debian.parent / "log")
    monkeypatch.setenv("OFFLINE", "1")
    with pytest.raises(SetupError, match="from Debian: failed with exit code 100"):
        container_runtime.provide(debian, debian.parent / "log")
    assert not debian.exists()


def test_where_no_real_pods_can_be_had_it_says_why(debian, monkeypatch):
    """In one line; the rest is set up."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert container_runtime.lacking() == "a kubelet needs root"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert container_runtime.lacking() == "a kubelet needs Linux"
    monkeypatch.undo()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "apt-get is missing" in container_runtime.lacking()
