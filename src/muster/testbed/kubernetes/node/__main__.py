"""The one process of a node: `python -m muster.testbed.kubernetes.node --config FILE`.

It makes the node's cgroups, starts all else in namespaces of its own, and removes what is left when
that has ended. SIGTERM, or the end of its parent, ends the node.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from muster.testbed.kubernetes.node import cgroups, namespaces

GONE_S_MAX = 10.0


def main() -> int:
    """Run until the node ends. Exit codes: 0 asked to end, 1 not asked or not started."""
    parser = argparse.ArgumentParser(prog="muster.testbed.kubernetes.node")
    parser.add_argument("--config", type=Path, required=True)
    config: dict[str, Any] = json.loads(parser.parse_args().config.read_text())
    asked = threading.Event()
    inside: subprocess.Popen[bytes] | None = None

    def end(number: int, frame: FrameType | None) -> None:
        asked.set()
        if inside is not None:
            inside.kill()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    namespaces.with_parent(signal.SIGTERM)
    if os.getppid() != config["parent_pid"]:
        return 1  # the parent ended between its start of this process and here
    name = f"{cgroups.STEM}{os.getpid()}"
    cgroups.sweep(_alive)
    try:
        cgroups.make(name)
        told = {**config["kubelet_config"], "cgroupRoot": f"/{name}"}
        Path(config["kubelet_config_path"]).write_text(json.dumps(told))
        namespaces.children_apart()
        if not asked.is_set():
            argv = (sys.executable, "-m", "muster.testbed.kubernetes.node.inside")
            inside = subprocess.Popen(
                (*argv, json.dumps(config["inside"])),
                # Its end tells it, should the kernel not, that this process has ended.
                stdin=subprocess.PIPE,
                preexec_fn=namespaces.mounts_apart,
            )
            if asked.is_set():
                inside.kill()
            # The first process of a PID namespace is gone only when all the others are.
            code = inside.wait()
            if not asked.is_set():
                print(f"node: its first process ended with {code}", flush=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"node: {error}", flush=True)
    finally:
        _remove(name, [Path(one) for one in config["remove"]])
    return 0 if asked.is_set() else 1


def _remove(name: str, folders: list[Path]) -> None:
    left = cgroups.remove(name, time.monotonic() + GONE_S_MAX)
    if left:
        print(f"node: cgroups are left: {', '.join(map(str, left))}", flush=True)
    for folder in folders:
        with suppress(OSError):
            shutil.rmtree(folder)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


if __name__ == "__main__":
    sys.exit(main())
