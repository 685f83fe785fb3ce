"""Append-only JSON lines that survive a crash: a line counts once it was synced to disk.

A torn line (power cut, kill) is expected and reported; the reader decides what it means.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muster.errors import BadInput, MusterError


class LogLost(MusterError):
    """A line could not be made durable (for example, the disk is full): nothing may go on
    unlogged.
    """

    exit_code = 4


class SyncedLog:
    """The writer of a JSON lines file; `append` returns after the line is on disk."""

    def __init__(self, path: Path) -> None:
        """Open `path` for appending; create it if missing. Raises LogLost if that fails."""
        self.path = path
        self._lock = threading.Lock()
        self._torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = not path.exists()
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if new:
                _sync_directory(path.parent)
            elif not _ends_with_newline(path):
                # A torn line of an earlier writer must not swallow the first line of this one.
                self._torn = True
                self._write(b"")
        except OSError as error:
            raise LogLost(f"{path}: {error.strerror or error}") from error

    def append(self, record: dict[str, Any]) -> None:
        """Write `record` as one line and sync it. Raises LogLost if that fails."""
        self.append_line(line_of(record))

    def append_line(self, line: bytes) -> None:
        """Write `line`, which holds no line end, and sync it. Raises LogLost if that fails."""
        with self._lock:
            try:
                self._write(line + b"\n")
            except OSError as error:
                raise LogLost(f"{self.path}: {error.strerror or error}") from error

    def _write(self, line: bytes) -> None:
        """Write `line` to disk, after a line end if an earlier write left a torn line."""
        data = b"\n" + line if self._torn else line
        written = os.write(self._fd, data)
        if written != len(data):
            self._torn = self._torn or written > 0
            raise OSError(errno.ENOSPC, "only a part of the line was written")
        self._torn = False
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file; further appends fail."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


def line_of(record: dict[str, Any]) -> bytes:
    """`record` as one line, without its end. Raises TypeError or ValueError if JSON cannot express
    it.
    """
    return json.dumps(record, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True)
class Lines:
    """The content of a JSON lines file. `torn`: a line was cut off or is not JSON, and is left out.

    `raw` holds the bytes of each record's line, without its end.
    """

    records: tuple[dict[str, Any], ...]
    torn: bool
    raw: tuple[bytes, ...] = ()


def read_lines(path: Path, *, unended: bool = False) -> Lines:
    """The records of `path`.

    Raises BadInput if the file cannot be read. A line that is not a JSON object is left out and
    makes the whole `torn`; the lines after a torn line are still returned. `unended` also accepts a
    last line without a line end, as the next writer will: it ends that line first.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(path, "", error.strerror, "a readable file of JSON lines") from error
    lines = raw.split(b"\n")
    torn_tail = not unended and lines.pop() != b""
    records: list[dict[str, Any]] = []
    kept: list[bytes] = []
    torn = torn_tail
    for line in lines:
        if not line.strip():
            continue
        record = _record(line)
        if record is None:
            torn = True
        else:
            records.append(record)
            kept.append(line)
    return Lines(tuple(records), torn, tuple(kept))


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
