"""The places of the project's own files: contract, targets, state and evidence.

A drill's JSON names none of these places, so that it reads the same in every environment.
"""

from __future__ import annotations

import os
from pathlib import Path

_MARK = Path("contract") / "phase5.yaml"


def root() -> Path:
    """The directory that holds `contract/`, `targets/` and `drills/`.

    `MUSTER_HOME`, else the nearest directory at or above the working directory that holds
    `contract/phase5.yaml`, else the checkout that this module was installed from.
    """
    named = os.environ.get("MUSTER_HOME")
    if named:
        return Path(named).resolve()
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / _MARK).is_file():
            return directory
    return Path(__file__).resolve().parents[2]


def state_dir() -> Path:
    """Where running processes keep their state (`MUSTER_STATE_DIR`, else `.muster` in the root)."""
    named = os.environ.get("MUSTER_STATE_DIR")
    return Path(named).resolve() if named else root() / ".muster"


def out_dir() -> Path:
    """Where evidence bundles are written (`MUSTER_OUT_DIR`, else `reports/out` in the root)."""
    named = os.environ.get("MUSTER_OUT_DIR")
    return Path(named).resolve() if named else root() / "reports" / "out"


def tools_dir() -> Path:
    """Binaries that set-up built or fetched."""
    return root() / ".tools"
