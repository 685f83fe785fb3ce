"""A store off the drilling machine, in which two machines can not both win.

A change names the value that it replaces; a change that names an old state is refused. A
call whose answer was lost may have done its work all the same, so after any failure the store is
asked what stands there now.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from muster.errors import MusterError


class StoreError(MusterError):
    """The store did not answer, or not as it must: what stands there is unknown."""


class Conflict(StoreError):
    """Something else stands there than the caller said: nothing was changed."""


@dataclass(frozen=True)
class Stored:
    """What stands at a key. `version` names this very state of it to the store."""

    key: str
    text: str
    version: str


class Store(ABC):
    """Texts by key; a key has parts, with slashes between them."""

    @abstractmethod
    def read(self, key: str) -> Stored | None:
        """What stands at `key` now, None for nothing. Raises StoreError."""

    @abstractmethod
    def under(self, prefix: str) -> tuple[Stored, ...]:
        """Everything whose key begins with the parts of `prefix`. Raises StoreError."""

    @abstractmethod
    def _put(self, key: str, text: str, old: Stored | None) -> None:
        """One conditional change. Raises Conflict or StoreError."""

    @abstractmethod
    def _delete(self, old: Stored) -> None:
        """One removal. Raises StoreError; Conflict where the store can tell."""

    def write(self, key: str, text: str, old: Stored | None) -> Stored:
        """`text` at `key` instead of `old` (None: nothing stands there), and what stands then.

        Raises Conflict when something else than `old` stands there, StoreError when it is unknown.
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
            raise Conflict(f"{key}: written, and changed by another at once")
        return found

    def remove(self, old: Stored) -> None:
        """Nothing at `old.key` any more; gone already is well. Raises StoreError."""
        try:
            self._delete(old)
        except StoreError:
            if self.read(old.key) is not None:
                raise
