"""What every metrics adapter must do: the same checks, whatever server stands behind it.

A `World` is a server that keeps what was scraped, with the ways in which such a server misbehaves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import pytest

from muster.platform.metrics import Metrics, MetricsError, newest_s

NOW_S = 1_800_000_000.0
SECRET = "s3cr3t-t0ken"
Trouble = Literal["down", "refuses", "silent", "partial", "nonsense", "values"]
"""`refuses`: an error by status; `values`: series whose values are no numbers of a scrape."""
TROUBLES: tuple[Trouble, ...] = ("down", "refuses", "silent", "partial", "nonsense", "values")


class World(ABC):
    """A server with `requests_total` of two regions, 10 s of scrapes up to NOW_S."""

    selector: str
    query: str
    """A selector of `requests_total`, and an instant query for it, in the server's language."""

    @abstractmethod
    def adapter(self) -> Metrics:
        """A new adapter of this server."""

    @abstractmethod
    def trouble(self, kind: Trouble | None) -> None:
        """From now on every answer goes so; None: all is well again."""

    @property
    @abstractmethod
    def asked(self) -> int:
        """How often the server was asked anything."""


def asks_nothing_when_made(world: World) -> None:
    """A plan names the server without reaching it."""
    world.trouble("down")
    adapter = world.adapter()
    assert adapter.url
    adapter.close()
    assert world.asked == 0


def says_that_it_is_ready(world: World) -> None:
    """Ready raises nothing; a server that is down raises."""
    world.adapter().ready()
    world.trouble("down")
    with pytest.raises(MetricsError):
        world.adapter().ready()


def answers_raw_samples(world: World) -> None:
    """Each series by its labels, with the scrapes' own times; NaN is None, never 0."""
    found = world.adapter().raw("requests", world.selector, 60, NOW_S)
    by_region = {one.labels["region"]: one for one in found}
    assert set(by_region) == {"a", "b"}
    assert all("__name__" not in one.labels for one in found)
    assert {one.signal for one in found} == {"requests"}
    assert {one.name for one in found} == {"requests_total"}
    assert by_region["a"].v == tuple(float(n) for n in range(11))
    assert by_region["a"].t_s == tuple(NOW_S - 10 + n for n in range(11))
    assert by_region["b"].v[3] is None
    assert newest_s(found) == NOW_S


def looks_back_no_further(world: World) -> None:
    """Of a shorter window only its samples."""
    (one,) = (
        one for one in world.adapter().raw("requests", world.selector, 2.5, NOW_S)
        if one.labels["region"] == "a"
    )  # fmt: skip
    assert one.t_s == (NOW_S - 2, NOW_S - 1, NOW_S)


def no_data_is_empty(world: World) -> None:
    """A selector that nothing answers: no series, which is no zero and no error."""
    assert world.adapter().raw("nothing", "nothing_total", 60, NOW_S) == []
    assert newest_s([]) is None
    assert world.adapter().instant("nothing_total") == []


def answers_an_instant_query(world: World) -> None:
    """Labels and value of each series."""
    found = {labels["region"]: value for labels, value in world.adapter().instant(world.query)}
    assert found == {"a": 10.0, "b": 10.0}


def raises_of(kind: Trouble) -> Callable[[World], None]:
    """The check that a server in that trouble is an error, and never an answer."""

    def check(world: World) -> None:
        world.trouble(kind)
        adapter = world.adapter()
        for ask in (
            lambda: adapter.raw("requests", world.selector, 60, NOW_S),
            lambda: adapter.instant(world.query),
        ):
            with pytest.raises(MetricsError) as caught:
                ask()
            said = str(caught.value)
            assert said
            assert "\n" not in said
            assert SECRET not in said
            assert caught.value.timed_out == (kind == "silent")

    check.__name__ = f"raises_when_{kind}"
    return check


CHECKS: tuple[Callable[[World], None], ...] = (
    asks_nothing_when_made,
    says_that_it_is_ready,
    answers_raw_samples,
    looks_back_no_further,
    no_data_is_empty,
    answers_an_instant_query,
    *(raises_of(kind) for kind in TROUBLES),
)
