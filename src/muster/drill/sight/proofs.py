"""Proves a fault by looks at every poll throughout its hold, not only at its ends.

- A look that sees the fault gone is decisive: once is enough, and the fault is not proven.
- A look that failed (it raised, or took too long) shows nothing. The next look makes up for one of
  them; a stretch without a proven look that is longer than one lost look and two polls is not
  proven.
- What the samples show of a region that is said to be dark counts as a look as well.

The looks run in a separate thread, so that the hold's wait ends at once if the drill must stop. The
ledger gets the changes and a summary, not every look.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.sight.begun import Begun
from muster.drill.stop import StopReason
from muster.faults import Fault, Proof
from muster.jsonl import LogLost

if TYPE_CHECKING:
    from muster.drill.session import Session

logger = logging.getLogger("chaostoolkit")
CHANGES_MAX = 10
"""Changes that are recorded one by one; the summary counts all of them."""
CHANGED = "power:changed_by_another"
"""The stop reason of a drill whose stopped region somebody else starts."""
REPLACED = "fault:changed_by_another"
"""The stop reason of a drill of which somebody else replaces another change."""
OWN_SIGNALS = ("streams_limit", "streams_active")
LATE_SCRAPES = 2
LATE_S = 1.0
"""A scrape that was under way when the region was stopped is dated up to so much later."""
Contrary = Callable[[], str]


def _nothing() -> str:
    return ""


@dataclass
class Throughout:
    """The result of a hold's looks. Times are seconds since its begin; pure."""

    gap_s_max: float
    looks: int = 0
    proven: int = 0
    gone: int = 0
    blind: int = 0
    longest_gap_s: float = 0.0
    first_gone_s: float | None = None
    last_gone_s: float | None = None
    why: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    _why_gone: str = ""
    _why_blind: str = ""
    _proven_s: float = 0.0

    def saw(self, at_s: float, proof: Proof) -> None:
        """Record a look that began at `at_s` and whether it saw the fault's effect."""
        self.looks += 1
        if proof.proven:
            self.proven += 1
            self.longest_gap_s = self.gap_s(at_s)
            self._proven_s = at_s
            self.why, self.facts = proof.why, dict(proof.facts)
            return
        self.gone += 1
        self._why_gone = self._why_gone or proof.why
        self.first_gone_s = at_s if self.first_gone_s is None else self.first_gone_s
        self.last_gone_s = at_s

    def could_not(self, why: str) -> None:
        """Record a look without a result."""
        self.looks += 1
        self.blind += 1
        self._why_blind = why

    def gap_s(self, at_s: float) -> float:
        """The longest stretch without a proven look, up to `at_s`."""
        return max(self.longest_gap_s, at_s - self._proven_s)

    def proof(self, held_s: float) -> Proof:
        """The proof of the whole hold, which lasted `held_s`."""
        gap_s = self.gap_s(held_s)
        facts = {
            **self.facts,
            "looks": self.looks,
            "looks_proven": self.proven,
            "looks_not_proven": self.gone,
            "looks_failed": self.blind,
            "longest_gap_s": round(gap_s, 3),
            "held_s": round(held_s, 3),
            "first_not_proven_s": _rounded(self.first_gone_s),
            "last_not_proven_s": _rounded(self.last_gone_s),
        }
        if self.gone:
            first_s, last_s = self.first_gone_s or 0.0, self.last_gone_s or 0.0
            why = (
                f"not throughout: at {self.gone} of {self.looks} looks, from {first_s:.1f} to "
                f"{last_s:.1f} s into the hold: {self._why_gone}"
            )
            return Proof(False, why, facts)
        if gap_s > self.gap_s_max or not self.proven:
            why = (
                f"no look verified the effect for {gap_s:.1f} s of the hold, "
                f"at most {self.gap_s_max:.1f} s are allowed"
            )
            return Proof(False, f"{why}: {self._why_blind}" if self._why_blind else why, facts)
        return Proof(True, f"{self.why}; so at {self.proven} looks in {held_s:.0f} s", facts)


class Looker:
    """Looks every `poll_s` until it is closed. `record` gets each change of what is observed.

    It starts with a verified fault, so the first change is one that is gone.
    """

    def __init__(
        self,
        look: Callable[[], Proof],
        record: Callable[[Proof], None],
        *,
        poll_s: float,
        look_s_max: float,
        contrary: Contrary = _nothing,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._look = look
        self._record = record
        self._poll_s = poll_s
        self._look_s_max = look_s_max
        self._contrary = contrary
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._seen = True
        self._changes = 0
        self._closed = False
        self.throughout = Throughout(gap_s_max=look_s_max + 2 * poll_s)
        self._thread = threading.Thread(target=self.run, name="muster-proofs", daemon=True)

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking; a look in progress is not waited for, and no longer counts."""
        self._end.set()
        with self._lock:
            self._closed = True

    def finish(self, last_look: bool = False) -> Proof:
        """Wait, in bounded time, for the look in progress, and return the whole proof.

        `last_look`: look once more, at samples that have come since.
        """
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._look_s_max)
        if last_look:
            self.once()
        with self._lock:
            self._closed = True
            return self.throughout.proof(self._clock.monotonic_s() - self._began_s)

    def run(self) -> None:
        """Look until it is closed: what the thread does."""
        while True:
            began_s = self._clock.monotonic_s()
            self.once()
            took_s = self._clock.monotonic_s() - began_s
            if self._clock.wait(self._end, max(0.0, self._poll_s - took_s)):
                return

    def once(self) -> None:
        """One look."""
        at_s = self._clock.monotonic_s() - self._began_s
        proof: Proof | None = None
        failed = ""
        try:
            # A contradiction in the samples stands whether or not the look itself succeeds.
            against = self._contrary()
            proof = Proof(False, against) if against else self._look()
        except Exception as error:  # whatever it was, this look told nothing
            failed = str(error) or type(error).__name__
        with self._lock:
            if self._closed:
                return
            if proof is None:
                logger.debug("proofs: %s", failed)
                self.throughout.could_not(failed)
                return
            self.throughout.saw(at_s, proof)
            changed = proof.proven is not self._seen
            self._seen = proof.proven
            self._changes += changed
            if changed and self._changes <= CHANGES_MAX:
                with suppress(LogLost):  # the summary is not suppressed, and stops the drill
                    self._record(proof)


@contextmanager
def throughout(session: Session, fault: Fault, contrary: Contrary = _nothing) -> Iterator[None]:
    """Look at `fault` throughout the block; its proof is recorded at the end.

    A block that raises ends the looks at once, without a summary: the drill stops then. It stops
    also at the first look that shows what somebody else has set over the fault. Where samples come
    late, what contradicts is looked at until those of the block's end are there.
    """
    late = contrary is not _nothing and session.samples.delay_s > 0
    looker = _looker(session, fault, contrary)
    looker.start()
    try:
        yield
        if late:
            session.await_samples()
    except BaseException:
        looker.close()
        raise
    session.stop.allow((1 + late) * fault.look_s_max)
    session.record_proof(fault.kind, fault.region, looker.finish(last_look=late))


def go_on(session: Session, fault: Fault) -> Begun:
    """Look at `fault` from now on, until the drill finishes or closes the looks."""
    looker = _looker(session, fault, _nothing)
    looker.start()
    return Begun(fault, looker.finish, looker.close)


def _looker(session: Session, fault: Fault, contrary: Contrary) -> Looker:
    def look() -> Proof:
        proof = fault.observe()
        if proof.another:
            detail = f"{fault.subject}: {proof.another}"
            now_s = session.clock.now_s()
            by = CHANGED if fault.stops_region else REPLACED
            session.stop.set(StopReason(by, "ABORTED", detail, now_s))
        return proof

    return Looker(
        look,
        lambda proof: session.record_proof(fault.kind, fault.region, proof),
        poll_s=session.poll_s,
        look_s_max=fault.look_s_max,
        contrary=contrary,
        clock=session.clock,
    )


def await_bite(session: Session, fault: Fault) -> Proof:
    """Wait, in bounded time, until `fault`'s effect is observed; the last observation.

    It is recorded. Pods may need some time to end, and a load balancer to notice
    what is gone. The hold begins after it.
    """
    seen = Proof(False, "no look was taken")

    def bites() -> bool:
        nonlocal seen
        try:
            seen = fault.observe()
        except Exception as error:  # as in a hold: this look told nothing
            seen = Proof(False, f"could not look: {error or type(error).__name__}")
        return seen.proven

    session.stop.allow(fault.look_s_max)
    session.wait_until(bites, fault.bite_s_max)
    session.record_proof(fault.kind, fault.region, seen)
    return seen


def lit(session: Session, region: str, *, stopped: bool = True) -> Contrary:
    """Return what the samples show of a region that is said to be dark; empty if nothing.

    A process of the testbed exports its series only while it runs. Elsewhere, and where nothing is
    `stopped`, a series may go on, so only streams that succeeded there contradict.
    """
    facts, scrape_s = session.facts, session.target.prometheus.scrape_interval_s
    began_s = session.clock.now_s() + LATE_SCRAPES * scrape_s + LATE_S
    own = stopped and session.platform.power[region].own_samples
    before: float | None = None

    def look() -> str:
        nonlocal before
        for signal in OWN_SIGNALS if own else ():
            newest_s = max(
                (one.t[-1] for one in facts.series(signal) if one.region == region and len(one.t)),
                default=0.0,
            )
            if newest_s > began_s:
                return f"the region's own series {signal} was scraped after it was stopped"
        succeeded = facts.total("client_attempts", region=region, outcome="success")
        if before is None:
            # A stream that ended just before the region stopped shows only in a later scrape: what
            # is compared begins when every process of the load must have shown it.
            shown_s = facts.shown_until_s("client_attempts", region=region, outcome="success")
            if shown_s > began_s + scrape_s:
                before = succeeded
            return ""
        if succeeded is not None and succeeded > before:
            return f"{succeeded - before:.0f} streams of the load succeeded there"
        return ""

    return look


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
