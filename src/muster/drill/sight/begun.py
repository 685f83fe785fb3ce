"""A fault that goes on while other phases run, and the looks at it until it is ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from muster.faults import Fault, Proof


@dataclass(frozen=True)
class Begun:
    """`finish` ends the looks and gives their whole proof; `close` ends them without one."""

    fault: Fault
    finish: Callable[[], Proof]
    close: Callable[[], None]
