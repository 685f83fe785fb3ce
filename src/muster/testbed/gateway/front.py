"""The gateway's public side: where it listens, and how it is cut off from everyone outside.

Cut off, it refuses connections and has reset those that it had, as behind a firewall that rejects;
the process, its own clients and its admin page go on.

In a pod it waits to be found ready before it listens, as a Service sends nothing to a pod before:
one whose readiness probe is broken runs, and no client reaches it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from muster.testbed.wire.process import BACKLOG, listener
from muster.testbed.wire.server import Connections

PROBED = "probed"
"""The query with which a pod's readiness probe asks: nobody else's question lets clients in."""


class Front:
    """The listeners at `addresses`, and the `clients` that they let in."""

    def __init__(
        self,
        addresses: Sequence[tuple[str, int]],
        clients: Connections,
        made: Callable[[], asyncio.Protocol],
        *,
        waits: bool = False,
    ) -> None:
        self._addresses = tuple(addresses)
        self._clients = clients
        self._made = made
        self._waits = waits
        self._servers: list[asyncio.Server] = []
        self._joining: asyncio.Task[None] | None = None

    @property
    def is_cut(self) -> bool:
        """Whether nobody listens."""
        return not self._servers

    async def begin(self) -> None:
        """Listen, unless it waits to be found ready. Raises BadInput as `open` does."""
        if not self._waits:
            await self.open()

    def found_ready(self) -> None:
        """It was asked whether it is ready, and it is: if it waits for that, listen soon."""
        if self._waits:
            self.join()

    async def open(self) -> None:
        """Listen. Raises BadInput if an address is in use."""
        loop = asyncio.get_running_loop()
        sockets = [listener("listen", address) for address in self._addresses]
        self._servers = [
            await loop.create_server(self._made, sock=sock, backlog=BACKLOG) for sock in sockets
        ]

    def close(self) -> None:
        """Let nobody in any more; who is in stays."""
        if self._joining is not None:
            self._joining.cancel()
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    def cut(self) -> None:
        """Let nobody in any more, and reset every connection."""
        self._waits = False
        self.close()
        for connection in list(self._clients.open):
            if connection.transport is not None:
                connection.transport.abort()

    def join(self) -> None:
        """Listen again, soon: `is_cut` says when."""
        self._waits = False
        if self.is_cut and (self._joining is None or self._joining.done()):
            self._joining = asyncio.get_running_loop().create_task(self.open())
