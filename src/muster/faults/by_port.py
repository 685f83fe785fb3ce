"""Faults that one adapter of the platform makes: how long it takes, what it touches, what it lacks.

The adapter stands in a section of the target, and only its port's registry knows its kind.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from muster.faults.model import RegionalFault
from muster.platform.port import TimedAdapter, Touch, Unusable


class PortFault(RegionalFault):
    """The subclass says which adapter, and under which key of its region it is set."""

    @property
    @abstractmethod
    def port(self) -> TimedAdapter:
        """The adapter that makes the change."""

    key: ClassVar[str]
    """The key of a region of the target under which the adapter is set."""

    @property
    def section(self) -> str:
        """The same, from the top of the target."""
        return f"regions.{self.region}.{self.key}"

    @property
    def settings(self) -> object:
        """That section; None if the target has none."""
        return getattr(self.target.regions[self.region], self.key)

    @property
    def where(self) -> str:
        return f"{self.section}.kind"

    @property
    def maker(self) -> str:
        return str(getattr(self.settings, "kind", "none"))

    @property
    def retry_s(self) -> float:
        return self.port.timeout_s

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + self.port.look_s_max

    def rehearse(self) -> tuple[str, ...]:
        return self.port.rehearse()

    def touches(self) -> tuple[Touch, ...]:
        return (*super().touches(), *self.port.touches())

    def unusable(self) -> Unusable | None:
        found = self.port.unusable()
        return super().unusable() if found is None else found.within(self.section)
