"""The shard's own record: one JSON line per second, flushed, in constant memory.

Counters are differences since the line before. The first line gives the buckets.

Raw records, if requested, cover whole requests: every attempt of a sampled arrival, and the same
arrivals for any number of shards. They hold no token, no address and no text, and have a size
limit.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from muster.load.attempt import Attempt
from muster.load.buckets import BUCKET_MIN_MS, BUCKET_RATIO
from muster.load.engine import Engine
from muster.load.refusals import KEY, Refusals
from muster.load.spent import KEY as SPENT

RAW_BYTES_MAX = 64 * 1024 * 1024
# Fibonacci hashing: neighbours end up far apart, so that a share of numbers is a fair sample.
_HASHES = 2**32
_SPREAD = 2654435769
NOTE = "note"
"""The key of a line that says when something happened: `heard`, `began`, `ended`."""
HEARD = "heard"
"""An order came; `sent`: when its drill sent it, by that drill's clock."""
BEGAN = "began"
"""The first arrivals are offered."""
ENDED = "ended"
"""The last line of a record that is whole."""
LINE = "line"
"""The key of a line's number, for whoever reads along: times may be stepped back."""
_KEYS = orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE


class Recorder:
    """Writes `load-<shard>.jsonl` in a directory, and `load-raw-<shard>.jsonl` if requested."""

    def __init__(
        self,
        directory: Path | None,
        shard: int,
        raw_share: float = 0.0,
        raw_bytes_max: int = RAW_BYTES_MAX,
        *,
        late_s: float | None = None,
    ) -> None:
        """Raises OSError if the directory cannot be written to; None: the standard output."""
        if directory is None:
            # A copy, so that closing the record leaves the standard output open.
            self._file: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        else:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = (directory / f"load-{shard}.jsonl").open("wb")
        self._read_along = directory is None
        self._raw: BinaryIO | None = None
        self._raw_below = round(raw_share * _HASHES)
        self._raw_bytes_left = raw_bytes_max
        self._raw_left_out = 0
        self._lines = 0
        if raw_share > 0 and directory is not None:
            self._raw = (directory / f"load-raw-{shard}.jsonl").open("wb")
        self._shard = shard
        self._refusals = Refusals()
        self._before: dict[str, float] = {}
        header = {"schema": 1, "bucket_ratio": BUCKET_RATIO, "bucket_min_ms": BUCKET_MIN_MS}
        self._write({**header, "late_s": late_s, "shard": shard})

    def note(self, what: str, t_s: float, **more: float) -> None:
        """Write when something happened, in seconds since the epoch, for whoever reads along.

        A record in a file has no such lines.
        """
        if self._read_along:
            self._write({NOTE: what, "at": round(t_s, 3), "shard": self._shard, **more})

    def second(self, engine: Engine) -> None:
        """Write one line for everything since the last line."""
        tally = engine.tally
        taken = tally.take_second()
        totals = {
            "scheduled": float(engine.scheduled()),
            "offered": float(tally.offered),
            "late": float(tally.late),
            "resends": float(sum(tally.resends.values())),
            "dead_addresses": float(sum(tally.dead_addresses.values())),
            "cpu_s": time.process_time(),
        }
        deltas = {key: round(v - self._before.get(key, 0.0), 6) for key, v in totals.items()}
        self._before = totals
        refused = self._refusals.take()
        self._write(
            {
                **({KEY: refused} if refused else {}),
                "t": round(time.time(), 3),
                "shard": self._shard,
                "streams_open": tally.streams_open,
                "streams_target": engine.schedule.streams_target,
                "answers": taken.answers,
                "outcomes": taken.outcomes,
                "first_token_ms": taken.first_token_ms,
                "completion_ms": taken.completion_ms,
                "first_token_error_ms": taken.first_token_error_ms,
                "canaries": taken.canaries,
                "connections": taken.connections,
                "streams_short": taken.short,
                "token_gap_ms": taken.token_gap_ms,
                "token_gap_ms_max": {
                    region: round(gap_ms, 3) for region, gap_ms in taken.token_gap_ms_max.items()
                },
                "dns_failures": taken.dns_failures,
                "loop_lag_ms_max": round(taken.loop_lag_ms_max, 3),
                "loop_lag_ms": taken.loop_lag_ms,
                **{key: int(v) if key != "cpu_s" else v for key, v in deltas.items()},
                "rss_bytes": rss_bytes(),
                SPENT: engine.spent.line(),
            }
        )

    def ended(self, attempt: Attempt, outcome: str, age_s: float) -> None:
        """The first refusals; a line for a sampled attempt, if raw records were asked for."""
        if outcome.startswith("http_"):
            connection = attempt.connection
            answer = None if connection is None else connection.answer
            self._refusals.ended(attempt.region, answer)
        if self._raw is None or attempt.number * _SPREAD % _HASHES >= self._raw_below:
            return
        connection = attempt.connection
        line = orjson.dumps(
            {
                "t": round(time.time(), 3),
                "number": attempt.number,
                "tries": attempt.tries,
                "tokens": attempt.tokens,
                "region": attempt.region,
                "outcome": outcome,
                "status": connection.answer.status or None if connection is not None else None,
                "first_token_s": round(attempt.first_token_s, 4) if attempt.content else None,
                "age_s": round(age_s, 4),
                "short": attempt.short,
            },
            option=_KEYS,
        )
        if len(line) > self._raw_bytes_left:
            self._raw_left_out += 1
            return
        self._raw_bytes_left -= len(line)
        self._raw.write(line)

    def close(self, engine: Engine) -> None:
        """Write the last second, and how many raw records the size limit dropped. Idempotent."""
        if self._file.closed:
            return
        self.second(engine)
        self.note(ENDED, time.time())
        self._file.close()
        if self._raw is not None:
            if self._raw_left_out:
                self._raw.write(orjson.dumps({"left_out": self._raw_left_out}, option=_KEYS))
            self._raw.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._read_along:
            line = {**line, LINE: self._lines}
            self._lines += 1
        self._file.write(orjson.dumps(line, option=_KEYS))
        self._file.flush()


def rss_bytes() -> int:
    """Resident memory now (Linux), else the peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
