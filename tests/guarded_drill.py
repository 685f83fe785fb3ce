"""Drills that misbehave, guarded by a real watchdog: how one is configured and started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from floor_fixtures import REGION, await_true

from muster import home
from muster.drill.lock.runs import runs_of
from muster.drill.watchdog.messages import Configure

TESTS = Path(__file__).parent
Start = Callable[..., "subprocess.Popen[str]"]


def configuration(target_file: str, bundle: Path) -> Configure:
    """What such a process tells its watchdog."""
    return Configure(
        drill_id=bundle.name,
        bundle=str(bundle),
        target_file=target_file,
        contract_file=str(home.root() / "contract" / "phase5.yaml"),
        gate="M3",
        time_scale=6,
        region=REGION,
        ttl_s=5,
        health_checks={},
    )


@contextmanager
def starting(script: str, folder: Path, ended_s_max: float = 60.0) -> Iterator[Start]:
    """Starts that script's drill in a mode, once it is guarded; ends whatever is left of it.

    The target is `folder`/it.yaml. A word given besides is awaited as the next line.
    """
    started: list[subprocess.Popen[str]] = []

    def run(mode: str, word: str = "") -> subprocess.Popen[str]:
        bundle = folder / "out" / mode
        words = [sys.executable, str(TESTS / script), str(folder / "it.yaml"), str(bundle), mode]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout is not None
        assert child.stderr is not None
        for line in ("guarded", word) if word else ("guarded",):
            assert child.stdout.readline() == f"{line}\n", child.stderr.read()
        return child

    yield run
    for child in started:
        child.kill()
        child.wait()
        await_true(lambda: not runs_of("it"), "the watchdog's end", ended_s_max)
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        child.stderr.close()
