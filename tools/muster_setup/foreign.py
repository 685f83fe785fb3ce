"""`.tools/foreign`: the products of the foreign testbed, each in an environment of its own.

They are other people's parts, so none of their libraries may meet Muster's own. Nothing but
`make test-foreign` and a drill on the foreign testbed needs them. A stamp in each environment says
from which file of pins it was made, and where: while it fits nothing runs and no network is needed.
Redis, Prometheus and Toxiproxy are those that `make setup` provides.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from pathlib import Path

from . import environment
from .console import SetupError, run, say
from .main import ROOT, _alone

PRODUCTS = {"litellm": "bin/litellm", "envoy": "bin/envoy"}
"""Each product, and what its environment must hold."""


def main() -> int:
    """Set up every product that is missing. Exit codes: 0 done, 2 something is missing."""
    began = time.monotonic()
    try:
        tools = (ROOT / ".tools").resolve()
        tools.mkdir(exist_ok=True)
        with _alone(tools / "foreign"):
            for name, program in PRODUCTS.items():
                provide(ROOT / "tools/foreign", tools, name, program)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr, flush=True)
        return 130
    say(f"the foreign testbed's products are ready ({time.monotonic() - began:.1f} s)")
    return 0


def provide(pins: Path, tools: Path, name: str, program: str) -> None:
    """Make one product's environment what its file of pins says. Raises SetupError."""
    wanted = (pins / f"{name}.txt").read_bytes()
    place = tools / "foreign" / name
    stamp = place / "muster-pinned"
    mark = hashlib.sha256(wanted + str(place).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == mark and (place / program).exists():
        return
    if environment.venv_package() is not None:
        raise SetupError(
            f"{sys.executable}: no ensurepip: run `make setup` first, which installs it"
        )
    log = tools / "log" / f"foreign-{name}.log"
    # Anew, so that nothing of an older version stays behind.
    run(f"environment of {name}", [sys.executable, "-m", "venv", "--clear", place], log)
    total = len(re.findall(rb"^[a-zA-Z0-9].*==", wanted, re.M))
    argv: list[str | Path] = [place / "bin/python", "-m", "pip", "install"]
    argv += [*environment.PIP_FLAGS, "--only-binary=:all:", "--require-hashes", "--no-deps"]
    own = ("PIP_USER", "PIP_TARGET", "PYTHONPATH")
    run(
        f"{name} with its {total} pinned packages",
        [*argv, "-r", pins / f"{name}.txt"],
        log,
        env={key: value for key, value in os.environ.items() if key not in own},
        count=r"^\s*(Collecting|Requirement already satisfied)",
        total=total,
    )
    if not (place / program).exists():
        raise SetupError(
            f"{name}: no {program} in {place}, expected it by tools/foreign/{name}.txt"
        )
    stamp.write_text(mark)
