"""Errors of Muster, each with the exit code of the command that reports it.

Bad input is one line that names the file, the key, the value and what was expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from os import PathLike

from muster.redact import redacted


class MusterError(Exception):
    """Any failure that Muster can explain in one line."""

    exit_code: int = 1

    def __init__(self, *args: object) -> None:
        # No message may contain a secret: an address may hold a password.
        super().__init__(*(redacted(one) if isinstance(one, str) else one for one in args))


class BadInput(MusterError):
    """Input that cannot be used; nothing was started. Exit code 2.

    `file` names where the value is (a path, or for example "--scale"), `key` the dotted key.
    """

    exit_code = 2

    def __init__(self, file: str | PathLike[str], key: str, value: object, expected: str) -> None:
        self.file = str(file)
        self.key = key
        self.value = value
        self.expected = expected
        where = f"{self.file}: {key}" if key else self.file
        super().__init__(f"{where}: got {_short(value)}, expected {expected}")

    @property
    def each(self) -> tuple[BadInput, ...]:
        """Every problem that it reports."""
        return (self,)


class BadInputs(BadInput):
    """All that is wrong with one input, one line each; its file and key are those of the first."""

    def __init__(self, problems: Sequence[BadInput]) -> None:
        first = problems[0]
        super().__init__(first.file, first.key, first.value, first.expected)
        self._each = tuple(problems)
        self.args = ("\n".join(str(one) for one in problems),)

    @property
    def each(self) -> tuple[BadInput, ...]:
        return self._each


def together(problems: Iterable[BadInput]) -> BadInput | None:
    """Every problem as one error; None if there is none."""
    every = list(problems)
    return every[0] if len(every) == 1 else BadInputs(every) if every else None


def similar(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` may have meant, whatever the case; None if none is near."""
    by_lower = {one.lower(): one for one in sorted(known)}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean NAME?)` with the known name that is nearest; empty if none is near."""
    found = similar(name, known)
    return f" (did you mean {found}?)" if found else ""


def one_of(name: str, known: Iterable[str]) -> str:
    """What was expected instead of `name`: `one of A, B (did you mean A?)`."""
    names = list(known)
    return f"one of {', '.join(names) or 'none'}{nearest(name, names)}"


class DrillAborted(MusterError):
    """The drill must stop, because it was asked to or a limit was passed. `by` is the reason's
    name.
    """

    exit_code = 4

    def __init__(self, by: str, detail: str = "") -> None:
        self.by = by
        self.detail = redacted(detail)
        super().__init__(f"{by}: {detail}" if detail else by)


def _short(value: object, length_max: int = 120) -> str:
    """`repr` on one line, cut so that a whole document never fills a terminal."""
    text = redacted(" ".join(repr(value).split()))
    return text if len(text) <= length_max else text[: length_max - 1] + "…"
