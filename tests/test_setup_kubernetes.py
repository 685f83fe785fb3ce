"""`make setup-kubernetes` with a Go of the test's own: what is built, kept, copied and refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from muster_setup import kubernetes  # noqa: E402
from muster_setup.console import SetupError  # noqa: E402

GO = """\
#!/bin/sh
[ "$1" = env ] && { echo go$RELEASE; exit; }
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


def provide(place: Path) -> int:
    """How many programs were built for it."""
    calls = Path(os.environ["CALLS"])
    before = len(calls.read_text().splitlines())
    kubernetes.provide(ROOT / "tools/kubernetes", place, place.parent / "log")
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
    assert provide(place) == len(PROGRAMS)


def test_another_go_builds_anew_and_an_older_one_is_refused(place, monkeypatch):
    """What a release of Go makes of the pins is its own."""
    assert provide(place) == len(PROGRAMS)
    monkeypatch.setenv("RELEASE", "1.27.0")
    assert provide(place) == len(PROGRAMS)
    monkeypatch.setenv("RELEASE", "1.25.9")
    with pytest.raises(SetupError, match=r"version: got 1\.25, expected 1\.26 or newer"):
        provide(place)


def test_a_cache_serves_another_clone(place, tmp_path, monkeypatch):
    """Only where it was asked for, and only whole."""
    monkeypatch.setenv("MUSTER_TOOLS_CACHE", str(tmp_path / "cache"))
    assert provide(place) == len(PROGRAMS)
    other = tmp_path / "other"
    other.mkdir()
    assert provide(other) == 0
    assert built(other) == PROGRAMS
    (kept,) = (tmp_path / "cache").iterdir()
    (kept / "etcd").unlink()
    third = tmp_path / "third"
    third.mkdir()
    assert provide(third) == len(PROGRAMS)


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

    assert sorted(STARTED) == PROGRAMS
    assert kubernetes.version_of(ROOT / "tools/kubernetes", "k8s.io/kubernetes").startswith("v1.")
    with pytest.raises(SetupError, match="example: got nothing, expected its version"):
        kubernetes.version_of(ROOT / "tools/kubernetes", "example")
