"""Errors of Muster, each with the exit code of the command that meets it.

Bad input is one line that names the file, the key, the value and what was expected.
"""

from __future__ import annotations

from os import PathLike

from muster.redact import redacted


class MusterError(Exception):
    """Any failure that Muster can explain in one line."""

    exit_code: int = 1

    def __init__(self, *args: object) -> None:
        # No message may say a secret: an address may hold a password.
        super().__init__(*(redacted(one) if isinstance(one, str) else one for one in args))


class BadInput(MusterError):
    """Input that cannot be used; nothing was started. Exit code 2.

    `file` names where the value stands (a path, or for example "--scale"), `key` the dotted key.
    """

    exit_code = 2

    def __init__(self, file: str | PathLike[str], key: str, value: object, expected: str) -> None:
        self.file = str(file)
        self.key = key
        self.value = value
        self.expected = expected
        where = f"{self.file}: {key}" if key else self.file
        super().__init__(f"{where}: got {_short(value)}, expected {expected}")


class DrillAborted(MusterError):
    """The drill must stop: asked to, or past a limit. `by` is the reason's name."""

    exit_code = 4

    def __init__(self, by: str, detail: str = "") -> None:
        self.by = by
        self.detail = redacted(detail)
        super().__init__(f"{by}: {detail}" if detail else by)


def _short(value: object, length_max: int = 120) -> str:
    """`repr` on one line, cut so that a whole document never fills a terminal."""
    text = redacted(" ".join(repr(value).split()))
    return text if len(text) <= length_max else text[: length_max - 1] + "…"
