"""Decides whether a complete stream was shorter than requested, by rules that no normal stream
breaks.

1. If the stream reports `usage.completion_tokens`, that count decides.
2. Else `finish_reason`: `length` is as requested; any other reason says that the platform stopped
  earlier.
3. Without either, or with `length`: a generated token is at least one byte of text, so fewer bytes
  of text than tokens is too short. (JSON's own escapes only add to the text.)
4. In any case: a stream of n tokens that ended less than n / `tokens_per_s_max` seconds after it
  was sent was not generated, but came from a cache.
"""

from __future__ import annotations

from muster.load.events import Events

AS_ASKED = (b"", b"length")


def is_short(events: Events, tokens: int, took_s: float, tokens_per_s_max: float) -> bool:
    """Whether a stream of `tokens` asked tokens is short if it ended `took_s` after sending."""
    if tokens > took_s * tokens_per_s_max:
        return True
    if events.tokens is not None:
        return events.tokens < tokens
    return events.finish not in AS_ASKED or events.text_bytes < tokens
