"""Parses the events of one stream line by line: generated text, how it ended, whether it failed.

A stream's events mostly differ only in their text. The first event with text shows what comes
before and after it. Anything between the same two pieces that contains no quote is text. Such an
event costs two comparisons and one search. Every other line is parsed.

An event may span several `data:` lines. A line that is not complete JSON by itself is held until
its event is over, and then parsed as a whole.

`stream_errors` decides what an error is, in whichever form it is written.
"""

from __future__ import annotations

import re

from muster.load.stream_errors import (
    FAILED_FINISH,
    MARKS,
    is_error,
    is_error_line,
    says_error,
)
from muster.sse import generated

LINE_BYTES_MAX = 65536
"""At most this much of one line is parsed; the rest of it is ignored."""
_TEXT = re.compile(
    rb'"(?:content|reasoning_content|reasoning|thinking|refusal|arguments)"\s*:\s*'
    rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
)
_PART_TEXT = re.compile(
    rb'"(?:text|thinking|summary|transcript|data)"\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)"'
)
"""The same if a delta holds its parts in a list or an object."""
_KINDS = {
    "content": re.compile(rb'"content"\s*:\s*(?:"[^"]|\[\s*\{)'),
    "reasoning": re.compile(
        rb'"(?:reasoning|reasoning_content|reasoning_details|thinking|thinking_blocks)"'
        rb'\s*:\s*(?:"[^"]|\[\s*\{|\{)'
    ),
    "tool_call": re.compile(rb'"(?:tool_calls"\s*:\s*\[\s*\{|function_call"\s*:\s*\{\s*")'),
}
"""The patterns by which a delta is of a kind; a line is tested only once it carries something."""
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"([^"\\]*)"')
_CONTENT = b'"content":"'
_GOES_ON = b'"finish_reason":null}]}'
_KEPT_MAX = 256
_no_deltas: dict[bytes, bytes] = {}
"""Finish reason of events without text seen before, by their text from `"delta":` on."""
_LEARNED_MAX = 8
"""Events that are parsed to learn their shape; if every one differs, learning does not pay."""
_WHOLE = (b"}", b"}\r")
"""How an event on a single line ends."""
_USAGE = re.compile(rb'"completion_tokens"\s*:\s*(\d{1,9})')
_PROMPT = re.compile(rb'"prompt_tokens"\s*:\s*(\d{1,9})')


class Events:
    """What the body of one answer contained so far; `take` adds to it.

    `text_bytes` counts generated text in its JSON form: never less than its own bytes.
    """

    __slots__ = (
        "back", "back_chunk", "done", "error", "finish", "fresh", "front", "generated",
        "held", "kinds", "learned", "line", "prompt_tokens", "skipping",
        "text_bytes", "tokens",
    )  # fmt: skip

    def __init__(self) -> None:
        self.generated = False  # any delta
        self.kinds: set[str] = set()  # of the kind that the target names
        self.fresh = False  # one of them since it was set to False
        self.done = False  # data: [DONE]
        self.error = False
        self.finish = b""  # the last finish_reason
        self.tokens: int | None = None  # usage.completion_tokens
        self.prompt_tokens: int | None = None  # usage.prompt_tokens
        self.text_bytes = 0
        self.learned = 0  # how often the shape of an event was learnt
        self.front = b""  # what comes before the text of an event, from the start of its line
        self.back = b""  # and after it
        self.back_chunk = b""  # the same to the end of a chunk with only this event
        self.held = b""  # data of an event that is incomplete in the lines read so far
        self.line = b""  # the start of an incomplete line
        self.skipping = False

    def take(self, data: bytes) -> None:
        """Read a piece of the body, cut anywhere."""
        if self.line:
            data = self.line + data
            self.line = b""
        lines = data.split(b"\n")
        rest = lines.pop()
        for line in lines:
            if self.skipping:
                self.skipping = False
            elif line:
                self._read(line)
            elif self.held:
                self._over()
        if rest and not self.skipping:
            if len(rest) > LINE_BYTES_MAX:
                self._read(rest)
                self.skipping = True
            else:
                self.line = rest

    def end(self) -> None:
        """The body is over: its last line may lack a line end."""
        if self.line:
            line, self.line = self.line, b""
            self._read(line)
        if self.held:
            self._over()

    def carried(self, kind: str) -> bool:
        """Whether a delta of that kind arrived: any, content, reasoning or tool_call."""
        return self.generated if kind == "any" else kind in self.kinds

    @property
    def between(self) -> bool:
        """Whether the last line is complete, and the shape of a plain event is known."""
        return bool(self.front) and not (self.line or self.held or self.skipping)

    def _read(self, line: bytes) -> None:
        front = self.front
        if front and line.startswith(front):
            text = len(front)
            quote = line.find(b'"', text)
            if quote > text and line[quote:] == self.back:
                self.text_bytes += quote - text
                self.fresh = True
                return
        if not line.startswith(b"data:"):
            if line != b"\r":
                self.error = self.error or is_error_line(line)
            elif self.held:
                self._over()
        elif line.startswith(b"[DONE]", 6) or (len(line) < 32 and line[5:].strip() == b"[DONE]"):
            self.done = True
        elif self.held and not _stands_alone(line):
            if len(self.held) < LINE_BYTES_MAX:
                self.held += b"\n" + line[5:]
        elif b'"choices"' not in line or any(mark in line for mark in MARKS):
            error = says_error(line[5:])
            if error:
                self.error = True
            elif error is None:
                self.held = line[5:]
            else:
                self._read_whole(line)
        elif line.endswith(_WHOLE):
            self._read_whole(line)
        else:
            self.held = line[5:]

    def _read_whole(self, line: bytes) -> None:
        """A line that is an event of its own and not an error."""
        delta = line.find(b'"delta":')
        finish = _no_deltas.get(line[delta:])
        if finish is None or _says_more_before(line, delta):
            self._read_delta(line, delta)
        elif finish:
            self._finished(finish)

    def _over(self) -> None:
        """The held event is over: it is complete, or will never be."""
        data, self.held = self.held, b""
        if is_error(data):
            self.error = True
        else:
            self._read_delta(b"data:" + data, -1)

    def _read_delta(self, line: bytes, delta: int) -> None:
        # A plain event's finish_reason is null; any other value comes at the end.
        says_more = not line.endswith(_GOES_ON) and self._read_end(line)
        text = line.find(_CONTENT) + len(_CONTENT)
        quote = line.find(b'"', text)
        if text < len(_CONTENT) or quote <= text or line.find(b"\\", text, quote) >= 0:
            # In another form, or without text: parse all of it.
            if not generated(line):
                kept = delta >= 0 and b'"usage"' not in line and len(_no_deltas) < _KEPT_MAX
                if kept and not _says_more_before(line, delta):
                    found = _FINISH.search(line, delta)
                    _no_deltas[line[delta:]] = found[1] if found is not None else b""
                return
            texts = list(_TEXT.finditer(line)) or list(_PART_TEXT.finditer(line))
            self.text_bytes += sum(len(found[1]) for found in texts)
            text, quote = max((found.span(1) for found in texts), key=_length, default=(0, 0))
        else:
            self.text_bytes += quote - text
        self.generated = self.fresh = True
        if len(self.kinds) < len(_KINDS):
            self.kinds.update(kind for kind, sign in _KINDS.items() if sign.search(line))
        if delta >= 0 and self.learned < _LEARNED_MAX and quote > text and not says_more:
            # From now on only events that differ in nothing but their text may be skipped.
            self.learned += 1
            self.front, self.back = line[:text], line[quote:]
            self.back_chunk = self.back + b"\n\n\r\n"

    def _read_end(self, line: bytes) -> bool:
        """Read finish reason and usage if the line has them."""
        finish = _FINISH.search(line)
        if finish is not None:
            self._finished(finish[1])
        usage = _USAGE.search(line)
        if usage is not None:
            self.tokens = int(usage[1])
            prompt = _PROMPT.search(line)
            self.prompt_tokens = int(prompt[1]) if prompt is not None else None
        return finish is not None or usage is not None

    def _finished(self, reason: bytes) -> None:
        self.finish = reason
        self.error = self.error or FAILED_FINISH.search(reason) is not None


def _stands_alone(line: bytes) -> bool:
    """Whether a line is an event of its own although the one before it is not over.

    Some servers end an event with one line break, and a held event may never become complete.
    """
    return b'"choices"' in line and line[5:].lstrip().startswith(b"{") and line.endswith(_WHOLE)


def _length(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def _says_more_before(line: bytes, delta: int) -> bool:
    """Whether finish reason or usage come before the delta; the end of the line then does not show
    them.
    """
    return line.find(b'"finish_reason"', 0, delta) >= 0 or line.find(b'"usage"', 0, delta) >= 0
