"""A fault is looked at through its whole hold: what counts, what is bridged, what is on record."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from floor_fixtures import REGION, await_true
from held_clock import HeldClock

from muster.clock import SYSTEM_CLOCK
from muster.drill.sight import proofs
from muster.drill.sight.facts import Facts
from muster.drill.sight.proofs import Looker, Throughout
from muster.drill.stop import StopFlag, StopReason
from muster.errors import DrillAborted
from muster.faults import FaultError, Proof
from muster.platform.metrics import RawSeries

BITES, GONE = Proof(True, "refuses"), Proof(False, "it answers 200")


def held(gap_s_max: float, looks: dict[float, Proof | None], held_s: float) -> Proof:
    """The proof of a hold with those looks; None: it could not look."""
    seen = Throughout(gap_s_max)
    for at_s, proof in looks.items():
        if proof is None:
            seen.could_not("no route")
        else:
            seen.saw(at_s, proof)
    return seen.proof(held_s)


def test_a_fault_that_is_seen_at_every_look_is_proven() -> None:
    """Every look proven: so is the hold, with the counts."""
    proof = held(9, {float(t): BITES for t in range(0, 60, 2)}, 60)
    assert proof.proven
    assert proof.why == "refuses; so at 30 looks in 60 s"
    assert (proof.facts["looks"], proof.facts["longest_gap_s"]) == (30, 2)


def test_a_region_lit_in_the_middle_of_the_hold_is_not_proven() -> None:
    """Dark at both ends, started 4 s into the hold and stopped 7 s later."""
    looks = {float(t): GONE if 4 < t < 11 else BITES for t in range(0, 60, 2)}
    proof = held(9, looks, 60)
    assert not proof.proven
    assert proof.why == (
        "not throughout: at 3 of 30 looks, from 6.0 to 10.0 s into the hold: it answers 200"
    )
    assert (proof.facts["first_not_proven_s"], proof.facts["last_not_proven_s"]) == (6, 10)


def test_one_look_that_sees_it_gone_is_enough() -> None:
    """It let go: that all others were proven does not take that back."""
    assert not held(9, {0.0: BITES, 2.0: GONE, 4.0: BITES}, 5).proven


@pytest.mark.parametrize(("lost", "proven"), [(1, True), (3, True), (4, False)])
def test_a_lost_look_is_bridged_and_a_long_blindness_is_not(lost: int, proven: bool) -> None:
    """Looks that fail show nothing: a gap of 8 s is bridged where 9 s may be, 10 s is not."""
    looks: dict[float, Proof | None] = {float(t): BITES for t in range(0, 60, 2)}
    for index in range(lost):
        looks[20.0 + 2 * index] = None
    proof = held(9, looks, 60)
    assert proof.proven is proven
    if not proven:
        assert proof.why == (
            "no look verified the effect for 10.0 s of the hold, at most 9.0 s are allowed"
            ": no route"
        )


def test_a_hold_whose_end_nobody_saw_is_not_proven() -> None:
    """The last look was too long ago, or there was none at all."""
    assert not held(9, {0.0: BITES, 2.0: BITES}, 30).proven
    assert not held(9, {}, 1).proven
    assert held(9, {0.0: BITES}, 5).proven


class Scripted:
    """A fault of the tests: it answers what it is told to, look by look; the last one stays."""

    kind, region, look_s_max, bite_s_max = "scripted", REGION, 5.0, 10.0
    stops_region = True
    subject = "region scripted"

    def __init__(self, *answers: Proof | Exception) -> None:
        self.answers = list(answers)
        self.looks = 0

    def observe(self) -> Proof:
        self.looks += 1
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def looked(fault: Scripted, looks: int, contrary=lambda: "") -> tuple[Proof, list[Proof]]:
    """The proof of a hold of so many looks, 2 s apart, and what was recorded meanwhile."""
    seen: list[Proof] = []
    clock = HeldClock()
    looker = Looker(
        fault.observe, seen.append, poll_s=2.0, look_s_max=5.0, contrary=contrary, clock=clock
    )
    clock.on_wait = lambda passed_s: looker.close() if passed_s >= 2.0 * looks else None
    looker.run()
    proof = looker.finish()
    assert (clock.passed_s, proof.facts["held_s"]) == (2.0 * looks, 2.0 * looks)
    return proof, seen


def test_the_record_gets_changes_and_not_every_look() -> None:
    """Gone and back are two lines; the many looks between are none."""
    proof, seen = looked(Scripted(BITES, BITES, GONE, GONE, BITES), 20)
    assert [one.proven for one in seen] == [False, True]
    assert (proof.proven, proof.facts["looks_not_proven"], proof.facts["looks"]) == (False, 2, 20)
    assert (proof.facts["first_not_proven_s"], proof.facts["last_not_proven_s"]) == (4, 6)


def test_a_fault_that_flickers_fills_no_ledger() -> None:
    """So many changes are recorded one by one; the summary counts them all."""
    proof, seen = looked(Scripted(*[GONE, BITES] * 50, BITES), 120)
    assert len(seen) == proofs.CHANGES_MAX
    assert proof.facts["looks_not_proven"] == 50


def test_a_look_that_raises_is_bridged_and_not_recorded() -> None:
    """One that could not look among proven ones leaves the hold proven."""
    fault = Scripted(BITES, FaultError("no answer"), RuntimeError("surprise"), BITES)
    proof, seen = looked(fault, 6)
    assert (seen, proof.proven, proof.facts["looks_failed"]) == ([], True, 2)


def test_what_the_samples_show_contradicts_a_look() -> None:
    """The region refuses, and its series are scraped all the same: not dark."""
    told = ["", "its own series was scraped", ""]
    proof, _ = looked(
        Scripted(BITES), 4, contrary=lambda: told.pop(0) if len(told) > 1 else told[0]
    )
    assert (proof.proven, "its own series was scraped" in proof.why) == (False, True)


def test_a_look_that_takes_its_time_is_followed_by_the_next_one_at_once() -> None:
    """Looks are a poll apart from begin to begin, and never two at a time."""
    clock = HeldClock()
    took_s = [0.5, 3.0, 0.5]
    began: list[float] = []

    def look() -> Proof:
        began.append(clock.passed_s)
        clock.advance(took_s[len(began) - 1])
        return BITES

    looker = Looker(look, print, poll_s=2.0, look_s_max=5.0, clock=clock)
    clock.on_wait = lambda _: looker.close() if len(began) == len(took_s) else None
    looker.run()
    assert began == [0.0, 2.0, 5.0]
    assert looker.finish().facts["longest_gap_s"] == 3.0


def test_a_hanging_look_ends_no_wait_and_counts_for_nothing() -> None:
    """The hold's stop is not kept by a look, and one that comes late is not recorded."""
    go, entered = threading.Event(), threading.Event()
    seen: list[Proof] = []

    def hang() -> Proof:
        entered.set()
        go.wait(30)
        return GONE

    looker = Looker(hang, seen.append, poll_s=0.01, look_s_max=0.05)
    looker.start()
    assert entered.wait(30)
    looker.close()
    proof = looker.finish()
    go.set()
    looker._thread.join(30)
    assert (seen, looker.throughout.looks, proof.proven) == ([], 0, False)


class Recording(SimpleNamespace):
    """As much of a session as proofs need."""

    poll_s = 0.001

    def __init__(self) -> None:
        super().__init__(stop=StopFlag(HeldClock()), proofs=[], clock=SYSTEM_CLOCK)

    def record_proof(self, fault: str, region: str, proof: Proof) -> None:
        self.proofs.append(proof)

    def wait_until(self, holds, seconds_max, look_s=0.2):
        return self.stop.wait_until(holds, seconds_max, look_s)


def test_a_hold_is_proven_on_record_at_its_end() -> None:
    """The summary is the last line, whatever the block did meanwhile."""
    session, fault = Recording(), Scripted(BITES)
    with proofs.throughout(session, fault):
        await_true(lambda: fault.looks > 3, "some looks")
    (proof,) = session.proofs
    assert (proof.proven, proof.facts["looks"] > 3) == (True, True)


def test_a_hold_that_is_stopped_leaves_at_once_and_without_a_summary() -> None:
    """A stop is not kept waiting for the look that is under way."""
    session, release = Recording(), threading.Event()
    fault = Scripted(BITES)
    fault.observe = lambda: (release.wait(30), BITES)[1]  # type: ignore[method-assign]
    session.stop.set(StopReason("operator", "ABORTED", "enough", time.time()))
    with pytest.raises(DrillAborted), proofs.throughout(session, fault):
        session.stop.check()
    release.set()
    assert session.proofs == []


def test_a_region_that_somebody_else_starts_stops_the_drill() -> None:
    """At the first look that shows it, with what was set; not at the end of the hold."""
    session = Recording()
    lit = Proof(False, "a pod is back", {}, another="replicas 0 -> 3")
    with proofs.throughout(session, Scripted(BITES, lit)):
        await_true(lambda: session.stop.is_set, "a stop")
    assert session.stop.reason is not None
    assert (session.stop.reason.by, session.stop.reason.verdict) == (proofs.CHANGED, "ABORTED")
    assert session.stop.reason.detail == "region scripted: replicas 0 -> 3"


def test_the_hold_begins_once_the_fault_is_seen_to_bite() -> None:
    """A look that fails, and a balancer that needs a moment, are waited for; one line is kept."""
    session = Recording()
    assert proofs.await_bite(session, Scripted(FaultError("no answer"), GONE, BITES)).proven
    assert session.proofs == [BITES]


def test_a_fault_that_never_bites_is_on_record_and_held_all_the_same() -> None:
    """The wait is bounded; what was seen last is the proof."""
    for answer, why in ((GONE, "it answers 200"), (FaultError("deaf"), "could not look: deaf")):
        session = Recording()
        assert not proofs.await_bite(session, Scripted(answer)).proven
        (proof,) = session.proofs
        assert (proof.proven, proof.why) == (False, why)


@pytest.mark.parametrize("kind", ["process", "kubernetes"])
def test_a_dark_region_is_contradicted_by_its_own_series_and_by_streams(kind: str) -> None:
    """A scrape of its process where that is its own; a stream that succeeded there anywhere."""
    facts = Facts(stale_s=3)
    now_s = time.time()

    def sample(signal: str, t_s: float, value: float, **labels: str) -> None:
        facts.add([RawSeries(signal, signal, {"region": REGION, **labels}, (t_s,), (value,))])

    sample("streams_limit", now_s, 300)
    sample("client_attempts", now_s, 10, outcome="success")
    session = SimpleNamespace(
        facts=facts,
        clock=SimpleNamespace(now_s=lambda: now_s),
        target=SimpleNamespace(
            prometheus=SimpleNamespace(scrape_interval_s=1.0),
        ),
        platform=SimpleNamespace(
            power={REGION: SimpleNamespace(own_samples=kind == "process")},
        ),
    )
    against = proofs.lit(session, REGION)
    sample("streams_limit", now_s + 2, 300)
    sample("client_attempts", now_s + 2, 10, outcome="success")
    sample("client_attempts", now_s + 2, 4, outcome="refused")
    assert against() == "", "a scrape that was under way when it was stopped"
    sample("streams_limit", now_s + 6, 75)
    assert ("streams_limit" in against()) is (kind == "process")
    if kind == "process":
        return
    sample("client_attempts", now_s + 2.5, 11, outcome="success")
    assert against() == "", "a stream that ended before the region stopped, scraped after it"
    sample("client_attempts", now_s + 6, 11, outcome="success")
    assert against() == "", "the first scrape that must hold it is what later ones are held against"
    sample("client_attempts", now_s + 7, 14, outcome="success")
    assert against() == "3 streams of the load succeeded there"
