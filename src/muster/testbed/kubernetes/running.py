"""Starts a control plane's processes in order, and ends all of them. None outlives its parent."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from muster.testbed.design.parts import ProcessSpec
from muster.testbed.kubernetes.control_plane import ControlPlane
from muster.testbed.rig.processes import Child, StartError
from muster.testbed.rig.waiting import await_ready

READY_S_MAX = 120.0
"""Bounds the start of one process on a busy machine; on a quiet one all of them take 4 to 11 s."""


class Running:
    """The processes of `plane`, and then those of `more`. Ended in reverse order.

    Their logs are in `logs`. `died` is called for one that ends by itself; else `deaths` has it.
    """

    def __init__(
        self,
        plane: ControlPlane,
        logs: Path,
        more: Sequence[Sequence[ProcessSpec]] = (),
        died: Callable[[Child, int, int], None] | None = None,
    ) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._plane = plane
        groups = [*plane.processes(), *more]
        noted = died or self._died
        self._groups = [[Child(spec, logs, noted) for spec in group] for group in groups]
        self.deaths: list[str] = []

    @property
    def children(self) -> Sequence[Child]:
        """Every process, in the order of their start."""
        return [child for group in self._groups for child in group]

    def child(self, name: str) -> Child:
        """The process called `name`."""
        return next(one for group in self._groups for one in group if one.spec.name == name)

    async def start(self) -> None:
        """Return once every process is ready. Raises StartError; then nothing is left running."""
        trusted = ssl.create_default_context(cafile=self._plane.ca)
        try:
            async with httpx.AsyncClient(verify=trusted, trust_env=False) as client:
                for group in self._groups:
                    for child in group:
                        await child.start()
                    for child in group:
                        await await_ready(client, child, READY_S_MAX)
        except StartError:
            await self.end()
            raise

    async def again(self, name: str) -> None:
        """Start a process that has ended; returns once it is ready. Raises StartError."""
        trusted = ssl.create_default_context(cafile=self._plane.ca)
        async with httpx.AsyncClient(verify=trusted, trust_env=False) as client:
            await self.child(name).start()
            await await_ready(client, self.child(name), READY_S_MAX)

    async def end(self) -> None:
        """End every process; returns when all are gone."""
        for group in reversed(self._groups):
            for child in group:
                await child.end()

    def _died(self, child: Child, pid: int, exit_code: int) -> None:
        self.deaths.append(f"{child.spec.name} ({pid}) ended with {exit_code}: {child.log_tail()}")
