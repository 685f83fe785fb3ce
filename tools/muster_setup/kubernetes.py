"""`.tools/kubernetes`: etcd, a control plane, kwok, a kubelet, and the Gateway API's HTTPRoute.

The programs are built from tools/kubernetes/go.mod into `bin`; the CRD comes from another module,
and what runs a kubelet's containers from Debian (see container_runtime).

One module pins everything, hashes included (go.sum). A stamp says from which pins, by which Go and
with which flags each program was built: while it fits, nothing runs and no network is needed.
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
from collections.abc import Sequence
from pathlib import Path

from . import container_runtime, toxiproxy
from .console import SetupError, run, say
from .main import ROOT, _alone

GO_OLDEST = (1, 26)
COMPONENTS = "k8s.io/kubernetes/cmd"
Steps = Sequence[tuple[str, str]]
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
NODE_STEPS = (("kubelet", f"{COMPONENTS}/kubelet"), ("pause", "./pause"))
"""What a node with real pods needs besides."""


def main() -> int:
    """Build what is missing. Exit codes: 0 done, 2 something is missing."""
    began = time.monotonic()
    try:
        tools = (ROOT / ".tools").resolve()
        tools.mkdir(exist_ok=True)
        place = tools / "kubernetes"
        with _alone(place):
            lacking = container_runtime.lacking()
            steps = STEPS if lacking else (*STEPS, *NODE_STEPS)
            provide(ROOT / "tools/kubernetes", place, tools / "log", steps)
            if lacking:
                say(f"no real pods here: {lacking}; all that does not need them is set up")
            else:
                container_runtime.provide(place / "runtime", tools / "log")
            provide_crds(ROOT / "tools/kubernetes/gateway_api", place, tools / "log")
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr, flush=True)
        return 130
    say(f"Kubernetes is ready ({time.monotonic() - began:.1f} s)")
    return 0


def provide(pins: Path, place: Path, log_dir: Path, steps: Steps = STEPS) -> None:
    """Make the programs of `steps` in `place/bin` what `pins` say. Raises SetupError."""
    stamp = place / "built"
    located = shutil.which("go")
    if located is None:
        if all(key.startswith(f"{_pinned(pins)} ") for key in _stamped(place, steps).values()):
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
    keys = {name: key_of(pins, release, package) for name, package in steps}
    stamped = _stamped(place, steps)
    missing = [step for step in steps if stamped[step[0]] != keys[step[0]]]
    (place / "bin").mkdir(parents=True, exist_ok=True)
    for number, (name, package) in enumerate(missing, 1):
        label = f"{name} ({number} of {len(missing)})"
        cached = _cache(name, keys[name])
        if cached is not None and os.access(cached, os.X_OK):
            _copy(cached, place / "bin" / name)
            say(f"{label}: taken from {cached}")
        else:
            built = build / "made" / name
            _build(Path(located), pins, (label, package), built, log_dir)
            _copy(built, place / "bin" / name)
            if cached is not None:
                _copy(built, cached)
        stamped[name] = keys[name]
        stamp.write_text("".join(f"{one} {key}\n" for one, key in stamped.items() if key))
    # What an interrupted run compiled stays until all is built, and is not compiled again.
    shutil.rmtree(build, ignore_errors=True)


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


def key_of(pins: Path, release: tuple[int, int], package: str) -> str:
    """What decides how a program comes out: the pins, Go's release, flags, package, system."""
    system = f"{sys.platform} {os.uname().machine}"
    text = f"go{release[0]}.{release[1]} {' '.join(FLAGS)} {package} {system}"
    return f"{_pinned(pins)} {hashlib.sha256(text.encode()).hexdigest()}"


def _pinned(pins: Path) -> str:
    read = (pins / "go.mod").read_bytes() + (pins / "go.sum").read_bytes()
    return hashlib.sha256(read).hexdigest()


def _stamped(place: Path, steps: Steps) -> dict[str, str]:
    """By program of `steps` the key that it was built by; "" where it is not there."""
    stamp = place / "built"
    lines = stamp.read_text().splitlines() if stamp.exists() else []
    said = {name: key for name, _, key in (line.partition(" ") for line in lines)}
    there = {name: os.access(place / "bin" / name, os.X_OK) for name, _ in steps}
    # The stamps of programs that this run does not want stay.
    return said | {name: said.get(name, "") if there[name] else "" for name in there}


def _cache(name: str, key: str) -> Path | None:
    chosen = os.environ.get("MUSTER_TOOLS_CACHE")
    kept = hashlib.sha256(key.encode()).hexdigest()[:32]
    return Path(chosen).expanduser() / f"{name}-{kept}" if chosen else None


def _build(go: Path, pins: Path, step: tuple[str, str], made: Path, log_dir: Path) -> None:
    label, package = step
    made.parent.mkdir(parents=True, exist_ok=True)
    version = version_of(pins, "k8s.io/kubernetes")
    run(
        label,
        [
            go,
            "build",
            "-C",
            pins,
            *FLAGS,
            "-ldflags",
            f"-s -w -X {VERSION}={version}",
            "-o",
            made,
            package,
        ],
        log_dir / f"kubernetes-{made.name}.log",
        env=toxiproxy.environment(made.parent.parent),
    )


def version_of(pins: Path, module: str) -> str:
    """The release of `module` that go.mod requires. Raises SetupError."""
    for line in (pins / "go.mod").read_text().splitlines():
        words = line.removeprefix("require ").split()
        if words[:1] == [module]:
            return words[1]
    raise SetupError(f"{pins / 'go.mod'}: {module}: got nothing, expected its version")


def _copy(source: Path, target: Path) -> None:
    """Copy a program, so that an interrupted copy is never taken for a whole one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copy2(source, fresh)
    os.replace(fresh, target)
