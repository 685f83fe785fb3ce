"""The frames of HTTP/2 (RFC 9113, sections 4 and 6): their numbers and their layout."""

from __future__ import annotations

from struct import Struct
from typing import cast

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 6, 7, 8, 9
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 4, 5
TABLE_OF_NOTHING = b"\x20"

FRAME_BYTES_MAX = 16_384
BLOCK_BYTES_MAX = 64 * 1024
WINDOW_BYTES = 65_535
"""What each stream may send before it is granted more: the protocol's initial value."""
CONNECTION_WINDOW_BYTES = 16 << 20
WINDOW_BYTES_MAX = 2**31 - 1
STREAMS_ASSUMED = 100
"""The number of streams that a peer takes if it has not said so (RFC 9113, section 6.5.2: no
fewer).
"""
STREAM_ID_MAX = 2**31 - 1

HEAD = Struct(">BHBBL")
SETTING = Struct(">HL")
WORD = Struct(">L")
TWO_WORDS = Struct(">LL")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """A complete frame."""
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


class Http2Error(Exception):
    """The peer broke the protocol; GOAWAY carries `code`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def unpadded(flags: int, payload: bytes) -> bytes:
    """`payload` without its padding. Raises Http2Error."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error(PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]


def word(payload: bytes) -> int:
    """The only number in `payload`. Raises Http2Error."""
    if len(payload) != WORD.size:
        raise Http2Error(FRAME_SIZE_ERROR, "a frame of the wrong size")
    return cast(int, WORD.unpack(payload)[0])
