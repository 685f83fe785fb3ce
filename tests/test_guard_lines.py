"""What the guard logs of its trips: one line for one reason; the ledger holds every trip."""

from __future__ import annotations

from typing import Any

import pytest
from floor_fixtures import OTHER, REGION, a_target
from held_clock import HeldClock
from test_delay import CONTRACT, raw

from muster.drill.guard import DrillGuard

GATE = CONTRACT.gates["M3"]


class Guarded:
    """A guard of two regions whose queues are scraped once a second, in a time that is 60 times as
    fast.
    """

    def __init__(self) -> None:
        self.clock = HeldClock(1000.0)
        self.trips: list[dict[str, Any]] = []
        self.guard = DrillGuard(a_target(), CONTRACT, GATE, 60.0, self.record, self.clock)
        self.guard.arm()
        self.stopped_by: list[str] = []

    def record(self, event: str, **fields: Any) -> None:
        name = fields["signal" if event == "data_lost" else event]
        self.trips.append({"at_s": self.clock.now_s(), "event": event, "name": name, **fields})

    def run(self, seconds: float, **age_s: float) -> None:
        """Samples of the queues with these ages; a region that is not named shows none."""
        regions = {"west": REGION, "east": OTHER}
        for _ in range(round(seconds)):
            now_s = self.clock.now_s()
            fresh = [raw("queue_age", now_s, age, regions[name]) for name, age in age_s.items()]
            if (reason := self.guard.look(fresh, now_s)) is not None:
                self.stopped_by.append(reason.by)
            self.clock.advance(1.0)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if line.startswith("guard: ")]


def test_one_loss_of_data_is_two_lines_and_each_trip_is_on_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first signal with its detail, the others by name; however long the loss goes on."""
    made = Guarded()
    made.run(30)
    lost = [f"{one['name']} in {one['region']}" for one in made.trips]
    # Rates are lost at the load and at the server.
    assert len(lost) > len(set(lost)) >= 6
    assert {one["event"] for one in made.trips} == {"data_lost"}
    assert len({one["at_s"] for one in made.trips}) == 1
    assert made.stopped_by == ["data_lost"]
    first, also = lines(caplog)
    trip = made.trips[0]
    assert first == f"guard: data_lost {trip['name']}: {trip['detail']}"
    assert also.startswith("guard: also data_lost ")
    assert also.endswith(f" and {len(set(lost)) - 4} more")


def test_another_reason_has_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """A limit before the loss of data; where it trips in a second region it is named there."""
    made = Guarded()
    made.run(2, west=4.0 * float(GATE.queue_age_s_max or 0), east=0.0)
    made.run(1, west=0.0, east=4.0 * float(GATE.queue_age_s_max or 0))
    made.run(30)
    told = lines(caplog)
    assert told[0].startswith(f"guard: limit queue_age in {REGION}: ")
    assert told[1] == f"guard: also limit queue_age in {OTHER}"
    assert told[2].startswith("guard: data_lost ")
    assert len([line for line in told if not line.startswith("guard: also ")]) == 2
    assert len(told) == len(set(told))
    assert made.stopped_by[0] == "limit:queue_age"
