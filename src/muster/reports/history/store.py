"""`history.sqlite` beside the bundles: what was read from each, so that it is read only once.

The store is a cache and no evidence: `judge` and `gate` never read it, and it can be deleted at any
time. A row counts as long as every file of its bundle has the same size and times as when the seal
was checked. It is not used where a key is at hand: a signature protects against people who can
write here, and they could write the store too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from muster.reports.history.past import Past

NAME = "history.sqlite"
READING = 2
"""Raised when something else is read from the same bundle: rows of before then no longer count."""
SETTLED_S = 2.0
"""A file that changed in the last seconds may change again within the same tick of its times."""
BUSY_S_MAX = 5.0
"""How long to wait for another process that writes the store."""
_TYPES = {"str": "TEXT", "bool": "INTEGER", "float | None": "REAL"}
_COLUMNS = {one.name: _TYPES[str(one.type)] for one in fields(Past)}
_BOOLEANS = frozenset(name for name, kind in _COLUMNS.items() if kind == "INTEGER")


class Store:
    """The rows of one directory of bundles. If the file cannot be used, an empty one in memory."""

    def __init__(self, out_dir: Path) -> None:
        path = str(out_dir / NAME)
        try:
            self._db = _opened(path)
        except sqlite3.OperationalError:  # it cannot be opened, or another process holds it
            self._db = _opened(":memory:")
        except sqlite3.DatabaseError:  # it is no database
            remove_store(out_dir)
            self._db = _opened(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._db.close()

    def rows(self) -> dict[str, tuple[str, Past]]:
        """By the name of the bundle's directory: the fingerprint that it had, and the drill.

        A store that is damaged has no rows.
        """
        columns = ", ".join(_COLUMNS)
        try:
            every = self._db.execute(f"SELECT bundle, fingerprint, {columns} FROM drills")
            rows = every.fetchall()
        except sqlite3.DatabaseError:
            return {}
        found = {}
        for name, fingerprint, *values in rows:
            told = dict(zip(_COLUMNS, values, strict=True))
            told |= {key: bool(told[key]) for key in _BOOLEANS}
            found[name] = (fingerprint, Past(**told))
        return found

    def keep(self, drills: Mapping[str, tuple[str, Past]]) -> None:
        """Make these the rows. A store that cannot be written to stays as it is."""
        marks = ", ".join("?" for _ in range(2 + len(_COLUMNS)))
        with contextlib.suppress(sqlite3.DatabaseError), self._db:
            self._db.execute("DELETE FROM drills")
            self._db.executemany(
                f"INSERT INTO drills VALUES ({marks})",
                ((name, mark, *astuple(past)) for name, (mark, past) in drills.items()),
            )


def _opened(path: str) -> sqlite3.Connection:
    """The database with its one table; a table of another version is replaced."""
    db = sqlite3.connect(path, timeout=BUSY_S_MAX)
    try:
        with db:
            names = [name for _, name, *_ in db.execute("PRAGMA table_info(drills)")]
            if names != ["bundle", "fingerprint", *_COLUMNS]:
                db.execute("DROP TABLE IF EXISTS drills")
                columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
                db.execute(
                    f"CREATE TABLE drills (bundle TEXT PRIMARY KEY, fingerprint TEXT, {columns})"
                )
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def remove_store(out_dir: Path) -> None:
    """Delete the store, so that everything is read from the bundles again."""
    (out_dir / NAME).unlink(missing_ok=True)


def fingerprint(bundle: Path, now_s: float) -> str:
    """Names, sizes and times of every file; empty if one of them changed in the last seconds."""
    told = hashlib.sha256(f"{READING}\n".encode())
    for entry in sorted(_files(bundle), key=lambda one: one.path):
        state = entry.stat(follow_symlinks=False)
        if state.st_ctime > now_s - SETTLED_S:
            return ""
        told.update(
            f"{entry.path}\0{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} "
            f"{state.st_ino} {state.st_mode}\n".encode("utf-8", "surrogateescape")
        )
    return told.hexdigest()


def _files(directory: Path | str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry
