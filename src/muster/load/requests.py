"""The bytes that the load sends: a chat request for every number of tokens, built once.

Every request begins with a unique number. If all 20,000 streams had the same prompt, every cache on
the way would answer it, and the platform's own work would not be measured.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from muster.errors import BadInput
from muster.load.config import Endpoint
from muster.load.spent import FRAME_TOKENS, tokens_of
from muster.targets.request_form import OF_TRACE, RequestForm

_BUILT_MAX = 4096
_PROMPTS_BYTES_MAX = 64 * 2**20
TOKENS_ASKED = "{tokens}"
"""Placeholder in a target's own fields for the requested number of tokens."""
_PROMPT = "Say all hands muster at the boats, as often as asked for."
_WORDS = (
    "the ship left port at dawn and all hands stood by the boats while the captain read the orders "
    "of the day to the crew in a clear voice that carried over the deck"
)
NUMBER_TOKENS = 9
"""Tokens of a request's own number, about: sixteen hexadecimal digits."""
_STEP = 0x9E3779B97F4A7C15
"""Odd, so that 2^64 steps reach every number once; large, so that no two begin alike."""
_MASK = 2**64 - 1


class Requests:
    """Complete requests, by their number of tokens."""

    def __init__(
        self,
        endpoint: Endpoint,
        token: str,
        model: str,
        body: Mapping[str, Any] | None = None,
        form: RequestForm | None = None,
    ) -> None:
        """`body`: fields that the target adds to the load's own; they never replace them.

        Raises BadInput for a file of prompts that cannot be used.
        """
        self._form = form = form or RequestForm()
        bare = form.token_header.lower() != "authorization"
        more = "".join(f"{name}: {text}\r\n" for name, text in form.headers.items())
        self._head = (
            f"POST {endpoint.path} HTTP/1.1\r\nHost: {endpoint.host_header}\r\n"
            f"{form.token_header}: {token if bare else f'Bearer {token}'}\r\n"
            f"Content-Type: application/json\r\n{more}"
            "Accept: text/event-stream\r\nUser-Agent: muster-load\r\nContent-Length: "
        ).encode()
        self._model = model
        self._body = dict(body or {})
        self._prompts = prompts_of(form.prompts)
        self._long = LongText(form.prompt_tokens_max) if form.prompts == OF_TRACE else None
        self._around: dict[int, tuple[bytes, int, bytes]] = {}
        self._tokens = [tokens_of(prompt) for prompt in self._prompts]
        self.tokens_in = 0
        """The number of tokens assumed for the prompt of the last request."""
        self._built: dict[tuple[int, int], tuple[bytes, bytes]] = {}
        # Another run must not find this run's answers in a cache, so this is independent of the
        # seed.
        self._mark = os.urandom(8).hex()
        self._number = int.from_bytes(os.urandom(8))
        self._asked = 0

    def of(self, tokens: int, context: int = 0) -> bytes:
        """The complete next request for `tokens` tokens; no two are alike.

        `context`: tokens of its prompt, where prompts are as long as a trace says; 0: a short one.
        """
        if context and self._long is not None:
            return self._of_length(self._long, tokens, context)
        prompt = self._asked % len(self._prompts)
        self._asked += 1
        self.tokens_in = self._tokens[prompt]
        self._number = (self._number + _STEP) & _MASK
        built = self._built.get((tokens, prompt))
        if built is None:
            built = self._build(tokens, self._prompts[prompt])
            if len(self._built) < _BUILT_MAX:
                self._built[tokens, prompt] = built
        return b"%b%016x%b" % (built[0], self._number, built[1])

    def _of_length(self, long: LongText, tokens: int, context: int) -> bytes:
        self._number = (self._number + _STEP) & _MASK
        text = long.of(context)
        self.tokens_in = FRAME_TOKENS + min(context, long.tokens_max)
        around = self._around.get(tokens)
        if around is None:
            body = self._body_of(tokens, self._mark)
            before, _, after = body.partition(self._mark.encode())
            around = before, len(body), after
            if len(self._around) < _BUILT_MAX:
                self._around[tokens] = around
        before, length, after = around
        return b"%b%d\r\n\r\n%b%016x%b%b" % (
            self._head, length + len(text), before, self._number, text, after,
        )  # fmt: skip

    def _build(self, tokens: int, prompt: str) -> tuple[bytes, bytes]:
        """What comes before and after the request's own number."""
        body = self._body_of(tokens, f"{self._mark} {prompt}")
        before, _, after = body.partition(self._mark.encode())
        return self._head + b"%d\r\n\r\n" % len(body) + before, after

    def _body_of(self, tokens: int, content: str) -> bytes:
        return orjson.dumps(
            {
                **_filled(self._body, tokens),
                "model": self._model,
                "messages": [{"role": "user", "content": content}],
                "stream": True,
                self._form.tokens_field: tokens,
            }
        )


class LongText:
    """Text of any number of tokens up to `tokens_max`: one text, of which each takes the begin.

    It is made of short words, each a token with the blank before it (in cl100k_base all of them).
    """

    def __init__(self, tokens_max: int) -> None:
        self.tokens_max = tokens_max
        words = _WORDS.split()
        ends = [0]
        for word in words:
            ends.append(ends[-1] + 1 + len(word))
        self._ends, self._round = ends, ends[-1]
        self._text = "".join(f" {word}" for word in words).encode() * (tokens_max // len(words) + 1)

    def of(self, tokens: int) -> bytes:
        """The begin of the text: with the request's own number before it, `tokens` tokens."""
        words = max(1, min(tokens, self.tokens_max) - NUMBER_TOKENS)
        rounds, rest = divmod(words, len(self._ends) - 1)
        return self._text[: rounds * self._round + self._ends[rest]]


def prompts_of(path: str | None) -> tuple[str, ...]:
    """The prompts of a file, one per line; without a file the load's own. Raises BadInput."""
    if path is None or path == OF_TRACE:
        return (_PROMPT,)
    wanted = "a text file in UTF-8 of at most 64 MiB, a prompt a line"
    try:
        if Path(path).stat().st_size > _PROMPTS_BYTES_MAX:
            raise BadInput("load", "form.prompts", path, wanted)
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("load", "form.prompts", path, wanted) from error
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise BadInput("load", "form.prompts", path, f"{wanted}: at least one")
    return found


def _filled(value: Any, tokens: int) -> Any:
    """Return `value` with every placeholder replaced by the number of tokens."""
    if isinstance(value, dict):
        return {key: _filled(item, tokens) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, tokens) for item in value]
    return tokens if value == TOKENS_ASKED else value
