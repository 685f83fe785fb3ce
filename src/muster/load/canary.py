"""One canary: a small request through the public name, judged once, at the end of its stream.

- It is in time if its first byte comes within `canary_s_max` after its intended start, and its end
  within the same time again. A 429 in any form is an answer: it has its own budget.
- The answer must also be right: the requested model (if the answer names one), the target's phrase
  (if it has one), no error in the stream, and at least one token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import orjson

from muster.load.attempt import FORM, Host, Sending, outcome_of
from muster.load.config import ShardConfig
from muster.load.requests import Requests
from muster.load.resolvers import Cache
from muster.load.stream_errors import says_error
from muster.load.wire import Answer
from muster.sse import texts_of
from muster.targets.request_form import RequestForm

_FAILURES = {
    "broken": "broken",
    "empty_stream": "empty_stream",
    "error_in_stream": "error_in_stream",
    "http_5xx": "5xx",
    "refused": "refused",
    "reset": "reset",
    "timeout": "timeout",
}
_TEXTS = ("content", "reasoning_content", "reasoning", "thinking", "refusal")


class CanaryHost(Host, Protocol):
    """What a canary also needs of the engine."""

    canary_requests: Requests
    config: ShardConfig

    def canary_ended(self, canary: Canary) -> None:
        """The canary is over."""


class Canary(Sending):
    """One canary, from its intended start to its outcome."""

    __slots__ = ("in_time",)
    keeps = True
    engine: CanaryHost

    def __init__(self, engine: CanaryHost, intended_s: float, cache: Cache) -> None:
        super().__init__(engine, intended_s, cache)
        self.in_time = False

    def request(self) -> bytes:
        return self.asked(self.engine.canary_requests, self.engine.config.canary_tokens)

    def moved(self, answer: Answer) -> None:
        status = answer.status
        if not status:
            return
        if not self.answered:
            self.answered = True
            self.located(answer)
        config = self.engine.config
        stream = 200 <= status < 300
        if not self.in_time and (answer.got_bytes or answer.complete or not stream):
            self.in_time = self.engine.now_s() - self.intended_s < config.canary_s_max
            if not self.in_time:
                self.end("timeout")
                return
        if answer.complete or not stream:
            model = config.canary_model or config.model
            self.end(canary_outcome(answer, model, config.canary_phrase, config.form))

    def end(self, outcome: str) -> None:
        """The `outcome` of the exchange; counted once."""
        if self.over:
            return
        if outcome not in ("answered", "wrong_answer"):
            outcome = _FAILURES.get(outcome, "other")
        self.count(outcome)

    def count(self, outcome: str) -> None:
        """End it: nothing more of it counts."""
        if not self.over:
            self.over = True
            name = outcome if outcome == "answered" else f"unavailable_{outcome}"
            self.engine.tally.canary(self.region, name)
            self.engine.canary_ended(self)
            self.let_go()

    def forget(self) -> None:
        """It cannot be decided whether it was answered in time, so it is not counted."""
        self.over = True
        self.engine.canary_ended(self)
        self.let_go()


def canary_outcome(answer: Answer, model: str, phrase: str | None, form: RequestForm = FORM) -> str:
    """The outcome of a complete answer: `answered`, or why it is not."""
    if answer.status == 429:
        return "answered"
    outcome = outcome_of(answer, form)
    if outcome != "success":
        return outcome
    said = _said(answer.body)
    if said is None:
        return "wrong_answer"
    models, text = said
    if models - {model}:
        return "wrong_answer"
    return "answered" if phrase is None or phrase in text else "wrong_answer"


def _said(body: bytes) -> tuple[set[str], str] | None:
    """The models that the events name, and their text; None if one of them is not a JSON object."""
    models: set[str] = set()
    text: list[str] = []
    for data in _data_of(body):
        try:
            event: Any = orjson.loads(data)
        except orjson.JSONDecodeError:
            return None
        if event is None:
            continue  # a keep-alive comment
        if not isinstance(event, dict):
            return None
        model = event.get("model")
        if isinstance(model, str) and model:
            models.add(model)
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            delta = choice.get("delta") if isinstance(choice, dict) else None
            if isinstance(delta, dict):
                text += [part for key in _TEXTS for part in texts_of(delta.get(key))]
    return models, "".join(text)


def _data_of(body: bytes) -> Iterator[bytes]:
    """The data of each event, its lines joined as the SSE standard says, without empty events.

    A line that is complete JSON is an event of its own: some servers end an event with one line
    break.
    """
    held: list[bytes] = []
    for line in [*body.splitlines(), b""]:
        if line.startswith(b"data:"):
            data = line[5:].strip()
            if data == b"[DONE]":
                continue
            if not held and says_error(data) is not None:
                yield data
            elif data:
                held.append(data)
        elif not line and held:
            yield b"\n".join(held)
            held = []
