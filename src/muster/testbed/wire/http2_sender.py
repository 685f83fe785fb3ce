"""The sending half of HTTP/2: streams, what is sent on them, and flow control both ways.

Frames are written once per round of the loop. What the peer does not accept yet waits.
"""

from __future__ import annotations

import asyncio
from typing import cast

from muster.testbed.wire.http2_frames import (
    CANCEL,
    CONNECTION_WINDOW_BYTES,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_BYTES_MAX,
    GOAWAY,
    HEAD,
    HEADERS,
    NO_ERROR,
    PING,
    PREFACE,
    RST_STREAM,
    SETTING,
    SETTINGS,
    STREAM_ID_MAX,
    STREAMS_ASSUMED,
    TWO_WORDS,
    WINDOW_BYTES,
    WINDOW_UPDATE,
    WORD,
    Http2Error,
    frame,
)
from muster.testbed.wire.http2_headers import Fields, encoded


class Stream:
    """One exchange. Subclasses handle its events; after its last call it is not called again.

    `on_data(data, True)`, `on_reset` and `on_lost` are last calls, as is `on_headers(…, True)` for
    a client.
    """

    __slots__ = ("ended", "heard", "id", "paused", "pending", "pending_end", "room", "window")

    def __init__(self) -> None:
        self.id = 0
        self.window = 0
        """Bytes that the peer still accepts."""
        self.room = WINDOW_BYTES
        """Bytes that the peer may still send."""
        self.paused = False
        self.pending = b""
        self.pending_end = False
        self.ended = False
        """Whether this side has ended its half."""
        self.heard = False
        """Whether the peer has ended its half."""

    def on_headers(self, fields: Fields, ended: bool) -> None:
        """Headers arrived."""
        raise NotImplementedError

    def on_data(self, data: bytes, ended: bool) -> None:
        """A piece of the body arrived."""
        raise NotImplementedError

    def on_reset(self, code: int) -> None:
        """The peer reset the stream."""
        raise NotImplementedError

    def on_lost(self) -> None:
        """The connection is gone."""
        raise NotImplementedError


class Sender(asyncio.Protocol):
    """What one end sends on a connection, and how much of it the other end accepts."""

    __slots__ = (
        "_blocked",
        "_frame_bytes",
        "_last_id",
        "_loop",
        "_out",
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
        """Whether no new streams may begin, because one of the two sides ends the connection."""
        self.silent_s = 0
        """Seconds of silence: the owner's sweep counts it up, and anything that arrives
        resets it.
        """
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._last_id = -1 if client else 0
        self._room = CONNECTION_WINDOW_BYTES
        self._window = WINDOW_BYTES
        self._window_first = WINDOW_BYTES
        self._frame_bytes = FRAME_BYTES_MAX
        self._blocked: dict[Stream, None] = {}
        self._out: list[bytes] = []
        self._resized = b""

    # Sending

    def begin(self, stream: Stream, fields: Fields) -> None:
        """Send a request: open `stream`. Only for clients, and only while `has_room`."""
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
        """Send headers; they must fit into one frame."""
        flags = END_HEADERS | (END_STREAM if end else 0)
        self._send(frame(HEADERS, flags, stream.id, self._resized + encoded(fields)))
        self._resized = b""
        if end:
            self._said_all(stream)

    def send_data(self, stream: Stream, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the body, as soon as the peer accepts it."""
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
            HEAD.pack(size >> 16, size & 0xFFFF, DATA, END_STREAM if end else 0, stream.id) + data
        )
        if end:
            self._said_all(stream)

    def give_up(self, stream: Stream, code: int = CANCEL) -> None:
        """Reset `stream`: nothing more of it is needed, and it is not called again."""
        if self._drop(stream.id) is not None:
            self._send(frame(RST_STREAM, 0, stream.id, WORD.pack(code)))

    def pause(self, stream: Stream) -> None:
        """Grant `stream` no more bytes than it has."""
        stream.paused = True

    def resume(self, stream: Stream) -> None:
        """Grant `stream` what was withheld meanwhile."""
        stream.paused = False
        if stream.id in self.streams:
            self._grant(stream)

    def ping(self) -> None:
        """Send a ping, to see whether the peer is still there."""
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
        payload = b"".join(SETTING.pack(*setting) for setting in self._settings.items())
        self._send((PREFACE if self.is_client else b"") + frame(SETTINGS, 0, 0, payload))
        grown = CONNECTION_WINDOW_BYTES - WINDOW_BYTES
        self._send(frame(WINDOW_UPDATE, 0, 0, WORD.pack(grown)))
        self._flush()

    # Flow control

    def _grant(self, stream: Stream) -> None:
        if stream.room < 0:
            raise Http2Error(FLOW_CONTROL_ERROR, "more than was granted")
        used = WINDOW_BYTES - stream.room
        if used >= WINDOW_BYTES // 2 and not stream.paused:
            stream.room = WINDOW_BYTES
            self._send(frame(WINDOW_UPDATE, 0, stream.id, WORD.pack(used)))

    def _grant_connection(self) -> None:
        if self._room < 0:
            raise Http2Error(FLOW_CONTROL_ERROR, "more than was granted")
        used = CONNECTION_WINDOW_BYTES - self._room
        if used >= CONNECTION_WINDOW_BYTES // 2:
            self._room = CONNECTION_WINDOW_BYTES
            self._send(frame(WINDOW_UPDATE, 0, 0, WORD.pack(used)))

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

    # The end of what this side sends

    def _said_all(self, stream: Stream) -> None:
        stream.ended = True
        if not self.is_client:
            self._answered(stream)

    def _answered(self, stream: Stream) -> None:
        """A complete answer ends the exchange, even if the request has no end yet."""
        if stream.heard and stream.ended:
            self._drop(stream.id)
        else:
            self.give_up(stream, NO_ERROR)

    def _drop(self, stream_id: int) -> Stream | None:
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self._blocked.pop(stream, None)
        return stream

    # Output

    def _go_away(self, code: int, text: str = "") -> None:
        last_id = 0 if self.is_client else self._last_id
        self._send(frame(GOAWAY, 0, 0, TWO_WORDS.pack(last_id, code) + text.encode()))

    def _send(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        out = self._out
        if out and self.transport is not None:
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()
