"""Defines a fault: apply, observe, revert, and a read-back, in one place.

`revert` is idempotent and needs only the platform and the values in the undo log. Another process,
or another machine, can therefore call it when the process that applied the fault is gone.

A fault is either a `RegionalFault`, which changes one region, or a `PlatformFault`, which changes
something that all regions share. Neither changes anything that it does not name in `touches`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from muster.platform.platform import Platform
from muster.platform.port import Change, PortError, Proof, Touch, Unusable

LOOK_S_MAX = 5.0
BITE_S_MAX = 10.0


class FaultError(PortError):
    """A fault could not be applied, observed, or reverted."""


@dataclass(frozen=True)
class ReadBack:
    """What the real system shows of something that a drill changed.

    `another`: what another party has changed in it since, from what to what, and was left so. `ok`
    is true if everything that the drill itself changed is back or was overwritten by that party.
    """

    subject: str
    expected: str
    actual: str
    ok: bool
    another: str = ""


class Fault(ABC):
    """One kind of fault on one platform: the base of `RegionalFault` and `PlatformFault`."""

    kind: ClassVar[str]
    """Its name in the undo log, the ledger and the registry; no two faults share one."""

    expects: ClassVar[tuple[str, ...]] = ()
    """Signals that the fault must disturb where it acts; the guard records them as expected."""

    undone: ClassVar[str] = ""
    """How it is undone, in one sentence for people."""

    stops_region: ClassVar[bool] = False
    """Whether it leaves its region without processes; only a fault of one region can."""

    replaces_processes: ClassVar[bool] = False
    """Whether some processes of its region end, and others come, while the region goes on."""

    loses_region: ClassVar[bool] = False
    """Whether its users lose its region, stopped or not: the phases of a loss apply it."""

    met_by: ClassVar[str] = ""
    """The event that a step of the drill records when it meets the fault: it must be on record, if
    the fault goes on around other phases. Empty: the looks prove it alone.
    """

    each_time: ClassVar[bool] = False
    """Whether its undo entry tells what one time of it made, by its own mark or its own list: then
    each time needs an entry. Else the first one has the state before all of them.
    """

    by_subject: ClassVar[bool] = False
    """Whether it takes back what the target names now: then that must be what its entry names."""

    region: str | None = None
    """Where it acts; None: in all regions."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.target = platform.target

    @property
    def maker(self) -> str:
        """The kind of adapter that makes the change, where the target names one; empty: none.

        The undo entry holds it: only an adapter of that kind can take the change back.
        """
        return ""

    @property
    def where(self) -> str:
        """The key of the target that names that kind."""
        return "kind"

    @property
    @abstractmethod
    def subject(self) -> str:
        """What is changed, as a person would look it up."""

    @property
    def look_s_max(self) -> float:
        """How long one `observe` may take, in seconds; one that takes longer proves nothing."""
        return LOOK_S_MAX

    @property
    def bite_s_max(self) -> float:
        """How long it may take after `apply` until its effect is observed, in seconds."""
        return BITE_S_MAX

    @property
    def retry_s(self) -> float:
        """For how long a revert that raised an error is repeated, in seconds; 0: it is tried
        once.
        """
        return 0.0

    @property
    def aim(self) -> str:
        """The state that it leads to, in a few words. Sends no request."""
        return self.kind.replace("_", " ")

    @abstractmethod
    def touches(self) -> tuple[Touch, ...]:
        """Everything that it changes, by name; an empty answer is refused. Sends no request."""

    def unusable(self) -> Unusable | None:
        """What in the target prevents it from being applied or reverted from this machine.

        None if nothing is known to prevent it. Sends no request.
        """
        return None

    def rehearse(self) -> tuple[str, ...]:
        """What the real system would refuse of `apply` and `revert`, a line each.

        Asks without changing anything. Raises MusterError.
        """
        return ()

    def change(self) -> Change:
        """What `apply` would change, read from the real system. Raises MusterError."""
        return Change("as it is", self.aim)

    @abstractmethod
    def undo_params(self) -> dict[str, Any]:
        """What `restore` needs besides the region, read from the real system before `apply`."""

    @classmethod
    @abstractmethod
    def from_undo(cls, platform: Platform, region: str | None, params: Mapping[str, Any]) -> Self:
        """The fault that an undo entry describes, ready for `revert` and `read_back`."""

    @abstractmethod
    def apply(self) -> None:
        """Apply it. Raises FaultError if the real system refuses."""

    @abstractmethod
    def observe(self) -> Proof:
        """Observe whether it takes effect, from where the platform's own parts see it."""

    @abstractmethod
    def revert(self) -> None:
        """Revert it; calling it again changes nothing. Raises FaultError."""

    @abstractmethod
    def read_back(self) -> ReadBack:
        """Whether it is reverted, read from the real system. Raises FaultError if that cannot be
        read.
        """

    @abstractmethod
    def command(self) -> str | None:
        """The complete line that a person pastes into a shell to revert it, without any secret.

        None if that needs the target's own credentials; then the line is `chaos drill recover`.
        """


class RegionalFault(Fault):
    """A fault that changes one region."""

    region: str

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform)
        self.region = region

    def touches(self) -> tuple[Touch, ...]:
        """The region; a subclass adds what it changes there."""
        return (Touch("regions", self.region),)

    @classmethod
    def from_undo(cls, platform: Platform, region: str | None, params: Mapping[str, Any]) -> Self:
        """Like `restore`; an entry of an old log that names no region means the evacuated one."""
        return cls.restore(platform, region or platform.target.evacuate, params)

    @classmethod
    @abstractmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        """The fault that an undo entry describes, ready for `revert` and `read_back`."""


class PlatformFault(Fault):
    """A fault that changes something that all regions share."""

    def touches(self) -> tuple[Touch, ...]:
        """Every region, because it affects all of them. A subclass adds what it changes."""
        return tuple(Touch("regions", name) for name in self.target.regions)

    @classmethod
    def from_undo(cls, platform: Platform, region: str | None, params: Mapping[str, Any]) -> Self:
        """Like `restore`; the entry names no region."""
        return cls.restore(platform, params)

    @classmethod
    @abstractmethod
    def restore(cls, platform: Platform, params: Mapping[str, Any]) -> Self:
        """The fault that an undo entry describes, ready for `revert` and `read_back`."""
