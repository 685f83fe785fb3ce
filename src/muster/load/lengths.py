"""Whether a whole stream was shorter than asked for, by what cannot mistake an ordinary one.

1. `usage.completion_tokens` counts, where the stream shows it.
2. Else `finish_reason`: `length` is as asked; any other says that the platform stopped earlier.
3. Without either, or with `length`: a generated token is a byte of text at least, so that less text
   than tokens is less than asked for. (JSON's own escapes only add to the text.)
4. Whatever it says: a stream of n tokens that was over in less than n / `tokens_per_s_max` seconds
   after it was sent was not generated, but came from a cache.
"""

from __future__ import annotations

from muster.load.events import Events

AS_ASKED = (b"", b"length")


def is_short(events: Events, tokens: int, took_s: float, tokens_per_s_max: float) -> bool:
    """Whether a stream that was asked for `tokens` and over `took_s` after it was sent is short."""
    if tokens > took_s * tokens_per_s_max:
        return True
    if events.tokens is not None:
        return events.tokens < tokens
    return events.finish not in AS_ASKED or events.text_bytes < tokens
