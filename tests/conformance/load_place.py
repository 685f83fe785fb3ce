"""What every place for a load must do: the same checks, wherever its parts run.

A `World` is an endpoint, a place, and a look at the parts by a way that is not the place's own.
`CHECKS` are the suite.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import pytest
from floor_fixtures import await_true
from load_peers import REGION, traffic

from muster.drill.load.place import LoadPlace
from muster.errors import MusterError
from muster.load import LoadPlan
from muster.load.schedule import Schedule

SEED = 7
SECONDS = 4.0
LONG_S = 600.0
SECRET = "sk-of-the-load"
SOON_S = 60.0


class World(ABC):
    """A load of `parts` parts against a well-behaved endpoint."""

    bundle: Path
    url: str
    parts = 2

    @property
    def plan(self) -> LoadPlan:
        """The load that is offered; without an end of its own within a test."""
        return self.planned(LONG_S)

    def planned(self, seconds: float) -> LoadPlan:
        """The load for `seconds` of the schedule."""
        return LoadPlan(
            url=self.url,
            profile=traffic(streams=40, ramp_s=0),
            seed=SEED,
            regions_by_address={"127.0.0.1": REGION},
            token=self.token,
            shards=self.parts,
            duration_s_max=seconds,
            drain_s=20.0,
            linger_s=LONG_S,
            record_dir=self.bundle,
            outlives_parent=True,
        )

    @property
    def token(self) -> str:
        """The token as the plan has it."""
        return SECRET

    @property
    @abstractmethod
    def requests(self) -> int:
        """How many requests the endpoint has got."""

    @property
    @abstractmethod
    def alive(self) -> int:
        """How many parts run, seen from outside."""

    @abstractmethod
    def place(self) -> LoadPlace:
        """A new place of this world."""

    @abstractmethod
    def kill(self, part: int) -> None:
        """The part with that index, from 0, is killed."""

    @abstractmethod
    def forsake(self, place: LoadPlace) -> None:
        """The drill that had started `place` is gone, and nobody takes over."""

    def begun(self, seconds: float = LONG_S) -> LoadPlace:
        """A place whose load has begun."""
        place = self.place()
        place.start(self.planned(seconds), lambda: None)
        return place

    def recorded(self, key: str) -> int:
        """The sum of a counter in all records of the bundle."""
        rows = (
            json.loads(line)
            for path in self.bundle.glob("load-[0-9]*.jsonl")
            for line in path.read_bytes().split(b"\n")[:-1]
        )
        return sum(int(row.get(key, 0)) for row in rows)


def arrivals(until_s: float) -> int:
    """How many arrivals one process offers before `until_s`."""
    schedule = Schedule(traffic(streams=40, ramp_s=0), scale=1, seed=SEED, until_s=until_s)
    return sum(1 for one in schedule if one.at_s < until_s)


def begins_every_part(world: World) -> None:
    """All parts run, none is lost, and arrivals come, from each of them in the record."""
    place = world.begun()
    assert place.shards == world.parts == world.alive
    assert place.lost() == ""
    await_true(lambda: world.requests > 20, "arrivals", SOON_S)
    await_true(
        lambda: len(list(world.bundle.glob("load-[0-9]*.jsonl"))) == world.parts, "records", SOON_S
    )
    place.stop()


def offers_what_one_process_offers(world: World) -> None:
    """Scheduled, offered and answered: the parts add up to the run of one process, exactly."""
    place = world.begun(SECONDS)
    expected = arrivals(SECONDS)
    await_true(lambda: world.recorded("offered") >= expected, "all arrivals", SOON_S)
    place.stop()
    assert world.recorded("scheduled") == world.recorded("offered") == expected
    assert world.requests == expected


def notices_a_lost_part(world: World) -> None:
    """One that ends by itself is told in one line, for good; the others go on."""
    place = world.begun()
    world.kill(1)
    await_true(lambda: place.lost() != "", "the loss", SOON_S)
    said = place.lost()
    assert "\n" not in said
    assert SECRET not in said
    assert world.alive == world.parts - 1
    before = world.requests
    await_true(lambda: world.requests > before, "more arrivals", SOON_S)
    place.stop()
    assert place.lost() == said
    assert world.alive == 0


def stops_arrivals(world: World) -> None:
    """No stream is started any more; the parts stay, and none counts as lost."""
    place = world.begun()
    await_true(lambda: world.requests > 20, "arrivals", SOON_S)
    place.stop_arrivals()
    seen = [-1]

    def still() -> bool:
        before, seen[0] = seen[0], world.recorded("offered")
        return seen[0] == before and world.requests == before

    import time

    def quiet() -> bool:
        time.sleep(2.5)
        return still()

    await_true(quiet, "quiet", SOON_S)
    assert place.lost() == ""
    assert world.alive == world.parts
    place.stop()


def ends_every_part(world: World) -> None:
    """Nothing of it runs after the end, which may be asked for twice."""
    place = world.begun()
    for _ in range(2):
        place.stop()
        assert world.alive == 0
        assert place.shards == 0
    assert place.lost() == ""


def outlives_nobody(world: World) -> None:
    """Where the drill is gone and nobody takes over, every part ends by itself."""
    place = world.begun()
    world.forsake(place)
    await_true(lambda: world.alive == 0, "the end of all parts", SOON_S)


def says_why_it_cannot_begin(world: World) -> None:
    """A load that cannot run is refused in one line, and nothing of it goes on."""
    place = world.place()
    world.url = "http://127.0.0.1:1/v1/chat/completions"
    wrong = world.planned(LONG_S)
    object.__setattr__(wrong, "dns_server", "nonsense:port")
    with pytest.raises(MusterError) as raised:
        place.start(wrong, lambda: None)
    place.stop()
    assert "\n" not in str(raised.value)
    assert world.alive == 0


def keeps_secrets(world: World) -> None:
    """No record of it has the token."""
    place = world.begun()
    await_true(lambda: world.recorded("offered") > 20, "arrivals", SOON_S)
    place.stop()
    assert not any(SECRET in path.read_text() for path in world.bundle.rglob("*.jsonl"))


CHECKS: tuple[Callable[[World], None], ...] = (
    begins_every_part,
    offers_what_one_process_offers,
    notices_a_lost_part,
    stops_arrivals,
    ends_every_part,
    outlives_nobody,
    says_why_it_cannot_begin,
    keeps_secrets,
)
