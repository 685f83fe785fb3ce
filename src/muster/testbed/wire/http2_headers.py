"""Header blocks of HTTP/2: compressed and read by the `hpack` library, and cached.

A stream's few headers repeat, and `hpack` takes longer for them than for everything else about a
frame. What this end sends never enters the peer's dynamic table (RFC 7541, section 6.2.3), so the
same headers are always the same bytes, and the same bytes always the same headers. A peer may do
otherwise: its blocks then depend on earlier ones and go through its own decoder.
"""

from __future__ import annotations

from functools import lru_cache

from hpack import Decoder, Encoder, HPACKError

Fields = tuple[tuple[bytes, bytes], ...]
_KEPT = 4096
_TABLE_SIZE_UPDATE = 0x20


@lru_cache(_KEPT)
def encoded(fields: Fields) -> bytes:
    """The block for `fields`, for any decoder."""
    return Encoder().encode([(name, value, True) for name, value in fields])


def decoded(block: bytes, decoder: Decoder) -> Fields:
    """The headers of `block` for the connection's `decoder`. Raises HPACKError."""
    fields = _by_itself(block)
    return _fields(decoder, block) if fields is None else fields


@lru_cache(_KEPT)
def _by_itself(block: bytes) -> Fields | None:
    """The headers of `block` for any decoder; None if it depends on a dynamic table, or
    changes it.
    """
    if block and block[0] & 0xE0 == _TABLE_SIZE_UPDATE:
        return None
    fresh = Decoder()
    try:
        fields = _fields(fresh, block)
    except HPACKError:
        return None
    return None if fresh.header_table.dynamic_entries else fields


def _fields(decoder: Decoder, block: bytes) -> Fields:
    return tuple((bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True))
