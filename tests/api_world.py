"""What the worlds of adapters share that call an API: one stand-in, which misbehaves on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance.world import Outside, Trouble
from floor_fixtures import StandInServer, kubeconfig, stand_in

from muster.platform.kubernetes import cluster as calls

HELD_S_MAX = 20.0
LATE_S, CALL_S = 1.0, 60.0
"""How long a call and a whole change may take: short only where an answer never comes."""


class ApiWorld(Outside):
    """An API. Nobody can do by hand what its adapter does, unless a world says how."""

    shown: StandInServer

    def __init__(self) -> None:
        self.fails: Trouble | None = None
        self.released = threading.Event()

    def answer(self, call: Any) -> tuple[Any, ...]:
        """What the API answers."""
        raise NotImplementedError

    @property
    def calls(self) -> int:
        return len(self.shown.calls)

    def trouble(self, kind: Trouble | None) -> None:
        self.fails = kind

    def paste(self, line: str) -> None:
        raise AssertionError(f"there is no such line: {line}")

    def hold(self) -> None:
        """Keep the caller waiting for its answer."""
        self.released.wait(HELD_S_MAX)


class ClusterWorld(ApiWorld):
    """A cluster's API."""

    patches: Any

    def __init__(self) -> None:
        super().__init__()
        self.call_s = CALL_S

    def trouble(self, kind: Trouble | None) -> None:
        super().trouble(kind)
        self.call_s = CALL_S if kind in (None, "nonsense") else LATE_S
        self.patches.setattr(calls, "CALL_S_MAX", self.call_s)


@contextmanager
def served(world: ApiWorld) -> Iterator[None]:
    """The API of `world` answers; afterwards nobody is kept waiting."""
    with stand_in(world.answer) as world.shown:
        try:
            yield
        finally:
            world.released.set()


@contextmanager
def served_as_cluster(world: ClusterWorld, folder: Path, monkeypatch: Any) -> Iterator[None]:
    """The same, as the cluster that this machine's kubeconfig names."""
    with served(world):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(folder / "kubeconfig", world.shown.url)))
        monkeypatch.setattr(calls, "READS_PER_S_MAX", 1000.0)
        monkeypatch.delenv("HTTP_PROXY", raising=False)
        world.patches = monkeypatch
        yield
