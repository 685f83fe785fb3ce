"""HTTP/2 on one connection (RFC 9113), either end, in the clear by prior knowledge (section 3.3).

Many streams share a connection, so that what falls due together leaves, passes a proxy and arrives
in one piece: with a connection a stream, waking up for each chunk costs more than the chunk does.

1. Frames are written once a round of the loop; a frame is read without copying what it follows.
2. Flow control holds both ways: what may not be sent waits, and who pauses grants nothing more.
3. A peer that breaks the protocol is told so (GOAWAY) and the connection closed. No push, no
   priorities, no upgrade from HTTP/1.1.
"""

from __future__ import annotations

import asyncio
from struct import Struct
from typing import cast

from hpack import Decoder, HPACKError

from muster.testbed.wire.http2_headers import Fields, decoded, encoded

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
"""What each stream may send before it is granted more: the protocol's own first figure."""
CONNECTION_WINDOW_BYTES = 16 << 20
WINDOW_BYTES_MAX = 2**31 - 1
STREAMS_ASSUMED = 100
"""How many streams a peer takes that has not said so (RFC 9113, section 6.5.2: no fewer)."""
STREAM_ID_MAX = 2**31 - 1

_HEAD = Struct(">BHBBL")
_SETTING = Struct(">HL")
_WORD = Struct(">L")
_TWO_WORDS = Struct(">LL")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    size = len(payload)
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


class Http2Error(Exception):
    """The peer broke the protocol; `code` is what GOAWAY tells it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Stream:
    """One exchange. Subclasses say what becomes of it; after its last call it is not called again.

    `on_data(data, True)`, `on_reset` and `on_lost` are last calls, as is `on_headers(…, True)`
    for whoever asked.
    """

    __slots__ = ("ended", "heard", "id", "paused", "pending", "pending_end", "room", "window")

    def __init__(self) -> None:
        self.id = 0
        self.window = 0
        """Bytes that the peer still takes."""
        self.room = WINDOW_BYTES
        """Bytes that the peer may still send."""
        self.paused = False
        self.pending = b""
        self.pending_end = False
        self.ended = False
        """Whether this side has said its last."""
        self.heard = False
        """Whether the peer has."""

    def on_headers(self, fields: Fields, ended: bool) -> None:
        """Headers came."""
        raise NotImplementedError

    def on_data(self, data: bytes, ended: bool) -> None:
        """A piece of the body came."""
        raise NotImplementedError

    def on_reset(self, code: int) -> None:
        """The peer gave the stream up."""
        raise NotImplementedError

    def on_lost(self) -> None:
        """The connection is gone."""
        raise NotImplementedError


class Connection(asyncio.Protocol):
    """Frames in and out, for both ends. A server overrides `accept`."""

    __slots__ = (
        "_block",
        "_blocked",
        "_decoder",
        "_ending",
        "_frame_bytes",
        "_gone",
        "_last_id",
        "_loop",
        "_out",
        "_part",
        "_preface",
        "_resized",
        "_room",
        "_settings",
        "_window",
        "_window_first",
        "is_client",
        "leaving",
        "silent_s",
        "streams",
        "streams_max",
        "transport",
    )

    def __init__(self, *, client: bool, settings: dict[int, int]) -> None:
        """`settings` are this end's, by number (RFC 9113, section 6.5.2)."""
        self.is_client = client
        self.transport: asyncio.Transport | None = None
        self.streams: dict[int, Stream] = {}
        self.streams_max = STREAMS_ASSUMED
        self.leaving = False
        """Whether no new streams may begin: the peer goes away, or this side does."""
        self.silent_s = 0
        """For the owner's sweep to count up; whatever comes sets it back."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder()
        self._preface = b"" if client else PREFACE
        self._part = b""
        self._block: tuple[int, bool, bytes] | None = None
        self._last_id = -1 if client else 0
        self._room = CONNECTION_WINDOW_BYTES
        self._window = WINDOW_BYTES
        self._window_first = WINDOW_BYTES
        self._frame_bytes = FRAME_BYTES_MAX
        self._blocked: dict[Stream, None] = {}
        self._out: list[bytes] = []
        self._resized = b""
        self._ending = False
        self._gone = False

    # For subclasses

    def accept(self) -> Stream:
        """A server's own kind of stream, for a request that begins."""
        raise Http2Error(PROTOCOL_ERROR, "a stream that nobody asked for")

    def on_settings(self) -> None:
        """The peer has said what it takes."""

    def on_leaving(self) -> None:
        """No new streams may begin any more."""

    def on_closed(self) -> None:
        """The connection is gone; its streams have been told."""

    # Sending

    def begin(self, stream: Stream, fields: Fields) -> None:
        """Ask: open `stream`. Only for clients, and only while `has_room`."""
        self._last_id += 2
        stream.id = self._last_id
        stream.window = self._window_first
        self.streams[stream.id] = stream
        self.send_headers(stream, fields)

    @property
    def has_room(self) -> bool:
        """Whether one more stream may begin."""
        return (
            not self.leaving
            and len(self.streams) < self.streams_max
            and self._last_id < STREAM_ID_MAX - 2
        )

    def send_headers(self, stream: Stream, fields: Fields, *, end: bool = False) -> None:
        """Send headers; they must fit one frame."""
        flags = END_HEADERS | (END_STREAM if end else 0)
        self._send(frame(HEADERS, flags, stream.id, self._resized + encoded(fields)))
        self._resized = b""
        if end:
            self._said_all(stream)

    def send_data(self, stream: Stream, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the body, as soon as the peer takes it."""
        size = len(data)
        if (
            stream.pending
            or size > stream.window
            or size > self._window
            or size > self._frame_bytes
        ):
            stream.pending += data
            stream.pending_end = end
            self._send_pending(stream)
            return
        stream.window -= size
        self._window -= size
        self._send(
            _HEAD.pack(size >> 16, size & 0xFFFF, DATA, END_STREAM if end else 0, stream.id) + data
        )
        if end:
            self._said_all(stream)

    def give_up(self, stream: Stream, code: int = CANCEL) -> None:
        """Reset `stream`: nothing more of it is wanted, and it is not called again."""
        if self.streams.pop(stream.id, None) is not None:
            self._blocked.pop(stream, None)
            self._send(frame(RST_STREAM, 0, stream.id, _WORD.pack(code)))

    def pause(self, stream: Stream) -> None:
        """Grant `stream` nothing more than it has."""
        stream.paused = True

    def resume(self, stream: Stream) -> None:
        """Grant `stream` what it was not granted meanwhile."""
        stream.paused = False
        if stream.id in self.streams:
            self._grant(stream)

    def ping(self) -> None:
        """Ask whether the peer is there."""
        self._send(frame(PING, 0, 0, b"muster  "))

    def leave(self) -> None:
        """Take no new streams; the open ones may end."""
        if not self.leaving:
            self.leaving = True
            self._go_away(NO_ERROR)

    def close(self) -> None:
        """Close after what was written."""
        self.leave()
        self._flush()
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        payload = b"".join(_SETTING.pack(*setting) for setting in self._settings.items())
        self._send((PREFACE if self.is_client else b"") + frame(SETTINGS, 0, 0, payload))
        grown = CONNECTION_WINDOW_BYTES - WINDOW_BYTES
        self._send(frame(WINDOW_UPDATE, 0, 0, _WORD.pack(grown)))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._gone:
            return
        self._gone = True
        self.transport = None
        self.leaving = True
        self._out.clear()
        self._blocked.clear()
        streams = list(self.streams.values())
        self.streams.clear()
        for stream in streams:
            stream.on_lost()
        self.on_closed()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self.silent_s = 0
        if self._part:
            data = self._part + data
        try:
            self._part = data[self._read(data) :]
        except Http2Error as error:
            self._ending = True
            self.leaving = True
            self._go_away(error.code, str(error))
            self._flush()
            if self.transport is not None:
                self.transport.close()
            self.connection_lost(error)

    # Receiving

    def _read(self, data: bytes) -> int:
        """Act on every whole frame in `data`; returns where the first that is not whole begins."""
        position = self._read_preface(data) if self._preface else 0
        if position < 0:
            return 0
        size_all = len(data)
        streams = self.streams
        while size_all - position >= 9:
            high, low, kind, flags, stream_id = _HEAD.unpack_from(data, position)
            size = high << 16 | low
            stream_id &= STREAM_ID_MAX
            if size > FRAME_BYTES_MAX:
                raise Http2Error(FRAME_SIZE_ERROR, "a frame larger than announced")
            start = position + 9
            end = start + size
            if end > size_all:
                break
            position = end
            if kind == DATA and not flags & PADDED and self._block is None:
                # The hot path.
                self._room -= size
                if self._room < CONNECTION_WINDOW_BYTES // 2:
                    self._grant_connection()
                stream = streams.get(stream_id)
                if stream is None:
                    self._expect_ended(stream_id)
                    continue
                stream.room -= size
                ended = bool(flags & END_STREAM)
                if stream.room < WINDOW_BYTES // 2 and not ended:
                    self._grant(stream)
                if ended:
                    self._heard_all(stream)
                stream.on_data(data[start:end], ended)
            else:
                self._act(kind, flags, stream_id, data[start:end])
        return position

    def _read_preface(self, data: bytes) -> int:
        if not data.startswith(PREFACE):
            if PREFACE.startswith(data):
                return -1
            raise Http2Error(PROTOCOL_ERROR, "not HTTP/2")
        self._preface = b""
        return len(PREFACE)

    def _act(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is not None and (kind != CONTINUATION or stream_id != self._block[0]):
            raise Http2Error(PROTOCOL_ERROR, "headers that were not finished")
        if kind == HEADERS:
            payload = _unpadded(flags, payload)
            if flags & WITH_PRIORITY:
                payload = payload[5:]
            self._headers(stream_id, bool(flags & END_STREAM), payload, flags)
        elif kind == CONTINUATION:
            if self._block is None:
                raise Http2Error(PROTOCOL_ERROR, "a continuation of nothing")
            _, ended, begun = self._block
            self._headers(stream_id, ended, begun + payload, flags)
        elif kind == DATA:
            self._padded_data(flags, stream_id, payload)
        elif kind == RST_STREAM:
            code = _word(payload)
            stream = self._forgotten(self.streams.pop(stream_id, None))
            if stream is not None:
                stream.on_reset(code)
            else:
                self._expect_ended(stream_id)
        elif kind == SETTINGS:
            self._take_settings(flags, payload)
        elif kind == PING:
            if len(payload) != 8:
                raise Http2Error(FRAME_SIZE_ERROR, "a ping of the wrong size")
            if not flags & ACK:
                self._send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self._left(_word(payload[:4]) & STREAM_ID_MAX)
        elif kind == WINDOW_UPDATE:
            self._widen(stream_id, _word(payload) & WINDOW_BYTES_MAX)
        elif kind == PUSH_PROMISE:
            raise Http2Error(PROTOCOL_ERROR, "a push")
        # Priorities and frames of kinds unknown are passed over (section 5.5).

    def _headers(self, stream_id: int, ended: bool, block: bytes, flags: int) -> None:
        if len(block) > BLOCK_BYTES_MAX:
            raise Http2Error(PROTOCOL_ERROR, "headers without an end")
        if not flags & END_HEADERS:
            self._block = (stream_id, ended, block)
            return
        self._block = None
        try:
            fields = decoded(block, self._decoder)
        except HPACKError as error:
            raise Http2Error(COMPRESSION_ERROR, "headers that can't be read") from error
        stream = self.streams.get(stream_id)
        if stream is None:
            if self.is_client or stream_id <= self._last_id:
                self._expect_ended(stream_id)
                return
            stream = self._accepted(stream_id)
            if stream is None:
                return
        if ended:
            self._heard_all(stream)
        stream.on_headers(fields, ended)

    def _accepted(self, stream_id: int) -> Stream | None:
        if stream_id % 2 == 0:
            raise Http2Error(PROTOCOL_ERROR, "a client's stream with an even number")
        self._last_id = stream_id
        most = self._settings.get(MAX_CONCURRENT_STREAMS, STREAMS_ASSUMED)
        if self.leaving or len(self.streams) >= most:
            self._send(frame(RST_STREAM, 0, stream_id, _WORD.pack(REFUSED_STREAM)))
            return None
        stream = self.accept()
        stream.id = stream_id
        stream.window = self._window_first
        self.streams[stream_id] = stream
        return stream

    def _padded_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        data = _unpadded(flags, payload)
        self._room -= len(payload)
        self._grant_connection()
        stream = self.streams.get(stream_id)
        if stream is None:
            self._expect_ended(stream_id)
            return
        stream.room -= len(payload)
        ended = bool(flags & END_STREAM)
        if ended:
            self._heard_all(stream)
        else:
            self._grant(stream)
        stream.on_data(data, ended)

    def _expect_ended(self, stream_id: int) -> None:
        """A frame of a stream that has ended may still be under way; of one never begun not."""
        if not 0 < stream_id <= self._last_id:
            raise Http2Error(PROTOCOL_ERROR, "a frame of a stream that never began")

    def _heard_all(self, stream: Stream) -> None:
        stream.heard = True
        if self.is_client:
            self._answered(stream)

    def _said_all(self, stream: Stream) -> None:
        stream.ended = True
        if not self.is_client:
            self._answered(stream)

    def _answered(self, stream: Stream) -> None:
        """An answer ends the exchange; if the question has no end yet, none is needed."""
        if not (stream.heard and stream.ended):
            self.give_up(stream, NO_ERROR)
        self.streams.pop(stream.id, None)

    def _forgotten(self, stream: Stream | None) -> Stream | None:
        if stream is not None:
            self._blocked.pop(stream, None)
        return stream

    def _take_settings(self, flags: int, payload: bytes) -> None:
        if flags & ACK:
            return
        if len(payload) % _SETTING.size:
            raise Http2Error(FRAME_SIZE_ERROR, "settings of the wrong size")
        for number, value in _SETTING.iter_unpack(payload):
            if number == HEADER_TABLE_SIZE:
                # Ours is always empty, which a peer that wants it smaller must be told (RFC 7541).
                self._resized = TABLE_OF_NOTHING
            elif number == MAX_CONCURRENT_STREAMS:
                self.streams_max = value
            elif number == MAX_FRAME_SIZE:
                if not FRAME_BYTES_MAX <= value < 1 << 24:
                    raise Http2Error(PROTOCOL_ERROR, "a frame size out of bounds")
                self._frame_bytes = value
            elif number == INITIAL_WINDOW_SIZE:
                if value > WINDOW_BYTES_MAX:
                    raise Http2Error(FLOW_CONTROL_ERROR, "a window out of bounds")
                grown = value - self._window_first
                self._window_first = value
                for stream in self.streams.values():
                    stream.window += grown
        self._send(frame(SETTINGS, ACK, 0))
        self._send_blocked()
        self.on_settings()

    def _left(self, last_id: int) -> None:
        """The peer goes away: streams after `last_id` it has not looked at."""
        self.leaving = True
        if self.is_client:
            for stream in [one for one in self.streams.values() if one.id > last_id]:
                self._forgotten(self.streams.pop(stream.id))
                stream.on_reset(REFUSED_STREAM)
        self.on_leaving()

    # Flow control

    def _grant(self, stream: Stream) -> None:
        if stream.room < 0:
            raise Http2Error(FLOW_CONTROL_ERROR, "more than was granted")
        used = WINDOW_BYTES - stream.room
        if used >= WINDOW_BYTES // 2 and not stream.paused:
            stream.room = WINDOW_BYTES
            self._send(frame(WINDOW_UPDATE, 0, stream.id, _WORD.pack(used)))

    def _grant_connection(self) -> None:
        if self._room < 0:
            raise Http2Error(FLOW_CONTROL_ERROR, "more than was granted")
        used = CONNECTION_WINDOW_BYTES - self._room
        if used >= CONNECTION_WINDOW_BYTES // 2:
            self._room = CONNECTION_WINDOW_BYTES
            self._send(frame(WINDOW_UPDATE, 0, 0, _WORD.pack(used)))

    def _widen(self, stream_id: int, grown: int) -> None:
        if not stream_id:
            self._window += grown
            if not grown or self._window > WINDOW_BYTES_MAX:
                raise Http2Error(FLOW_CONTROL_ERROR, "a window out of bounds")
            self._send_blocked()
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            self._expect_ended(stream_id)
            return
        stream.window += grown
        if not grown or stream.window > WINDOW_BYTES_MAX:
            raise Http2Error(FLOW_CONTROL_ERROR, "a window out of bounds")
        if stream.pending:
            self._send_pending(stream)

    def _send_blocked(self) -> None:
        for stream in list(self._blocked):
            self._send_pending(stream)

    def _send_pending(self, stream: Stream) -> None:
        data = stream.pending
        while data:
            size = min(len(data), stream.window, self._window, self._frame_bytes)
            if size <= 0:
                break
            stream.window -= size
            self._window -= size
            end = stream.pending_end and size == len(data)
            self._send(frame(DATA, END_STREAM if end else 0, stream.id, data[:size]))
            data = data[size:]
        stream.pending = data
        if data:
            self._blocked[stream] = None
            return
        self._blocked.pop(stream, None)
        if stream.pending_end:
            self._said_all(stream)

    # Out

    def _go_away(self, code: int, text: str = "") -> None:
        last_id = 0 if self.is_client else self._last_id
        self._send(frame(GOAWAY, 0, 0, _TWO_WORDS.pack(last_id, code) + text.encode()))

    def _send(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        out = self._out
        if out and self.transport is not None:
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()


def _unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error(PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]


def _word(payload: bytes) -> int:
    if len(payload) != _WORD.size:
        raise Http2Error(FRAME_SIZE_ERROR, "a frame of the wrong size")
    return cast(int, _WORD.unpack(payload)[0])
