"""What the load cost so far: requests and tokens, from what was sent and what came back.

- A request counts from the moment at which it is sent, at the tokens of its prompt and the tokens
  that it asks for. When its whole answer tells its `usage`, that count takes their
  place.
- An answer of 4xx or 5xx generated nothing. An answer without `usage`, and one that did not come or
  not whole, stay at what was asked for: nobody knows that it was less.

So the figures are never too low, but for a prompt that nobody counted and that has more tokens than
`tokens_of` takes it for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import orjson

from muster.load.wire import Answer

KEY = "spent"
"""Its name in a line of the load's record."""
FRAME_TOKENS = 32
"""Tokens of a request beside its prompt: its own number, and what a chat template adds."""
BYTES_A_TOKEN = 3
"""English has some four bytes a token; fewer make a prompt more expensive, never cheaper."""
_TAIL_BYTES = 2**20


def tokens_of(prompt: str) -> int:
    """Tokens that a request with this prompt is taken for where nobody counts them."""
    return FRAME_TOKENS - -len(prompt.encode()) // BYTES_A_TOKEN


class Request(Protocol):
    """What is known of a request that was sent."""

    asked_in: int
    """Tokens of its prompt; 0 as long as it was not sent."""
    asked_out: int


class Spent:
    """The totals of one shard."""

    __slots__ = ("guessed", "requests", "tokens_in", "tokens_out")

    def __init__(self) -> None:
        self.requests = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.guessed = 0  # requests whose answer did not tell its usage, open ones among them

    def sent(self, tokens_in: int, tokens_out: int) -> None:
        """A request was sent."""
        self.requests += 1
        self.guessed += 1
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out

    def answered(self, request: Request, answer: Answer | None) -> None:
        """The answer is over; None: there is none."""
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
        """The totals, as the record has them."""
        return {name: getattr(self, name) for name in self.__slots__}


def last_spent(path: Path) -> Mapping[str, int] | None:
    """The totals in the last whole line of a shard's record; None if it has none yet.

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
