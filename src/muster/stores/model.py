"""A store outside the drilling machine, in which two machines can never both win.

A change names the value that it replaces; a change that names an outdated value is refused. A call
whose answer was lost may have worked, so after any failure the store is read again.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass

from muster.errors import MusterError


class StoreError(MusterError):
    """The store did not answer or gave a wrong answer: its content is unknown."""


class Conflict(StoreError):
    """The store holds something else than the caller said: nothing was changed."""


@dataclass(frozen=True)
class Stored:
    """The value at a key. `version` identifies this very state of it to the store."""

    key: str
    text: str
    version: str


class Store(ABC):
    """Texts by key; the parts of a key are separated by slashes."""

    @abstractmethod
    def read(self, key: str) -> Stored | None:
        """The value at `key` now, None if there is none. Raises StoreError."""

    @abstractmethod
    def under(self, prefix: str) -> tuple[Stored, ...]:
        """Everything whose key begins with the parts of `prefix`. Raises StoreError."""

    @abstractmethod
    def _put(self, key: str, text: str, old: Stored | None) -> None:
        """One conditional change. Raises Conflict or StoreError."""

    @abstractmethod
    def _delete(self, old: Stored) -> None:
        """One removal. Raises StoreError; Conflict if the store can tell."""

    def rehearse(self) -> tuple[str, ...]:
        """What the store would refuse of a change or a removal, a line each.

        Empty: nothing is known to be refused, or whoever writes has the right to remove too. Raises
        StoreError.
        """
        return ()

    def not_removable(self, place: str) -> str:
        """Why a record that was written below `doctor/PLACE` can not be removed; empty if it can.

        Learnt only after a drill, each restored change would stay there, and every later drill
        would be refused. Raises StoreError if nothing can be written.
        """
        key = f"doctor/{place}/{secrets.token_hex(6)}"
        written = self.write(key, "written to be removed", None)
        try:
            self.remove(written)
        except StoreError as error:
            return f"the record {key} was written to the store and can not be removed: {error}"
        return ""

    def write(self, key: str, text: str, old: Stored | None) -> Stored:
        """Write `text` at `key` in place of `old` (None: no value), and return the new value.

        Raises Conflict if the store holds something else than `old`, StoreError if that is unknown.
        """
        try:
            self._put(key, text, old)
        except StoreError:
            found = self.read(key)
            if found is None or found.text != text:
                raise
            return found
        found = self.read(key)
        if found is None or found.text != text:
            raise Conflict(f"{key}: written, but changed by another client at once")
        return found

    def remove(self, old: Stored) -> None:
        """Remove the value at `old.key`; it is fine if it is gone already. Raises StoreError."""
        try:
            self._delete(old)
        except StoreError:
            if self.read(old.key) is not None:
                raise
