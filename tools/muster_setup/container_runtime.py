"""`.tools/kubernetes/runtime`: containerd and runc, from Debian's packages, for a kubelet's pods.

The packages are fetched by apt, which checks their signatures, and unpacked; they are not
installed. So nothing of the machine changes: no service starts, no package is replaced
(containerd's cannot stand beside docker.io), and apt's lists stay below `.tools` too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .console import SetupError, run, say

PACKAGES = ("containerd", "runc")
PROGRAMS = ("usr/bin/containerd", "usr/bin/ctr", "usr/bin/containerd-shim-runc-v2", "usr/sbin/runc")
OLDEST = {"containerd": (1, 6), "runc": (1, 1)}


def lacking() -> str:
    """Why no real pods can be had here; empty where they can."""
    if sys.platform != "linux":
        return "a kubelet needs Linux"
    if os.geteuid() != 0:
        return "a kubelet needs root"
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            return f"containerd and runc come from Debian's packages, and {program} is missing"
    return ""


def provide(place: Path, log_dir: Path) -> None:
    """Leave containerd, its shim, ctr and runc in `place`. Raises SetupError."""
    names = [Path(program).name for program in PROGRAMS]
    if all(os.access(place / name, os.X_OK) for name in names):
        return
    build = place.with_name("runtime.build")
    shutil.rmtree(build, ignore_errors=True)
    fetched, unpacked, fresh = (build / one for one in ("fetched", "unpacked", "fresh"))
    for folder in (fetched, unpacked, fresh, build / "lists/partial", build / "cache/archives"):
        folder.mkdir(parents=True)
    own = [f"-oDir::State::lists={build / 'lists'}", f"-oDir::Cache={build / 'cache'}"]
    # apt would give up root for a user that may not write here.
    own += ["-oAPT::Sandbox::User=root", "-qq"]
    script = (
        f'cd "$1"; shift; apt-get {" ".join(own)} update && apt-get {" ".join(own)} download "$@"'
    )
    argv = ["sh", "-c", script, "sh", fetched, *PACKAGES]
    run("containerd and runc from Debian", argv, log_dir / "kubernetes-runtime.log")
    for package in sorted(fetched.glob("*.deb")):
        unpack = ["dpkg-deb", "-x", package, unpacked]
        run(f"unpack {package.name}", unpack, log_dir / "kubernetes-runtime-unpack.log")
    for program in PROGRAMS:
        if not (unpacked / program).is_file():
            raise SetupError(f"{' and '.join(PACKAGES)}: {program}: not in Debian's packages")
        shutil.copy2(unpacked / program, fresh)
    said = ", ".join(f"{name} {_version(fresh, name)}" for name in PACKAGES)
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)
    shutil.rmtree(build, ignore_errors=True)
    say(f"{said} unpacked into {place}; nothing was installed")


def _version(folder: Path, name: str) -> str:
    """The version that a program says it has. Raises SetupError where it is too old."""
    asked = [folder / name, "--version"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(
            f"{folder / name}: does not run ({error}); is libseccomp2 missing?"
        ) from error
    found = re.search(r"(\d+)\.(\d+)\.\d+", answer)
    if found is None or (int(found[1]), int(found[2])) < OLDEST[name]:
        wanted = ".".join(map(str, OLDEST[name]))
        got = answer.split("\n")[0]
        raise SetupError(f"{name}: version: got {got}, expected {wanted} or newer")
    return found[0]
