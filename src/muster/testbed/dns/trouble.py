"""What the name server does wrong on request, so that faults of DNS can be tried.

Late answers are sent in a task of their own each. `InTurn` is the planted defect: one query is
answered after the other, so that the delays of many add up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from muster.documents import Document


class Trouble(Document):
    """How every query is treated that comes from now on; by default as it should."""

    delay_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        default=0, description="answers come this much later"
    )
    stale: bool = Field(
        default=False, description="answer by the records and the health of the moment it was told"
    )
    empty: bool = Field(default=False, description="every name exists, and none has a record")


class Late:
    """Calls back after a delay, however many wait."""

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call `call` in `delay_s`; at once if that is 0."""
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, call)
        else:
            call()


class InTurn(Late):
    """Each waits for all before it."""

    _free_s = 0.0

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        now_s = asyncio.get_running_loop().time()
        self._free_s = max(now_s, self._free_s) + delay_s if delay_s else now_s
        super().after(self._free_s - now_s, call)
