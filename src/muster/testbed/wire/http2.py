"""HTTP/2 on one connection (RFC 9113), either end, without TLS by prior knowledge (section 3.3).

Many streams share a connection, so that events that are due together leave, pass a proxy and arrive
in one piece: with one connection for each stream, waking up for each chunk costs more than the
chunk.

1. Frames are written once per round of the loop; a frame is read without copying what follows it.
2. Flow control works both ways: what may not be sent waits, and a paused receiver grants no more.
3. A peer that breaks the protocol gets a GOAWAY and the connection is closed. No push, no
   priorities, no upgrade from HTTP/1.1.
"""

from __future__ import annotations

from hpack import Decoder, HPACKError

from muster.testbed.wire.http2_frames import (
    ACK,
    BLOCK_BYTES_MAX,
    COMPRESSION_ERROR,
    CONNECTION_WINDOW_BYTES,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_BYTES_MAX,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEAD,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    PADDED,
    PING,
    PREFACE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTING,
    SETTINGS,
    STREAM_ID_MAX,
    STREAMS_ASSUMED,
    TABLE_OF_NOTHING,
    WINDOW_BYTES,
    WINDOW_BYTES_MAX,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    WORD,
    Http2Error,
    frame,
    unpadded,
    word,
)
from muster.testbed.wire.http2_headers import decoded
from muster.testbed.wire.http2_sender import Sender, Stream

__all__ = (
    "ACK",
    "COMPRESSION_ERROR",
    "CONTINUATION",
    "DATA",
    "ENABLE_PUSH",
    "END_HEADERS",
    "FLOW_CONTROL_ERROR",
    "FRAME_SIZE_ERROR",
    "GOAWAY",
    "HEADERS",
    "MAX_CONCURRENT_STREAMS",
    "PING",
    "PREFACE",
    "PROTOCOL_ERROR",
    "PUSH_PROMISE",
    "REFUSED_STREAM",
    "RST_STREAM",
    "SETTINGS",
    "STREAMS_ASSUMED",
    "TABLE_OF_NOTHING",
    "WINDOW_BYTES",
    "WINDOW_UPDATE",
    "Connection",
    "Stream",
    "frame",
)


class Connection(Sender):
    """Frames in and out, for both ends. A server overrides `accept`."""

    __slots__ = ("_block", "_decoder", "_ending", "_gone", "_part", "_preface")

    def __init__(self, *, client: bool, settings: dict[int, int]) -> None:
        """`settings` are this end's, by number (RFC 9113, section 6.5.2)."""
        super().__init__(client=client, settings=settings)
        self._decoder = Decoder()
        self._preface = b"" if client else PREFACE
        self._part = b""
        self._block: tuple[int, bool, bytes] | None = None
        self._ending = False
        self._gone = False

    # For subclasses

    def accept(self) -> Stream:
        """Return a server's own kind of stream for a request that begins."""
        raise Http2Error(PROTOCOL_ERROR, "a stream that nobody asked for")

    def on_settings(self) -> None:
        """The peer's settings have arrived."""

    def on_leaving(self) -> None:
        """No new streams may begin any more."""

    def on_closed(self) -> None:
        """The connection is gone; its streams have been told."""

    # asyncio

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
        """Handle every complete frame in `data`; returns where the first incomplete one begins."""
        position = self._read_preface(data) if self._preface else 0
        if position < 0:
            return 0
        size_all = len(data)
        streams = self.streams
        while size_all - position >= 9:
            high, low, kind, flags, stream_id = HEAD.unpack_from(data, position)
            size = high << 16 | low
            stream_id &= STREAM_ID_MAX
            if size > FRAME_BYTES_MAX:
                raise Http2Error(FRAME_SIZE_ERROR, "a frame larger than announced")
            start = position + 9
            end = start + size
            if end > size_all:
                break
            position = end
            if kind == DATA and self._block is None:
                # The hot path. Padding counts against the windows, too.
                payload = data[start:end]
                if flags & PADDED:
                    payload = unpadded(flags, payload)
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
                stream.on_data(payload, ended)
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
            payload = unpadded(flags, payload)
            if flags & WITH_PRIORITY:
                payload = payload[5:]
            self._headers(stream_id, bool(flags & END_STREAM), payload, flags)
        elif kind == CONTINUATION:
            if self._block is None:
                raise Http2Error(PROTOCOL_ERROR, "a continuation of nothing")
            _, ended, begun = self._block
            self._headers(stream_id, ended, begun + payload, flags)
        elif kind == RST_STREAM:
            code = word(payload)
            stream = self._drop(stream_id)
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
            self._left(word(payload[:4]) & STREAM_ID_MAX)
        elif kind == WINDOW_UPDATE:
            self._widen(stream_id, word(payload) & WINDOW_BYTES_MAX)
        elif kind == PUSH_PROMISE:
            raise Http2Error(PROTOCOL_ERROR, "a push")
        # Priorities and frames of unknown kinds are ignored (section 5.5).

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
            self._send(frame(RST_STREAM, 0, stream_id, WORD.pack(REFUSED_STREAM)))
            return None
        stream = self.accept()
        stream.id = stream_id
        stream.window = self._window_first
        self.streams[stream_id] = stream
        return stream

    def _expect_ended(self, stream_id: int) -> None:
        """A frame of a stream that has ended may still be under way; one of a stream that never
        began may not.
        """
        if not 0 < stream_id <= self._last_id:
            raise Http2Error(PROTOCOL_ERROR, "a frame of a stream that never began")

    def _heard_all(self, stream: Stream) -> None:
        stream.heard = True
        if self.is_client:
            self._answered(stream)

    def _take_settings(self, flags: int, payload: bytes) -> None:
        if flags & ACK:
            return
        if len(payload) % SETTING.size:
            raise Http2Error(FRAME_SIZE_ERROR, "settings of the wrong size")
        for number, value in SETTING.iter_unpack(payload):
            if number == HEADER_TABLE_SIZE:
                # The own table is always empty, which a peer that wants a smaller one must be told
                # (RFC 7541).
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
        """The peer ends the connection: it has not processed streams after `last_id`."""
        self.leaving = True
        if self.is_client:
            for stream in [one for one in self.streams.values() if one.id > last_id]:
                self._drop(stream.id)
                stream.on_reset(REFUSED_STREAM)
        self.on_leaving()

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
