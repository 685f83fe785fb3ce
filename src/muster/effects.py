"""Asks, right before each single change of a platform, whether this process may still make it.

A step of a drill may take minutes: it waits, and tries again. A process that stood still meanwhile
wakes in the middle of it, when another machine may have restored everything already. So whoever
makes a change asks here each time, and whoever begins the step says which check answers. Outside of
such a step nothing is asked.

No check can stop a call that is already on its way, or a process that stands still between the
check and its call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from muster.errors import MusterError

Check = Callable[[], object]
"""Raises if no more may be changed. It must cost nothing while the answer is known."""
P = ParamSpec("P")
R = TypeVar("R")
_check: ContextVar[Check | None] = ContextVar("muster_effects", default=None)


class NotOurs(MusterError):
    """Another machine may own what this process was about to change. Nothing was changed.

    No error of a port: those are tried again, or answered by a stronger change.
    """


@contextmanager
def asking(check: Check) -> Iterator[None]:
    """Let each change inside the block, in this thread, ask `check` first.

    In a block inside of another one both are asked.
    """
    outer = _check.get()

    def both() -> None:
        if outer is not None:
            outer()
        check()

    before = _check.set(both)
    try:
        yield
    finally:
        _check.reset(before)


def _free() -> None:
    """Nobody is asked."""


def ask() -> None:
    """For the moment before a change. Raises what the check raises."""
    if (check := _check.get()) is None:
        return
    # A check may write to the store, to renew the lock: that is no change of the platform.
    before = _check.set(None)
    try:
        check()
    finally:
        _check.reset(before)


def carried(call: Callable[P, R]) -> Callable[P, R]:
    """`call` for another thread, whose changes ask the check of this one."""
    check = _check.get() or _free

    def run(*arguments: P.args, **named: P.kwargs) -> R:
        with asking(check):
            return call(*arguments, **named)

    return run
