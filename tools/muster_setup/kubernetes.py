"""`.tools/kubernetes`: etcd, a control plane and kwok, and the Gateway API's HTTPRoute.

The programs are built from tools/kubernetes/go.mod into `bin`; the CRD comes from another module.

One module pins everything, hashes included (go.sum). A stamp says from which pins, by which Go and
with which flags the programs were built: while it fits, nothing runs and no network is needed.
`MUSTER_TOOLS_CACHE` may name a folder outside the clone: what was built is kept there by that same
key, and another clone takes it from there. Building takes some 15 minutes on two cores and 8 GB in
`.tools/kubernetes/build`, which goes when it is done.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from pathlib import Path

from . import toxiproxy
from .console import SetupError, run, say
from .main import ROOT, _alone

GO_OLDEST = (1, 26)
COMPONENTS = "k8s.io/kubernetes/cmd"
VERSION = "k8s.io/component-base/version.gitVersion"
GATEWAY_API = "sigs.k8s.io/gateway-api"
HTTP_ROUTES = "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"
FLAGS = ("-trimpath", "-mod=readonly", "-buildvcs=false")
STEPS = (
    # The largest first: what comes later shares most of its packages.
    ("kube-apiserver", f"{COMPONENTS}/kube-apiserver"),
    ("kube-controller-manager", f"{COMPONENTS}/kube-controller-manager"),
    ("kube-scheduler", f"{COMPONENTS}/kube-scheduler"),
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
)
"""Each program, and the package that it is built from."""


def main() -> int:
    """Build what is missing. Exit codes: 0 done, 2 something is missing."""
    began = time.monotonic()
    try:
        tools = (ROOT / ".tools").resolve()
        tools.mkdir(exist_ok=True)
        place = tools / "kubernetes"
        with _alone(place):
            provide(ROOT / "tools/kubernetes", place, tools / "log")
            provide_crds(ROOT / "tools/kubernetes/gateway_api", place, tools / "log")
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr, flush=True)
        return 130
    say(f"Kubernetes is ready ({time.monotonic() - began:.1f} s)")
    return 0


def provide(pins: Path, place: Path, log_dir: Path) -> None:
    """Make `place/bin` what `pins` say. Raises SetupError."""
    stamp = place / "built"
    located = shutil.which("go")
    if located is None:
        if stamp.exists() and stamp.read_text().startswith(f"{_pinned(pins)} "):
            return
        raise SetupError(
            f"go is missing: Kubernetes is built with Go {GO_OLDEST[0]}.{GO_OLDEST[1]} or newer"
        )
    build = place / "build"
    release = toxiproxy.go_version(Path(located), build)
    if release < GO_OLDEST:
        raise SetupError(
            f"{located}: version: got {release[0]}.{release[1]}, expected "
            f"{GO_OLDEST[0]}.{GO_OLDEST[1]} or newer to build Kubernetes"
        )
    key = key_of(pins, release)
    if stamp.exists() and stamp.read_text() == key and _whole(place / "bin"):
        shutil.rmtree(build, ignore_errors=True)
        return
    cached = _cache(key)
    if cached is not None and _whole(cached):
        _copy(cached, place / "bin")
        say(f"Kubernetes taken from {cached}")
    else:
        _build(Path(located), pins, place, log_dir)
        if cached is not None:
            _copy(place / "bin", cached)
    stamp.write_text(key)


def provide_crds(pins: Path, place: Path, log_dir: Path) -> None:
    """Make `place/gateway_api/httproutes.yaml` the one that `pins` say. Raises SetupError.

    Nothing is compiled: Go only fetches the module, and compares it with go.sum.
    """
    folder, build = place / "gateway_api", place / "gateway_api.build"
    stamp = folder / "pinned"
    if stamp.exists() and stamp.read_text() == _pinned(pins):
        return
    located = shutil.which("go")
    if located is None:
        raise SetupError("go is missing: the Gateway API's CRDs come from the Go module proxy")
    fetch = [located, "-C", pins, "mod", "download", GATEWAY_API]
    environment = toxiproxy.environment(build)
    run("Gateway API", fetch, log_dir / "kubernetes-gateway-api.log", env=environment)
    fetched = build / f"path/pkg/mod/{GATEWAY_API}@{version_of(pins, GATEWAY_API)}"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(fetched / HTTP_ROUTES, folder / "httproutes.yaml")
    shutil.rmtree(build, ignore_errors=True)
    stamp.write_text(_pinned(pins))


def key_of(pins: Path, release: tuple[int, int]) -> str:
    """What decides how the programs come out: the pins, Go's release, the flags, the system."""
    flags = " ".join((*FLAGS, *(package for _, package in STEPS)))
    system = f"{sys.platform} {os.uname().machine}"
    text = f"go{release[0]}.{release[1]} {flags} {system}"
    return f"{_pinned(pins)} {hashlib.sha256(text.encode()).hexdigest()}"


def _pinned(pins: Path) -> str:
    read = (pins / "go.mod").read_bytes() + (pins / "go.sum").read_bytes()
    return hashlib.sha256(read).hexdigest()


def _cache(key: str) -> Path | None:
    chosen = os.environ.get("MUSTER_TOOLS_CACHE")
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    return Path(chosen).expanduser() / f"kubernetes-{name}" if chosen else None


def _build(go: Path, pins: Path, place: Path, log_dir: Path) -> None:
    build, fresh = place / "build", place / "bin.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    # What an interrupted run compiled is still there, and is not compiled again.
    environment = toxiproxy.environment(build)
    version = version_of(pins, "k8s.io/kubernetes")
    for number, (name, package) in enumerate(STEPS, 1):
        run(
            f"{name} ({number} of {len(STEPS)})",
            [
                go,
                "build",
                "-C",
                pins,
                *FLAGS,
                "-ldflags",
                f"-s -w -X {VERSION}={version}",
                "-o",
                fresh / name,
                package,
            ],
            log_dir / f"kubernetes-{name}.log",
            env=environment,
        )
    shutil.rmtree(place / "bin", ignore_errors=True)
    fresh.rename(place / "bin")
    shutil.rmtree(build, ignore_errors=True)


def version_of(pins: Path, module: str) -> str:
    """The release of `module` that go.mod requires. Raises SetupError."""
    for line in (pins / "go.mod").read_text().splitlines():
        words = line.removeprefix("require ").split()
        if words[:1] == [module]:
            return words[1]
    raise SetupError(f"{pins / 'go.mod'}: {module}: got nothing, expected its version")


def _whole(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name, _ in STEPS)


def _copy(source: Path, target: Path) -> None:
    """Copy the programs, so that an interrupted copy is never taken for a whole one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source, fresh)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
