"""The planted defect of token validation: it is done by a process of another region."""

from __future__ import annotations

import asyncio

LOOK_S = 0.3
ANSWER_S_MAX = 1.0


class TokensElsewhere:
    """Whether the process at `address`, which validates tokens, is there; it is asked for ever."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.up = True

    async def watch(self) -> None:
        """Look again and again; this never returns."""
        while True:
            self.up = await self._reached()
            await asyncio.sleep(LOOK_S)

    async def _reached(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                _, writer = await asyncio.open_connection(*self._address)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True
