"""The phases of faults of DNS, without a drill: what is begun, awaited, recorded, and left."""

from __future__ import annotations

import pytest
from floor_fixtures import OTHER, REGION
from test_share_shift import World, looks  # noqa: F401 - the fixture of every test here

from muster.drill.phases import names
from muster.drill.sight import observe
from muster.errors import DrillAborted
from muster.faults import Proof
from muster.faults.dns_empty import DnsEmpty
from muster.faults.dns_stale import DnsStale
from muster.ledger import read_ledger
from muster.platform.metrics import RawSeries
from muster.undo import read_undo

STREAMS = 1000.0


class Names(World):
    """A platform whose clients fail `slow_s` longer than the name is empty, if it is.

    A stale name server is one that the new streams do not follow. `full_s`: how long after users
    are served all streams are open again; None: they never are.
    """

    def __init__(self, folder, *, slow_s=2.0, full_s=6.0, reads_again=True, **weights):
        self.slow_s, self.full_s, self.reads_again = slow_s, full_s, reads_again
        self.empty = self.stale = False
        self.served_s = 0.0
        self.done = []
        super().__init__(folder, **weights)

    def tick(self, passed_s):
        begun = self.seconds
        super().tick(passed_s)
        for second in range(begun + 1, self.seconds + 1):
            full = self.full_s is not None and second > self.served_s + self.full_s
            streams = STREAMS if full else STREAMS / 2
            t_s = self.clock.began_s + second
            self.facts.add([RawSeries("client_streams", "s", {}, (t_s,), (streams,))])

    def code(self, second):
        return "failed" if self.empty or second <= self.served_s else "200"

    def tell(self, kind, on):
        """What apply and revert do to the name server; the undo log must know of it already."""
        if on:
            (entry,) = read_undo(self.folder / "undo.jsonl").pending
            assert entry.kind == kind
        self.done.append((kind, on))
        if kind == "dns_empty":
            self.served_s = 0.0 if on else self.clock.passed_s + self.slow_s
            self.empty = on
        else:
            self.stale = on
            self.follows = not on and self.reads_again

    def phases(self):
        """Each phase with its tier and how it ended."""
        started, ended = self.events("phase_started"), self.events("phase_ended")
        return [(a["phase"], a["tier"], b["outcome"]) for a, b in zip(started, ended, strict=True)]

    def timings(self):
        return {one["name"]: one["value_s"] for one in self.events("timing")}

    def order(self):
        """What became of which fault, in order."""
        return [
            (one["event"].removeprefix("fault_"), one["fault"])
            for one in self.events_like("fault_")
        ]

    def events_like(self, start):
        ledger = read_ledger(self.folder / "ledger.jsonl")
        return [dict(one) for one in ledger.events if one["event"].startswith(start)]


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Makes a world whose faults tell it what they would tell the name server."""

    def made(**how):
        one = Names(tmp_path, **how)
        for fault in (DnsEmpty, DnsStale):
            kind = fault.kind
            monkeypatch.setattr(fault, "undo_params", lambda _: {"arguments": {}})
            monkeypatch.setattr(fault, "apply", lambda _, kind=kind: one.tell(kind, True))
            monkeypatch.setattr(fault, "revert", lambda _, kind=kind: one.tell(kind, False))
            monkeypatch.setattr(
                fault, "observe", lambda _: Proof(one.empty or one.stale, "told", {})
            )
        return one

    return made


def test_an_outage_is_judged_by_no_tier_and_ends_once_users_are_served(world):
    """Undo, declaration, effect, proof, revert; and how long users waited from the revert on."""
    one = world()
    names.leave_empty(one.session, 20)
    assert one.phases() == [("outage", None, "ok")]
    assert one.order() == [
        ("declared", "dns_empty"), ("applied", "dns_empty"), ("proof", "dns_empty"),
        ("proof", "dns_empty"), ("reverted", "dns_empty"),
    ]  # fmt: skip
    assert [seen["proven"] for seen in one.events("fault_proof")] == [True, True]
    assert one.told == [("dns_empty", REGION), ("dns_empty", OTHER),
                        ("no dns_empty", REGION), ("no dns_empty", OTHER)]  # fmt: skip
    # Served is what two scrapes in a row show, so it is known a little later than it is so.
    assert one.slow_s <= one.timings()["served_again_s"] <= one.slow_s + 15


def test_the_outage_waits_until_all_streams_are_open_again(world):
    """Clients come back one by one: the next phase must not be judged by half a load."""
    one = world(full_s=9.0)
    names.leave_empty(one.session, 5)
    assert one.facts.total("client_streams") == STREAMS
    assert 9 <= one.clock.passed_s - one.served_s <= 20


def test_users_that_are_not_served_in_time_are_waited_for_in_bounded_time(world):
    """No time is told, which is unknown to the judge; the drill goes on to its end."""
    one = world(slow_s=10_000.0)
    names.leave_empty(one.session, 5)
    assert one.phases() == [("outage", None, "ok")]
    assert "served_again_s" not in one.timings()
    assert one.done[-1] == ("dns_empty", False)


def test_streams_that_never_come_back_are_waited_for_in_bounded_time(world):
    """Users are served, so the time is told."""
    one = world(full_s=None)
    names.leave_empty(one.session, 5)
    assert "served_again_s" in one.timings()


def test_no_outage_begins_while_a_region_is_not_ready(world, monkeypatch):
    """It spares none of them, so all must be there."""
    one = world()
    monkeypatch.setattr(observe, "ready", lambda session, region: region == REGION)
    with pytest.raises(DrillAborted) as stopped:
        names.leave_empty(one.session, 5)
    assert stopped.value.by == "limit:last_healthy_region"
    assert one.done == []
    assert not read_undo(one.folder / "undo.jsonl").entries


def test_the_hold_after_it_is_judged_and_ends_when_the_platform_is_quiet(world, monkeypatch):
    """For so long first, in the drill's time."""
    one, at_s = world(), []
    monkeypatch.setattr(names, "await_quiet", lambda session: at_s.append(one.clock.passed_s))
    before_s = one.clock.passed_s
    names.hold_after(one.session, 2.0, "L")
    assert one.phases() == [("back_in_dns", "L", "ok")]
    assert at_s == [pytest.approx(before_s + 120 / one.session.time_scale, abs=1)]


def test_old_answers_come_first_and_the_shift_that_they_hide_after_them(world):
    """Weights move, streams do not; each has an undo entry, and the shift's is played first."""
    one = world()
    names.go_stale(one.session, 80, 10, "L")
    assert one.phases() == [("stale", "L", "ok")]
    assert one.order() == [
        ("declared", "dns_stale"), ("applied", "dns_stale"),
        ("declared", "traffic_shift"), ("applied", "traffic_shift"),
        ("proof", "dns_stale"), ("proof", "dns_stale"),
    ]  # fmt: skip
    pending = read_undo(one.folder / "undo.jsonl").pending
    assert [entry.kind for entry in pending] == ["traffic_shift", "dns_stale"], "newest first"
    assert one.records.stand == {REGION: 10, OTHER: 90}
    assert one.answers == [(0.0, {REGION: 50, OTHER: 50})]


def test_new_streams_follow_the_weights_once_it_reads_again(world):
    """How long that took is told, and the shift holds for the rest of the phase."""
    one = world()
    names.go_stale(one.session, 80, 10, "L")
    names.catch_up(one.session, 1.0, "L")
    assert [name for name, _, _ in one.phases()] == ["stale", "caught_up"]
    assert one.order()[-2:] == [("reverted", "dns_stale"), ("proof", "traffic_shift")]
    assert 0 < one.timings()["caught_up_s"] <= 40
    assert one.findings() == [("traffic_split", "caught_up", "pass")]
    assert one.events("fault_proof")[-1]["proven"] is True
    assert one.records.stand == {REGION: 10, OTHER: 90}, "shift_back moves it back"


def test_a_name_server_that_never_reads_again_fails_the_platform(world):
    """In bounded time; the shift is left to the undo log."""
    one = world(reads_again=False)
    names.go_stale(one.session, 80, 10, "L")
    with pytest.raises(DrillAborted) as stopped:
        names.catch_up(one.session, 1.0, "L")
    assert stopped.value.by == "platform:traffic_would_not_leave"
    assert one.session.stop.reason.verdict == "FAIL"
    assert "caught_up_s" not in one.timings()
    pending = read_undo(one.folder / "undo.jsonl").pending
    assert "traffic_shift" in [entry.kind for entry in pending]


def test_a_shift_that_tells_nothing_ends_the_phase_with_its_undo_pending(world):
    """The answers were made stale before: that must go back, and no weight was set."""
    one = world(eu_west_1=8, eu_central_1=92)
    with pytest.raises(DrillAborted) as stopped:
        names.go_stale(one.session, 50, 10, "L")
    assert stopped.value.by == "shift_too_small"
    assert one.records.sets == []
    assert [entry.kind for entry in read_undo(one.folder / "undo.jsonl").pending] == ["dns_stale"]


def test_a_catch_up_without_stale_answers_fails(world):
    """Nothing in the undo log says that they were."""
    one = world()
    with pytest.raises(DrillAborted, match="the undo log holds no dns_stale"):
        names.catch_up(one.session, 1.0, "L")
