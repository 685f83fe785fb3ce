"""Counts the requests and tokens that the load has used so far.

- A request counts when it is sent, with the estimated tokens of its prompt and the tokens that it
  requests. If the complete answer has a `usage`, its counts replace the estimate.
- An answer of 4xx or 5xx has no generated tokens. For an answer that is missing, incomplete or
  without `usage`, the requested tokens remain, since a lower count is not proven.

The figures are therefore never too low, except if a prompt without `usage` has more tokens than
`tokens_of` estimates.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import orjson

from muster.load.wire import Answer

KEY = "spent"
"""The key in a line of the load's record."""
FRAME_TOKENS = 32
"""Tokens of a request besides its prompt: the unique number and the chat template."""
BYTES_A_TOKEN = 3
"""English text has about four bytes a token; a lower value overestimates, never underestimates."""
_TAIL_BYTES = 2**20


def tokens_of(prompt: str) -> int:
    """Estimated tokens of a request with this prompt, for answers without `usage`."""
    return FRAME_TOKENS - -len(prompt.encode()) // BYTES_A_TOKEN


class Request(Protocol):
    """A request that was sent."""

    asked_in: int
    """Estimated tokens of its prompt; 0 before it is sent."""
    asked_out: int


class Spent:
    """The totals of one shard."""

    __slots__ = ("guessed", "requests", "tokens_in", "tokens_out")

    def __init__(self) -> None:
        self.requests = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.guessed = 0  # requests without a reported usage, including open ones

    def sent(self, tokens_in: int, tokens_out: int) -> None:
        """A request was sent."""
        self.requests += 1
        self.guessed += 1
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out

    def answered(self, request: Request, answer: Answer | None) -> None:
        """The answer has ended; None: no answer arrived."""
        if answer is None or not request.asked_in:
            return
        if answer.status >= 300:
            self.guessed -= 1
            self.tokens_out -= request.asked_out
            return
        events = answer.events
        if not answer.complete or events.tokens is None or events.prompt_tokens is None:
            return
        self.guessed -= 1
        self.tokens_in += events.prompt_tokens - request.asked_in
        self.tokens_out += events.tokens - request.asked_out

    def line(self) -> dict[str, int]:
        """The totals for a line of the record."""
        return {name: getattr(self, name) for name in self.__slots__}


def last_spent(path: Path) -> Mapping[str, int] | None:
    """The totals in the last complete line of a shard's record; None if there is none yet.

    Raises OSError or ValueError if the record cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        text = file.read()
    rows = text[: text.rfind(b"\n") + 1].splitlines()
    line: Any = orjson.loads(rows[-1]) if rows else None
    if not isinstance(line, dict) or "t" not in line:
        return None
    found = line[KEY]
    return {str(name): int(value) for name, value in found.items()}
