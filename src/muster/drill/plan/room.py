"""Checks, before anything is started, that there is room for what a drill must write.

A disk that fills up later aborts the drill. This check only refuses a drill that could not record
its evidence or its undo entries.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from muster import home
from muster.errors import BadInput
from muster.signing import signing_key

FREE_BYTES_MIN = 64 * 2**20
_PROBE = b"\n" * 4096


def check_room() -> None:
    """Raises BadInput unless evidence and state can be written, with free space left, and signed if
    a signing key is named.
    """
    signing_key()
    _check("MUSTER_OUT_DIR", home.out_dir())
    _check("MUSTER_STATE_DIR", home.state_dir())


def _check(variable: str, folder: Path) -> None:
    wanted = f"a directory that can be written, with {FREE_BYTES_MIN // 2**20} MiB free"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Written, not queried: modes, quotas and read-only mounts only show this way.
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".room-", buffering=0) as probe:
            probe.write(_PROBE)
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise BadInput(variable, "", str(folder), f"{wanted} ({error.strerror})") from error
    if free_bytes < FREE_BYTES_MIN:
        raise BadInput(variable, "", str(folder), f"{wanted} (found {free_bytes // 2**20} MiB)")
