"""Stands by on another machine, and restores what a drill left whose machine is gone.

If a pod or a node is lost, everything of the drill is gone with it, its watchdog too. Its lock and
its changes are in the target's store, and this process looks there. It restores once the same
changes and the same state of the lock were seen, by its own clock, for longer than a lease: a
living drill renews its lock, and one that can not has stopped and restored by then.

It takes the lock only to restore, so it never stands in the way of a drill that begins.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from muster import home, targets
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.lock.lease import WATCHED, Seen, record_of
from muster.drill.recover.again import recover_target
from muster.drill.recover.ended import Say
from muster.drill.recover.rights import Rights
from muster.drill.undo.beside import SAID_S, say_beside
from muster.errors import BadInput, DrillAborted, MusterError
from muster.platform import platform_of
from muster.stores import Stored, StoreError, store_of
from muster.targets import Target, resolve_shared
from muster.targets.shared import AnyShared

LOOK_S_MIN, LOOK_S_MAX = 1.0, 15.0
"""A look is also the sign of being ready, which a probe expects within a minute."""
LOOKS_A_LEASE = 8
RIGHTS_S = 60.0
"""How often to ask whether everything could be restored now."""


@dataclass(frozen=True)
class _State:
    """What the store shows of a target."""

    lock: Stored | None
    changes: tuple[Stored, ...]


class Standby:
    """Looks at one target's store, one `look` at a time.

    Raises BadInput for a target that no other machine can restore.
    """

    def __init__(self, name_or_path: str, say: Say, clock: Clock = SYSTEM_CLOCK) -> None:
        self._name = name_or_path
        self._target = targets.load(name_or_path)
        self._shared = _shared_of(self._target, name_or_path)
        self._store = store_of(self._shared)
        self._say = say
        self._clock = clock
        self._seen: _State | None = None
        self._since_s = 0.0
        self._rights_at_s = self._told_at_s = float("-inf")
        self._asked = Rights(clock)
        self._rights: tuple[str, ...] = ()
        self._changed = False
        self._wrong: tuple[str, ...] = ()

    @property
    def look_s(self) -> float:
        """Seconds between two looks."""
        return min(LOOK_S_MAX, max(LOOK_S_MIN, self._shared.lease_s / LOOKS_A_LEASE))

    @property
    def after_s(self) -> float:
        """After so many seconds without a sign of life a drill counts as gone."""
        return WATCHED * self._shared.lease_s

    @property
    def ready_file(self) -> Path:
        """Touched by each look that found everything as it must be to restore."""
        return home.state_dir() / "standby" / self._target.name

    def run(self, until: threading.Event) -> None:
        """Look until `until` is set. A restore that has begun is ended first."""
        self._say(
            f"target {self._target.name}: standing by: what a drill left is restored once it has "
            f"shown no sign of life for {self.after_s:.0f} to {self.after_s + self.look_s:.0f} s"
        )
        while not until.is_set():
            self.look()
            self._clock.wait(until, self.look_s)
        self._say(f"target {self._target.name}: no longer standing by")

    def look(self) -> int | None:
        """Look once; the exit code of a recovery, None if there was none."""
        code: int | None = None
        wrong: tuple[str, ...] = ()
        try:
            code = self._looked()
        except MusterError as error:
            wrong = (str(error),)
        # Asked afterwards: what hangs must not keep a restore waiting.
        wrong = (*self._cannot(), *wrong)
        if wrong != self._wrong:
            for line in wrong:
                self._say(f"NOT READY to restore: {line}")
            if not wrong:
                self._say("ready to restore again")
            self._wrong = wrong
        if not wrong:
            self._tell()
        return code

    def _tell(self) -> None:
        """Let probes and drills know that somebody stands by."""
        self.ready_file.parent.mkdir(parents=True, exist_ok=True)
        self.ready_file.touch()
        if self._clock.boot_s() - self._told_at_s >= SAID_S:
            try:
                say_beside(self._store, self._target.name, self._clock)
            except StoreError:
                return  # the next look tells
            self._told_at_s = self._clock.boot_s()

    def _looked(self) -> int | None:
        changes = self._store.under(f"undo/{self._target.name}")
        self._changed = bool(changes)
        if not changes:
            self._seen = None
            return None
        state = _State(self._store.read(f"lock/{self._target.name}"), changes)
        now_s = self._clock.boot_s()
        if state != self._seen:
            self._seen, self._since_s = state, now_s
            return None
        lease_s = max(self._shared.lease_s, record_of(state.lock).lease_s)
        if now_s - self._since_s <= WATCHED * lease_s:
            return None
        # Whatever comes of it, the next one needs a whole lease without a sign of life again.
        self._seen = None
        return self._restored(state, now_s - self._since_s)

    def _restored(self, state: _State, silent_s: float) -> int | None:
        holder = record_of(state.lock).line() if record_of(state.lock).holder else "nobody"
        self._say(
            f"target {self._target.name}: {len(state.changes)} changes are left and the lock, held "
            f"by {holder}, was not renewed for {silent_s:.0f} s: restoring"
        )
        try:
            code = recover_target(
                self._name, self._say, self._clock, Seen(state.lock, self._since_s)
            )
        except DrillAborted as error:
            self._say(f"left alone: {error.detail}")
            return None
        if code:
            self._say(f"target {self._target.name}: recover ended with {code}: it is tried again")
        return code

    def _cannot(self) -> tuple[str, ...]:
        """Why what a drill changes could not be restored from here, as it was asked last."""
        if self._clock.boot_s() - self._rights_at_s >= RIGHTS_S:
            # Also if that failed: an API server that hangs must not slow down every look.
            self._rights_at_s = self._clock.boot_s()
            try:
                self._rights = self._refused()
            except MusterError as error:
                self._rights = (str(error),)
        return self._rights

    def _refused(self) -> tuple[str, ...]:
        """What would be refused of a restore, a line each. Raises MusterError."""
        # A new one each time: a token or a kubeconfig may have been replaced.
        platform = platform_of(targets.resolve(self._target), self._clock)
        try:
            return self._asked.refused(platform, changed=self._changed)
        finally:
            platform.metrics.close()


def _shared_of(target: Target, name: str) -> AnyShared:
    shared = resolve_shared(target)
    if shared is None or target.class_ == "testbed":
        wanted = "a store off the machine: without one nobody else knows what a drill has changed"
        if shared is not None:
            wanted = "a target off the testbed: a testbed is gone with its machine"
        raise BadInput(targets.path_of(name), "shared", target.class_, wanted)
    return shared
