"""Several holders who change one record of a store at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from muster.stores import Conflict

RACERS = 8


def race(store: Callable[[], Any], name: str) -> list[str]:
    """Eight change `name` from the same state, each by a store of its own; return the texts of
    those that were not refused.
    """
    start = store().write(name, "free", None)
    won: list[str] = []
    gate = threading.Barrier(RACERS)

    def change(text: str) -> None:
        own = store()
        gate.wait()
        try:
            own.write(name, text, start)
            won.append(text)
        except Conflict:
            pass

    threads = [threading.Thread(target=change, args=(f"drill-{n}",)) for n in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won
