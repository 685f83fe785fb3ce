"""What a fault is: apply, observe, revert, and a read-back, in one place.

`revert` is idempotent and needs nothing but the platform and what stood in the undo log, so that
another process, or another machine, can call it after the one that applied the fault is gone.

A fault is either a `RegionalFault`, which changes one region, or a `PlatformFault`, which changes
something that all regions share. Both reach no further than they say in `touches`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from muster.platform.platform import Platform
from muster.platform.port import Change, PortError, Proof, Touch, Unusable

LOOK_S_MAX = 5.0


class FaultError(PortError):
    """A fault could not be applied, seen, or reverted."""


@dataclass(frozen=True)
class ReadBack:
    """What the real system says of a thing that a drill changed.

    `another`: what somebody else changed of it since, from what to what, and was left so. It is
    `ok` when all that the drill itself changed is back or was overwritten by that other one.
    """

    subject: str
    expected: str
    actual: str
    ok: bool
    another: str = ""


class Fault(ABC):
    """One kind of fault on one platform: a base of `RegionalFault` and `PlatformFault`."""

    kind: ClassVar[str]
    """By what the undo log, the ledger and the registry know it; no two faults share one."""

    expects: ClassVar[tuple[str, ...]] = ()
    """Signals that the fault must disturb where it acts; the guard records them as expected."""

    stops_region: ClassVar[bool] = False
    """Whether it leaves its region without processes; only a fault of one region can."""

    region: str | None = None
    """Where it acts; None: on all regions."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.target = platform.target

    @property
    @abstractmethod
    def subject(self) -> str:
        """What is changed, in a form that a person can look up."""

    @property
    def look_s_max(self) -> float:
        """How long one `observe` may take, in seconds; one that takes longer shows nothing."""
        return LOOK_S_MAX

    @property
    def retry_s(self) -> float:
        """For how long a revert that raised is tried again, in seconds; 0: it is tried once."""
        return 0.0

    @property
    def aim(self) -> str:
        """What it leads to, in a few words; asks no system anything."""
        return self.kind.replace("_", " ")

    @abstractmethod
    def touches(self) -> tuple[Touch, ...]:
        """Everything that it changes, by name; asks no system anything. Empty is refused."""

    def unusable(self) -> Unusable | None:
        """What of the target keeps it from being applied or taken back from this machine.

        None: nothing, as far as the target and this machine tell. Asks no system anything.
        """
        return None

    def change(self) -> Change:
        """What `apply` would change, read from the real system. Raises MusterError."""
        return Change("as it is", self.aim)

    @abstractmethod
    def undo_params(self) -> dict[str, Any]:
        """What `restore` needs besides the region, read from the real system before `apply`."""

    @classmethod
    @abstractmethod
    def from_undo(cls, platform: Platform, region: str | None, params: Mapping[str, Any]) -> Self:
        """The fault as the undo log remembers it, ready for `revert` and `read_back`."""

    @abstractmethod
    def apply(self) -> None:
        """Make it so. Raises FaultError when the real system refuses."""

    @abstractmethod
    def observe(self) -> Proof:
        """Look whether it bites, from where the platform's own parts look."""

    @abstractmethod
    def revert(self) -> None:
        """Put it back; calling it again changes nothing. Raises FaultError."""

    @abstractmethod
    def read_back(self) -> ReadBack:
        """Whether it is back, read from the real system. Raises FaultError if it won't say."""

    @abstractmethod
    def command(self) -> str | None:
        """The whole line that a person pastes into a shell to put it back, without any secret.

        None: only the target's own credentials do it, so `chaos drill recover` is the line.
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
        """As `restore`; an entry of an old log that names no region means the evacuated one."""
        return cls.restore(platform, region or platform.target.evacuate, params)

    @classmethod
    @abstractmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        """The fault as the undo log remembers it, ready for `revert` and `read_back`."""


class PlatformFault(Fault):
    """A fault that changes something that all regions share."""

    def touches(self) -> tuple[Touch, ...]:
        """Every region: all of them feel it. A subclass adds what it changes."""
        return tuple(Touch("regions", name) for name in self.target.regions)

    @classmethod
    def from_undo(cls, platform: Platform, region: str | None, params: Mapping[str, Any]) -> Self:
        """As `restore`; the entry names no region."""
        return cls.restore(platform, params)

    @classmethod
    @abstractmethod
    def restore(cls, platform: Platform, params: Mapping[str, Any]) -> Self:
        """The fault as the undo log remembers it, ready for `revert` and `read_back`."""
