"""What the worlds of adapters share that call an API: one stand-in, which misbehaves on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance.world import Outside, Trouble
from floor_fixtures import StandInServer, kubeconfig, stand_in
from kubernetes.config import kube_config

from muster.platform import deployments

HELD_S_MAX = 20.0
CALL_S = 2.0


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


@contextmanager
def served(world: ApiWorld) -> Iterator[None]:
    """The API of `world` answers; afterwards nobody is kept waiting."""
    with stand_in(world.answer) as world.shown:
        try:
            yield
        finally:
            world.released.set()


@contextmanager
def served_as_cluster(world: ApiWorld, folder: Path, monkeypatch: Any) -> Iterator[None]:
    """The same, as the cluster that this machine's kubeconfig names."""
    with served(world):
        path = kubeconfig(folder / "kubeconfig", world.shown.url)
        monkeypatch.setenv("KUBECONFIG", str(path))
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        monkeypatch.setattr(deployments, "CALL_S_MAX", CALL_S)
        for name in ("KUBERNETES_CONTEXT", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield
