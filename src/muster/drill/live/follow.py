"""Reads the files of a bundle while a drill writes them: only whole lines, each once.

Nothing is asked of the drill's own process: whoever looks pays for looking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from muster.platform.metrics import RawSeries

READ_BYTES_MAX = 64 << 20
"""One look takes no more than this of a file; the next one goes on from there."""
LINES_MAX = 200_000
"""Of what a drill wrote before a look, only so many lines of samples are read: the newest."""
_HEAD = b'{"series"'


class Tail:
    """The whole lines that were added to a file since the last call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> list[bytes]:
        """New lines without their ends; none while there is no file."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                raw = file.read(READ_BYTES_MAX)
        except OSError:
            return []
        end = raw.rfind(b"\n") + 1
        self._offset += end
        return raw[:end].split(b"\n")[:-1]


class LedgerTail:
    """The events of a ledger as they are written. A line that is no event is left out."""

    def __init__(self, bundle: Path) -> None:
        self._tail = Tail(bundle / "ledger.jsonl")

    def events(self) -> Iterator[dict[str, Any]]:
        """New events, in order."""
        for line in self._tail.lines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                yield event


class SampleTail:
    """The samples of a bundle as they are written. A line that does not fit is left out.

    Only series that `wanted` (signal, labels) are returned: most of them nobody looks at.
    """

    def __init__(self, bundle: Path, wanted: Callable[[str, Mapping[str, str]], bool]) -> None:
        self._tail = Tail(bundle / "samples.jsonl")
        self._wanted = wanted
        self._heads: dict[int, tuple[str, str, dict[str, str]] | None] = {}

    def samples(self) -> list[RawSeries]:
        """New chunks of series, in order."""
        found = []
        lines = self._tail.lines()
        old = len(lines) - LINES_MAX
        for number, line in enumerate(lines):
            if number < old and not line.startswith(_HEAD):
                continue
            try:
                record = orjson.loads(line)
                if "series" in record:
                    labels = {str(k): str(v) for k, v in record["labels"].items()}
                    signal = str(record["signal"])
                    head = (signal, str(record["name"]), labels)
                    wanted = self._wanted(signal, labels)
                    self._heads[int(record["series"])] = head if wanted else None
                elif (known := self._heads[int(record["i"])]) is not None:
                    signal, name, labels = known
                    t_s, v = tuple(record["t"]), tuple(record["v"])
                    if t_s and len(t_s) == len(v):
                        found.append(RawSeries(signal, name, labels, t_s, v))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
        return found
