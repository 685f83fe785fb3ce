"""What every names adapter must do: the same checks, whatever says what clients are answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import pytest

from muster.platform.names import Names
from muster.platform.port import PortError

REGIONS = ("eu-east-1", "eu-west-1")
TTL_S = 7
DETECTION_S = 20


class World(ABC):
    """A public name of two regions: TTL_S, and a lost region is out after DETECTION_S."""

    asks = True
    """Whether the adapter asks a system; where not, nothing can keep it from answering."""

    @abstractmethod
    def adapter(self) -> Names:
        """A new adapter of this name."""

    @abstractmethod
    def down(self) -> None:
        """From now on nobody answers."""

    @abstractmethod
    def undetected(self) -> None:
        """From now on nothing takes a lost region out of the answers."""


def says_the_longest_ttl(world: World) -> None:
    """Whole seconds, the longest of all parts: a bound that is too short blames the platform."""
    assert world.adapter().ttl_s() == TTL_S


def says_how_long_detection_takes(world: World) -> None:
    """Interval times looks, for every region that is taken out."""
    found = world.adapter().detection()
    assert set(found) == set(REGIONS)
    assert {interval * looks for interval, looks in found.values()} == {DETECTION_S}


def says_when_nothing_detects(world: World) -> None:
    """No region is taken out: nothing is waited for, and nothing is made up."""
    world.undetected()
    assert world.adapter().detection() == {}


def gives_addresses_of_regions_alone(world: World) -> None:
    """Texts by region; empty where addresses do not tell regions apart."""
    found = world.adapter().addresses()
    assert set(found) <= set(REGIONS)
    assert all(address for addresses in found.values() for address in addresses)


def asks_nothing_when_made(world: World) -> None:
    """A plan names what it would touch while the platform is away."""
    world.down()
    world.adapter()


def an_outage_is_an_error(world: World) -> None:
    """A system that does not answer is an error, never a figure."""
    world.down()
    names = world.adapter()
    for ask in (names.ttl_s, names.detection, names.addresses):
        if world.asks:
            with pytest.raises(PortError):
                ask()
        else:
            ask()


CHECKS: tuple[Callable[[World], None], ...] = (
    says_the_longest_ttl,
    says_how_long_detection_takes,
    says_when_nothing_detects,
    gives_addresses_of_regions_alone,
    asks_nothing_when_made,
    an_outage_is_an_error,
)
