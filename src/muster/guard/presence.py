"""Checks in each window that every watched signal has valid samples; otherwise it is unknown.

A signal is present if at least one process of the region exports each judged part of it (the route
of a circuit, the reason of a failure). A process that exported a part must continue to export it as
long as it exports any other series; a process without any series has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Part = tuple[str, str, str, str]
"""Signal, region, the part of it (route or reason; else empty) and instance."""


@dataclass
class Presence:
    """`judged`: judged parts by signal. `windows_max`: allowed windows in a row without data."""

    judged: Mapping[str, tuple[str, ...]]
    windows_max: int
    stale_s: float
    _valid_s: dict[Part, float] = field(default_factory=dict)
    _alive_s: dict[tuple[str, str], float] = field(default_factory=dict)
    _silent: dict[Part, int] = field(default_factory=dict)

    def alive(self, region: str, instance: str, t_s: float) -> None:
        """A process exported a sample of any signal at `t_s`."""
        key = region, instance
        self._alive_s[key] = max(t_s, self._alive_s.get(key, t_s))

    def saw(self, part: Part, t_s: float) -> None:
        """A valid sample of `part` was scraped at `t_s`."""
        if part[2] in self.judged[part[0]]:
            self._valid_s[part] = max(t_s, self._valid_s.get(part, t_s))

    def leave(self, region: str) -> None:
        """The region left the rotation: forget its samples until it returns."""
        for table in (self._valid_s, self._silent):
            for key in [key for key in table if key[1] == region]:
                del table[key]
        for process in [key for key in self._alive_s if key[0] == region]:
            del self._alive_s[process]

    def lost(self, region: str, end_s: float, signals: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Close a window: (signal, reason) of each of `signals` without data for too long."""
        for signal in signals:
            said = [
                what
                for part in self._parts(signal, region, end_s)
                if (what := self._counted(part, end_s))
            ]
            if said:
                yield signal, said[0]

    def _parts(self, signal: str, region: str, end_s: float) -> list[Part]:
        """The required parts: each judged part from any process (no instance), then from each."""
        own = [part for part in self._valid_s if part[:2] == (signal, region)]
        for part in own:
            if self._alive_s.get((region, part[3]), end_s) < end_s - self.stale_s:
                del self._valid_s[part]
                if part[3]:
                    # Without an instance the count is the whole signal's, which goes on.
                    self._silent.pop(part, None)
        kept = [part for part in own if part in self._valid_s and part[3]]
        return [(signal, region, name, "") for name in self.judged[signal]] + kept

    def _counted(self, part: Part, end_s: float) -> str:
        """The reason in the window in which `part` exceeds `windows_max`; else empty."""
        signal, _, name, instance = part
        if instance:
            shown_s = self._valid_s[part]
        else:
            every = (t for one, t in self._valid_s.items() if one[:3] == part[:3])
            shown_s = max(every, default=float("-inf"))
        silent = shown_s < end_s - self.stale_s
        count = self._silent[part] = self._silent.get(part, 0) + 1 if silent else 0
        if count != self.windows_max + 1:
            return ""
        of = " ".join(filter(None, (name, f"at {instance}" if instance else "")))
        return f"{signal}{f' ({of})' if of else ''}: {count} windows in a row without data"
