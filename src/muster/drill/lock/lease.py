"""A target's lock in the shared store: one record, changed only by a writer that names its last
state.

No machine trusts another machine's clock. The holder counts its lease from the moment before its
last renewal. A process that waits for the lock counts from the moment at which it saw a state of
it, and takes it only if this state is unchanged one and a quarter leases later. The holder's lease
therefore always ends first, even if wall clocks are wrong or stepped. Wall clocks are only used to
decide whether waiting makes sense at all. The clock that counts goes on while a machine sleeps.
"""

from __future__ import annotations

import json
import logging
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from muster.clock import SYSTEM_CLOCK, Clock, utc
from muster.errors import DrillAborted
from muster.stores import Conflict, Store, Stored, StoreError

logger = logging.getLogger("chaostoolkit")
RENEWALS_A_LEASE = 4
LOST_AT = 0.7
"""Share of the lease after which a holder that cannot renew reports it; the rest is to restore.
"""
WATCHED = 1.25
"""A state must be unchanged for this many leases before another process may take the lock."""
LEASE_S_MAX = 600.0


@dataclass(frozen=True)
class LeaseRecord:
    """What the store says of the lock. `holder` empty: it is free."""

    holder: str = ""
    place: str = ""
    host: str = ""
    renewed: str = ""
    lease_s: float = 0.0
    nonce: str = ""

    def age_s(self, clock: Clock) -> float | None:
        """Seconds since the last renewal, by two machines' wall clocks; None if the record has no
        time.
        """
        try:
            return (utc(clock) - datetime.fromisoformat(self.renewed)).total_seconds()
        except (TypeError, ValueError):
            return None

    def line(self) -> str:
        """The holder, for people."""
        return f"{self.holder} on {self.host or 'an unknown machine'} (last renewed {self.renewed})"


@dataclass(frozen=True)
class Seen:
    """A state of the lock that was the same since `since_s` of `Clock.boot_s`; None: no record."""

    stored: Stored | None
    since_s: float


def record_of(stored: Stored | None) -> LeaseRecord:
    """Parse the stored record. Raises StoreError if it is no lock record."""
    if stored is None:
        return LeaseRecord()
    try:
        data = json.loads(stored.text)
        record = LeaseRecord(**{key: data[key] for key in asdict(LeaseRecord())})
        sound = 0 <= float(record.lease_s) <= LEASE_S_MAX and isinstance(record.holder, str)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{stored.key}: no lock record: {stored.text[:120]!r}") from error
    if not sound:
        raise StoreError(f"{stored.key}: no lock record: {stored.text[:120]!r}")
    return record


class SharedLease:
    """The lock of one target in its store, held for one holder and renewed by a thread."""

    def __init__(
        self,
        store: Store,
        target: str,
        holder: str,
        *,
        place: str,
        lease_s: float,
        clock_skew_s_max: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.store = store
        self.key = f"lock/{target}"
        self.target = target
        self.holder = holder
        self.place = place
        self.lease_s = lease_s
        self.clock_skew_s_max = clock_skew_s_max
        self._clock = clock
        self._mine: Stored | None = None
        self._renewed_at_s = 0.0
        self._once = threading.Lock()
        self._losing = threading.Lock()
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lost_detail: str | None = None
        self._last_error = ""
        self._taken = False
        self._on_lost: Callable[[str], None] | None = None

    def acquire(
        self,
        *,
        patient: bool = False,
        say: Callable[[str], None] | None = None,
        seen: Seen | None = None,
    ) -> None:
        """Take the lock, or raise DrillAborted naming the holder.

        A holder of the same name (a drill's watchdog) and one of the same place (which is dead,
        because the caller holds that place's own lock) are taken over at once. A holder that seems
        to renew is only watched if `patient`; one that seems dead is always watched for its lease
        first. `seen`: the caller has watched already, and only this state may be taken over.
        """
        try:
            stored = self.store.read(self.key)
            record = record_of(stored)
            ours = record.holder in ("", self.holder) or record.place == self.place
            if seen is not None:
                if stored != seen.stored:
                    raise self._refused(f"held by {record.line()}" if record.holder else "changed")
                patient = True
            if not ours:
                since_s = self._clock.boot_s() if seen is None else seen.since_s
                stored = self._watched(stored, record, since_s, patient, say)
            self._take(stored)
        except Conflict as error:
            raise self._refused("another took it at the same moment") from error
        except StoreError as error:
            raise self._refused(f"who holds it is unknown: {error}") from error
        self._end.clear()
        # A call to a store that hangs must not hide that the lease runs out.
        for work, name in ((self._keep, "muster-lease"), (self._expire, "muster-lease-end")):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def sure(self) -> bool:
        """Whether no other machine can have taken the lock by now, by this machine's clock."""
        return self._lost_detail is None and self._held_s() <= LOST_AT * self.lease_s

    @property
    def outlived(self) -> bool:
        """Whether another machine may hold the lock by now."""
        return self._taken or self._held_s() > WATCHED * self.lease_s

    def another(self) -> str:
        """Who else holds the lock now, by the store; empty: nobody. Raises StoreError.

        It renews first: a lock that was renewed is held for a whole lease again.
        """
        try:
            self.renew()
            return ""
        except Conflict:
            self._taken = True
        record = record_of(self.store.read(self.key))
        return "" if record.holder in ("", self.holder) else record.line()

    def on_lost(self, call: Callable[[str], None]) -> None:
        """Call `call` with the reason as soon as the lease cannot be kept (at once if it already is
        lost).
        """
        self._on_lost = call
        if self._lost_detail is not None:
            call(self._lost_detail)

    def renew(self) -> None:
        """Write a new state of the lock. Raises StoreError; Conflict if another holds it."""
        with self._once:
            try:
                self._take(self._mine)
            except Conflict:
                # A renewal of ours whose answer was lost may have been written after all.
                stored = self.store.read(self.key)
                if record_of(stored).holder != self.holder:
                    raise
                self._take(stored)

    def flaw(self) -> str:
        """Test the store's exclusivity on the held lock; return what is wrong, or an empty text.

        It must be impossible to replace an outdated state of the lock. Raises StoreError.
        """
        old = self._mine
        self.renew()
        record = replace(record_of(self._mine), nonce=secrets.token_hex(8))
        try:
            self.store.write(self.key, _text(record), old)
        except Conflict:
            return ""
        self.renew()
        return "the store replaced an outdated state of the lock: two drills could hold it"

    def release(self) -> None:
        """Release it; if that fails, the lease runs out by itself."""
        self._end.set()
        while self._threads:
            self._threads.pop().join(timeout=2 * self.lease_s)
        with self._once:
            if self._mine is None:
                return
            try:
                self.store.write(
                    self.key, _text(LeaseRecord(nonce=secrets.token_hex(8))), self._mine
                )
            except StoreError as error:
                logger.warning("lock of %s: not released: %s", self.target, error)
            self._mine = None

    def _watched(
        self,
        stored: Stored | None,
        record: LeaseRecord,
        since_s: float,
        patient: bool,
        say: Callable[[str], None] | None,
    ) -> Stored | None:
        """The same state, unchanged since `since_s` for long enough. Raises DrillAborted."""
        watch_s = WATCHED * record.lease_s
        age_s = record.age_s(self._clock)
        if not patient and (age_s is None or age_s < watch_s + self.clock_skew_s_max):
            raise self._refused(f"held by {record.line()}")
        left_s = since_s + watch_s - self._clock.boot_s()
        if say is not None and left_s > 0:
            say(f"target {self.target} is held by {record.line()}: watching it for {left_s:.0f} s")
        while self._clock.boot_s() - since_s <= watch_s:
            self._clock.wait(self._end, max(0.05, record.lease_s / (2 * RENEWALS_A_LEASE)))
            now = self.store.read(self.key)
            if now != stored:
                changed = record_of(now)
                if changed.holder == "":
                    return now
                raise self._refused(f"held by {changed.line()}, which is alive")
        return stored

    def _take(self, stored: Stored | None) -> None:
        began_s = self._clock.boot_s()
        record = LeaseRecord(
            holder=self.holder,
            place=self.place,
            host=socket.gethostname(),
            renewed=utc(self._clock).isoformat(timespec="seconds"),
            lease_s=self.lease_s,
            nonce=secrets.token_hex(8),
        )
        self._mine = self.store.write(self.key, _text(record), stored)
        self._renewed_at_s = began_s
        self._last_error = ""

    def _keep(self) -> None:
        while not self._clock.wait(self._end, self.lease_s / RENEWALS_A_LEASE) and self.keep():
            pass

    def keep(self) -> bool:
        """Renew once; return whether to go on. Tells the listener if the lease is lost."""
        try:
            self.renew()
        except Conflict:
            self._taken = True
            self._lose(f"the lock was taken away: {self._now_held_by()}")
            return False
        except StoreError as error:
            self._last_error = str(error)
            held_s = self._held_s()
            logger.warning("lock of %s: not renewed for %.0f s: %s", self.target, held_s, error)
            self.expire()
        return True

    def _expire(self) -> None:
        """Tell in time that the lease runs out, whatever the store is doing."""
        while not self._clock.wait(self._end, self.lease_s / (4 * RENEWALS_A_LEASE)):
            self.expire()

    def expire(self) -> None:
        """Lose the lease if it was not renewed in time."""
        held_s = self._held_s()
        if held_s > LOST_AT * self.lease_s:
            why = self._last_error or "the store does not answer"
            self._lose(f"the lock was not renewed for {held_s:.0f} s: {why}")

    def _held_s(self) -> float:
        return self._clock.boot_s() - self._renewed_at_s

    def _now_held_by(self) -> str:
        try:
            record = record_of(self.store.read(self.key))
        except StoreError as error:
            return str(error)
        return f"held by {record.line()}" if record.holder else "it was broken by hand"

    def _lose(self, detail: str) -> None:
        with self._losing:
            if self._lost_detail is not None:
                return
            self._lost_detail = detail
        logger.error("lock of %s: %s", self.target, detail)
        if self._on_lost is not None:
            self._on_lost(detail)

    def _refused(self, why: str) -> DrillAborted:
        return DrillAborted("preflight:lock", f"target {self.target}: {why}; nothing was touched")


def _text(record: LeaseRecord) -> str:
    return json.dumps(asdict(record), separators=(",", ":"))
