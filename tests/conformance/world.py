"""What the suites of the ports share: the ways in which a platform misbehaves, and what is said."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from muster.effects import NotOurs, asking
from muster.platform.port import PortError, Touch

REGION = "eu-west-1"
SECRET = "s3cr3t-t0ken"
Trouble = Literal["refuses", "late before", "late after", "half", "nonsense"]
"""`late before`: no answer in time and nothing done; `late after`: done, and no answer in time."""


class Outside(ABC):
    """What an adapter changes, as a test looks at it and spoils it by a way of its own."""

    touches: tuple[Touch, ...] = ()
    """What the adapter must name besides the region, in its own words."""

    @property
    @abstractmethod
    def calls(self) -> int:
        """How often anything was asked, so far."""

    @abstractmethod
    def trouble(self, kind: Trouble | None) -> None:
        """From now on every change (`nonsense`: every answer) goes so; None: all is well again."""

    @abstractmethod
    def paste(self, line: str) -> None:
        """A person runs `line`."""


def attempted(change: Callable[[], None]) -> str:
    """What `change` raised, as a line; empty: nothing."""
    said = ""
    try:
        change()
    except PortError as error:
        said = str(error)
    assert "\n" not in said
    assert SECRET not in said
    return said


@contextmanager
def taken_away() -> Iterator[None]:
    """Another machine may own the platform: the change in the block asks, and is not made."""

    def refuse() -> None:
        raise NotOurs("the lock was taken away")

    with asking(refuse), pytest.raises(NotOurs):
        yield
