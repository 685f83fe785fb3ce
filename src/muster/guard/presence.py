"""Which watched signals show valid samples, window by window: what no one shows is unknown.

A signal is there where some process of the region shows each part of it that is judged (the route
of a circuit, the reason of a failure). And each process that showed a part must go on showing it
for as long as anything else shows the process at work; one that is gone altogether has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Part = tuple[str, str, str, str]
"""Signal, region, the part of it (route or reason; else empty) and instance."""


@dataclass
class Presence:
    """`judged`: the parts of each signal that are judged. `windows_max`: so many may lack data."""

    judged: Mapping[str, tuple[str, ...]]
    windows_max: int
    stale_s: float
    _valid_s: dict[Part, float] = field(default_factory=dict)
    _alive_s: dict[tuple[str, str], float] = field(default_factory=dict)
    _silent: dict[Part, int] = field(default_factory=dict)

    def alive(self, region: str, instance: str, t_s: float) -> None:
        """A process showed something at `t_s`, of whatever signal and value."""
        key = region, instance
        self._alive_s[key] = max(t_s, self._alive_s.get(key, t_s))

    def saw(self, part: Part, t_s: float) -> None:
        """A valid sample of `part` came."""
        if part[2] in self.judged[part[0]]:
            self._valid_s[part] = max(t_s, self._valid_s.get(part, t_s))

    def leave(self, region: str) -> None:
        """The region is out of rotation: it starts anew when it comes back."""
        for table in (self._valid_s, self._silent):
            for key in [key for key in table if key[1] == region]:
                del table[key]
        for process in [key for key in self._alive_s if key[0] == region]:
            del self._alive_s[process]

    def lost(self, region: str, end_s: float, signals: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Close a window: (signal, what) of each of `signals` that lacked data for too long."""
        for signal in signals:
            said = [
                what
                for part in self._parts(signal, region, end_s)
                if (what := self._counted(part, end_s))
            ]
            if said:
                yield signal, said[0]

    def _parts(self, signal: str, region: str, end_s: float) -> list[Part]:
        """What must be shown: each judged part by any process (no instance), then by each."""
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
        """What is said of `part` in the window in which it was silent for too long; else empty."""
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
