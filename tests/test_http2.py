"""HTTP/2 between gateway and provider, against the `h2` library and against itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import given
from hypothesis import strategies as st

from muster.testbed.wire import http2
from muster.testbed.wire.http2 import Connection, Stream, frame
from muster.testbed.wire.http2_headers import decoded, encoded

ASK = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/v1/chat/completions"),
    (b":authority", b"x"),
)
OK = ((b":status", b"200"), (b"content-type", b"text/plain"))


class Transport:
    """Keeps what is written, for the other side to be given."""

    def __init__(self) -> None:
        self.out = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.out += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def taken(self) -> bytes:
        out, self.out = self.out, b""
        return out


class Told(Stream):
    """A stream that keeps what it is told; `reply` is called once the question is whole."""

    def __init__(self, reply: Callable[[Told], None] | None = None) -> None:
        super().__init__()
        self.reply = reply
        self.fields: list[Any] = []
        self.body = b""
        self.over: object = None

    def on_headers(self, fields: Any, ended: bool) -> None:
        assert self.over is None
        self.fields.append(fields)
        self._ended(ended)

    def on_data(self, data: bytes, ended: bool) -> None:
        assert self.over is None
        self.body += data
        self._ended(ended)

    def on_reset(self, code: int) -> None:
        assert self.over is None
        self.over = code

    def on_lost(self) -> None:
        assert self.over is None
        self.over = "lost"

    def _ended(self, ended: bool) -> None:
        if ended:
            if self.reply is None:
                self.over = "ended"
            else:
                self.reply(self)


class Server(Connection):
    """Answers every question with its own body, or as `reply` says."""

    def __init__(self, reply: Callable[[Told], None] | None = None, **settings: int) -> None:
        numbers = {http2.MAX_CONCURRENT_STREAMS: settings.get("streams_max", 100)}
        super().__init__(client=False, settings=numbers)
        self.reply = reply or self.echo
        self.seen: list[Told] = []

    def accept(self) -> Stream:
        stream = Told(self.reply)
        self.seen.append(stream)
        return stream

    def echo(self, stream: Told) -> None:
        self.send_headers(stream, OK)
        self.send_data(stream, stream.body, end=True)


def client() -> Connection:
    return Connection(client=True, settings={http2.ENABLE_PUSH: 0})


def connected(connection: Connection) -> Transport:
    transport = Transport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    return transport


async def settled() -> None:
    """Everything that was to be called soon has been."""
    for _ in range(3):
        await asyncio.sleep(0)


class Peer:
    """The `h2` library at the other end of `connection`."""

    def __init__(self, connection: Connection, **settings: int) -> None:
        self.connection = connection
        self.transport = connected(connection)
        config = h2.config.H2Configuration(
            client_side=not connection.is_client, header_encoding=None
        )
        self.h2 = h2.connection.H2Connection(config)
        codes = h2.settings.SettingCodes
        self.h2.local_settings = h2.settings.Settings(
            client=not connection.is_client,
            initial_values={codes[name.upper()]: value for name, value in settings.items()},
        )
        self.h2.initiate_connection()

    async def talk(self) -> list[h2.events.Event]:
        """Carry bytes both ways until neither has more; what the library heard."""
        events: list[h2.events.Event] = []
        while True:
            await settled()
            there, back = self.transport.taken(), self.h2.data_to_send()
            if there:
                events += self.h2.receive_data(there)
            if back:
                self.connection.data_received(back)
            if not there and not back:
                return events


def of(events: list[h2.events.Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def run(test: Callable[[], Any]) -> None:
    asyncio.run(test())


# Against the h2 library


def test_a_request_and_its_answer_pass_to_another_implementation() -> None:
    """Headers, body, answer, and trailers; no stream is left on either side."""

    async def test() -> None:
        ours = client()
        peer = Peer(ours)
        stream = Told()
        ours.begin(stream, ASK)
        ours.send_data(stream, b"question", end=True)
        events = await peer.talk()
        assert tuple(of(events, h2.events.RequestReceived)[0].headers) == ASK
        assert of(events, h2.events.DataReceived)[0].data == b"question"
        peer.h2.send_headers(1, [(b":status", b"103")])
        peer.h2.send_headers(1, list(OK))
        peer.h2.send_data(1, b"ans", pad_length=7)
        peer.h2.send_data(1, b"wer", pad_length=0)
        peer.h2.send_headers(1, [(b"x-checked", b"yes")], end_stream=True)
        await peer.talk()
        assert [dict(fields) for fields in stream.fields] == [
            {b":status": b"103"},
            dict(OK),
            {b"x-checked": b"yes"},
        ]
        assert (stream.body, stream.over) == (b"answer", "ended")
        assert not ours.streams

    run(test)


def test_a_server_answers_another_implementation() -> None:
    """Many streams at once on one connection, each with its own body, some with padding."""

    async def test() -> None:
        ours = Server()
        peer = Peer(ours)
        await peer.talk()
        for number in range(50):
            stream_id = 1 + 2 * number
            peer.h2.send_headers(stream_id, [*ASK, (b"x-number", b"%d" % number)])
            padding = {"pad_length": 9} if number % 2 else {}
            peer.h2.send_data(stream_id, b"%d" % number, end_stream=True, **padding)
        events = await peer.talk()
        bodies = {event.stream_id: event.data for event in of(events, h2.events.DataReceived)}
        assert bodies == {1 + 2 * number: b"%d" % number for number in range(50)}
        assert len(of(events, h2.events.StreamEnded)) == 50
        numbers = [dict(stream.fields[0])[b"x-number"] for stream in ours.seen]
        assert numbers == [b"%d" % number for number in range(50)]
        assert not ours.streams

    run(test)


@pytest.mark.parametrize("sending", ["client", "server"])
def test_no_more_is_sent_than_the_peer_takes(sending: str) -> None:
    """A small window is filled, waited for, and used again; the library would refuse more."""

    async def test() -> None:
        body = bytes(range(256)) * 40
        ours: Connection
        if sending == "client":
            ours = client()
            peer = Peer(ours, initial_window_size=1000)
            await peer.talk()
            stream = Told()
            ours.begin(stream, ASK)
            ours.send_data(stream, body[:100])
            ours.send_data(stream, body[100:], end=True)
        else:
            ours = Server(lambda told: ours.send_headers(told, OK))
            peer = Peer(ours, initial_window_size=1000)
            await peer.talk()
            peer.h2.send_headers(1, list(ASK), end_stream=True)
            await peer.talk()
            stream = ours.seen[0]
            ours.send_data(stream, body, end=True)
        got = b""
        ended = False
        for _ in range(100):
            events = await peer.talk()
            for event in of(events, h2.events.DataReceived):
                got += event.data
                assert len(event.data) <= 1000
                peer.h2.acknowledge_received_data(event.flow_controlled_length, 1)
            ended = ended or bool(of(events, h2.events.StreamEnded))
            if ended:
                break
        assert ended
        assert got == body

    run(test)


def test_a_window_that_shrinks_holds_what_is_under_way() -> None:
    """New settings change the windows of open streams, below zero too; then nothing is sent."""

    async def test() -> None:
        ours = client()
        peer = Peer(ours)
        await peer.talk()
        stream = Told()
        ours.begin(stream, ASK)
        ours.send_data(stream, b"x" * 5000)
        await peer.talk()
        peer.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 100})
        await peer.talk()
        assert stream.window == 100 - 5000
        ours.send_data(stream, b"y", end=True)
        assert not of(await peer.talk(), h2.events.DataReceived)
        peer.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 6000})
        assert of(await peer.talk(), h2.events.DataReceived)[0].data == b"y"

    run(test)


def test_who_pauses_is_sent_one_window_and_no_more() -> None:
    """The other streams of the connection go on; after the pause so does it."""

    async def test() -> None:
        ours = client()
        peer = Peer(ours)
        slow, quick = Told(), Told()
        for stream in (slow, quick):
            ours.begin(stream, ASK)
            ours.send_data(stream, b"", end=True)
        await peer.talk()
        ours.pause(slow)
        for stream_id in (1, 3):
            peer.h2.send_headers(stream_id, list(OK))
        sent = {1: 0, 3: 0}
        for _ in range(100):
            for stream_id in sent:
                size = min(peer.h2.local_flow_control_window(stream_id), 16_384)
                if size:
                    peer.h2.send_data(stream_id, b"z" * size)
                    sent[stream_id] += size
            await peer.talk()
        assert sent[1] == http2.WINDOW_BYTES
        assert sent[3] > 10 * http2.WINDOW_BYTES
        assert len(slow.body) == sent[1]
        ours.resume(slow)
        await peer.talk()
        assert peer.h2.local_flow_control_window(1) == http2.WINDOW_BYTES
        peer.h2.send_data(1, b"!", end_stream=True)
        await peer.talk()
        assert slow.over == "ended"

    run(test)


def test_a_stream_that_is_given_up_is_reset_and_hears_nothing_more() -> None:
    """What is still under way for it is passed over, and the connection lives on."""

    async def test() -> None:
        ours = client()
        peer = Peer(ours)
        stream, other = Told(), Told()
        for one in (stream, other):
            ours.begin(one, ASK)
            ours.send_data(one, b"", end=True)
        await peer.talk()
        peer.h2.send_headers(1, list(OK))
        peer.h2.send_data(1, b"late")
        late = peer.h2.data_to_send()
        ours.give_up(stream)
        ours.data_received(late)
        reset = of(await peer.talk(), h2.events.StreamReset)[0]
        assert (reset.stream_id, reset.error_code) == (1, h2.errors.ErrorCodes.CANCEL)
        assert (stream.fields, stream.body, stream.over) == ([], b"", None)
        peer.h2.send_headers(3, list(OK), end_stream=True)
        await peer.talk()
        assert other.over == "ended"

    run(test)


def test_streams_beyond_the_limit_are_refused() -> None:
    """As many as were said to be taken; the next one is told so and may be sent elsewhere."""

    async def test() -> None:
        ours = Server(lambda told: None, streams_max=2)
        peer = Peer(ours)
        await peer.talk()
        peer.h2.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 10
        peer.h2.remote_settings.acknowledge()
        for stream_id in (1, 3, 5):
            peer.h2.send_headers(stream_id, list(ASK), end_stream=True)
        reset = of(await peer.talk(), h2.events.StreamReset)
        assert [(one.stream_id, one.error_code) for one in reset] == [
            (5, h2.errors.ErrorCodes.REFUSED_STREAM)
        ]

    run(test)


def test_a_peer_that_goes_away_refuses_what_it_has_not_seen() -> None:
    """Streams after the last one it names are refused; earlier ones go on; no new ones begin."""

    async def test() -> None:
        ours = client()
        peer = Peer(ours)
        streams = [Told() for _ in range(3)]
        for stream in streams:
            ours.begin(stream, ASK)
            ours.send_data(stream, b"", end=True)
        await peer.talk()
        assert ours.has_room
        peer.h2.close_connection(last_stream_id=3)
        ours.data_received(peer.h2.data_to_send())
        assert [stream.over for stream in streams] == [None, None, http2.REFUSED_STREAM]
        assert not ours.has_room

    run(test)


def test_an_answer_before_the_end_of_the_question_ends_it() -> None:
    """The client stops asking: the rest of its body stays unsent."""

    async def test() -> None:
        ours = client()
        peer = Peer(ours)
        stream = Told()
        ours.begin(stream, ASK)
        ours.send_data(stream, b"part")
        await peer.talk()
        peer.h2.send_headers(1, [(b":status", b"413")], end_stream=True)
        reset = of(await peer.talk(), h2.events.StreamReset)
        assert [one.error_code for one in reset] == [h2.errors.ErrorCodes.NO_ERROR]
        assert stream.over == "ended"
        assert not ours.streams

    run(test)


def test_a_lost_connection_tells_every_stream_once() -> None:
    """And nothing is written to it after."""

    async def test() -> None:
        ours = client()
        connected(ours)
        streams = [Told() for _ in range(3)]
        for stream in streams:
            ours.begin(stream, ASK)
        ours.connection_lost(None)
        ours.connection_lost(None)
        assert [stream.over for stream in streams] == ["lost"] * 3
        await settled()

    run(test)


def test_a_ping_is_answered_and_asked() -> None:
    """Either end learns that the other is there."""

    async def test() -> None:
        ours = client()
        peer = Peer(ours)
        await peer.talk()
        peer.h2.ping(b"12345678")
        assert of(await peer.talk(), h2.events.PingAckReceived)
        ours.silent_s = 9
        ours.ping()
        await peer.talk()
        assert ours.silent_s == 0

    run(test)


def test_a_peer_that_wants_no_table_of_headers_gets_none() -> None:
    """The library checks that a smaller table is announced before it is used."""

    async def test() -> None:
        ours = client()
        peer = Peer(ours, header_table_size=0)
        await peer.talk()
        for _ in range(2):
            stream = Told()
            ours.begin(stream, ASK)
            ours.send_data(stream, b"", end=True)
        events = await peer.talk()
        assert [tuple(one.headers) for one in of(events, h2.events.RequestReceived)] == [ASK] * 2

    run(test)


def test_headers_may_come_in_pieces() -> None:
    """A block larger than a frame is continued."""

    async def test() -> None:
        ours = Server(lambda told: None)
        peer = Peer(ours)
        await peer.talk()
        long = (b"x-long", b"%20" * 12_000)
        peer.h2.send_headers(1, [*ASK, long], end_stream=True)
        await peer.talk()
        assert ours.seen[0].fields[0] == (*ASK, long)

    run(test)


# Against itself, however the bytes are cut


@given(
    bodies=st.lists(st.integers(0, 200_000), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 70_000), min_size=1, max_size=5),
)
def test_bodies_arrive_whole_however_the_bytes_are_cut(bodies: list[int], cuts: list[int]) -> None:
    """Every echo is what was said: frames, windows and pieces never lose or mix anything."""

    async def test() -> None:
        ours, theirs = client(), Server()
        here, there = connected(ours), connected(theirs)
        streams = []
        for number, size in enumerate(bodies):
            stream = Told()
            ours.begin(stream, ASK)
            ours.send_data(stream, bytes([65 + number]) * size, end=True)
            streams.append(stream)
        turn = _turns(cuts)
        while True:
            await settled()
            going, coming = here.taken(), there.taken()
            if not going and not coming:
                break
            for data, receiver in ((going, theirs), (coming, ours)):
                while data:
                    size = next(turn)
                    receiver.data_received(data[:size])
                    data = data[size:]
        for number, (stream, size) in enumerate(zip(streams, bodies, strict=True)):
            assert stream.body == bytes([65 + number]) * size
            assert stream.over == "ended"
        assert not ours.streams
        assert not theirs.streams

    run(test)


def _turns(sizes: list[int]) -> Iterator[int]:
    while True:
        yield from sizes


# What breaks the protocol

SETTINGS = frame(http2.SETTINGS, 0, 0)
BEGUN = frame(http2.HEADERS, http2.END_HEADERS, 1, encoded(ASK))
GREETING = http2.PREFACE + SETTINGS


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n........", http2.PROTOCOL_ERROR),
        (GREETING + frame(http2.DATA, 0, 1, b"x"), http2.PROTOCOL_ERROR),
        (GREETING + frame(http2.DATA, 0, 0, b"x"), http2.PROTOCOL_ERROR),
        (GREETING + frame(http2.HEADERS, 4, 2, encoded(ASK)), http2.PROTOCOL_ERROR),
        (GREETING + frame(http2.HEADERS, 4, 0, encoded(ASK)), http2.PROTOCOL_ERROR),
        (GREETING + frame(http2.HEADERS, 4, 1, b"\xff\xff\xff"), http2.COMPRESSION_ERROR),
        (GREETING + frame(http2.HEADERS, 0, 1, encoded(ASK)) + SETTINGS, http2.PROTOCOL_ERROR),
        (
            GREETING + frame(http2.HEADERS, 0, 1, b"\x88") + frame(http2.DATA, 0, 1, b"x"),
            http2.PROTOCOL_ERROR,
        ),
        (
            GREETING
            + frame(http2.HEADERS, 0, 1)
            + frame(http2.CONTINUATION, 0, 1, b"x" * 16_000) * 5,
            http2.PROTOCOL_ERROR,
        ),
        (GREETING + frame(http2.CONTINUATION, 4, 1, b"x"), http2.PROTOCOL_ERROR),
        (GREETING + BEGUN + frame(http2.DATA, 8, 1, b"\x05abc"), http2.PROTOCOL_ERROR),
        (GREETING + BEGUN + frame(http2.DATA, 8, 1, b""), http2.PROTOCOL_ERROR),
        (GREETING + frame(http2.RST_STREAM, 0, 1, b"1234"), http2.PROTOCOL_ERROR),
        (GREETING + BEGUN + frame(http2.RST_STREAM, 0, 1, b"1"), http2.FRAME_SIZE_ERROR),
        (GREETING + frame(http2.PUSH_PROMISE, 0, 1, b"1234"), http2.PROTOCOL_ERROR),
        (GREETING + frame(http2.PING, 0, 0, b"1"), http2.FRAME_SIZE_ERROR),
        (GREETING + frame(http2.GOAWAY, 0, 0, b"1"), http2.FRAME_SIZE_ERROR),
        (GREETING + frame(http2.SETTINGS, 0, 0, b"1"), http2.FRAME_SIZE_ERROR),
        (GREETING + frame(4, 0, 0, b"\0\5\0\0\0\1"), http2.PROTOCOL_ERROR),
        (GREETING + frame(4, 0, 0, b"\0\4\xff\0\0\0"), http2.FLOW_CONTROL_ERROR),
        (GREETING + frame(http2.WINDOW_UPDATE, 0, 0, b"\0\0\0\0"), http2.FLOW_CONTROL_ERROR),
        (GREETING + frame(8, 0, 0, b"\x7f\xff\xff\xff"), http2.FLOW_CONTROL_ERROR),
        (GREETING + BEGUN + frame(8, 0, 1, b"\0\0\0\0"), http2.FLOW_CONTROL_ERROR),
        (GREETING + frame(http2.WINDOW_UPDATE, 0, 9, b"\0\0\0\1"), http2.PROTOCOL_ERROR),
        (GREETING + b"\x01\0\0\0\0\0\0\0\1", http2.FRAME_SIZE_ERROR),
        (GREETING + BEGUN + frame(0, 0, 1, b"x" * 16_384) * 5, None),
    ],
)
def test_what_breaks_the_protocol_ends_the_connection(data: bytes, code: int | None) -> None:
    """GOAWAY says why, the streams are told, and what still comes is not looked at."""

    async def test() -> None:
        ours = Server(lambda told: None)
        transport = connected(ours)
        ours.data_received(data)
        await settled()
        out = transport.taken()
        if code is None:
            assert not transport.closed
            return
        assert transport.closed
        said = out[out.rfind(bytes([http2.GOAWAY, 0, 0, 0, 0, 0])) + 6 :]
        assert int.from_bytes(said[4:8]) == code
        assert all(stream.over == "lost" for stream in ours.seen)
        ours.data_received(b"more")

    run(test)


def test_more_than_was_granted_ends_the_connection() -> None:
    """A stream that is paused and goes on all the same breaks its window."""

    async def test() -> None:
        ours = Server(lambda told: None)
        transport = connected(ours)
        ours.data_received(GREETING + BEGUN)
        ours.pause(ours.seen[0])
        for _ in range(3):
            ours.data_received(frame(http2.DATA, 0, 1, b"x" * 16_384))
        assert not transport.closed
        for _ in range(2):
            ours.data_received(frame(http2.DATA, 0, 1, b"x" * 16_384))
        assert transport.closed
        assert ours.seen[0].over == "lost"

    run(test)


def test_the_whole_connections_window_is_kept_and_granted() -> None:
    """Half of it used, and it is granted anew."""

    async def test() -> None:
        ours = Server(lambda told: None)
        transport = connected(ours)
        ours.data_received(GREETING)
        transport.taken()
        piece = b"x" * 16_384
        for number in range(600):
            stream_id = 1 + 2 * number
            ours.data_received(frame(http2.HEADERS, 4, stream_id, encoded(ASK)))
            ours.data_received(frame(http2.DATA, 0, stream_id, piece))
            ours.data_received(frame(http2.RST_STREAM, 0, stream_id, b"\0\0\0\x08"))
        await settled()
        assert not transport.closed
        grants = transport.taken().count(bytes([0, 0, 4, http2.WINDOW_UPDATE, 0, 0, 0, 0, 0]))
        assert grants == 1

    run(test)


# Headers


def test_blocks_that_depend_on_a_table_are_never_taken_from_memory() -> None:
    """The same bytes mean other headers on another connection; both are read by their own."""
    blocks = []
    for value in (b"one", b"two"):
        encoder, decoder = Encoder(), Decoder()
        first = encoder.encode([(b"x-value", value)])
        again = encoder.encode([(b"x-value", value)])
        assert decoded(first, decoder) == decoded(again, decoder) == ((b"x-value", value),)
        blocks.append(again)
    assert blocks[0] == blocks[1], "or this shows nothing"


def test_a_change_of_the_table_is_never_taken_from_memory() -> None:
    """A block that begins with it must reach the connection's own decoder each time."""
    block = http2.TABLE_OF_NOTHING + encoded(OK)
    for _ in range(2):
        decoder = Decoder()
        assert decoded(block, decoder) == OK
        assert decoder.header_table_size == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b":status", b"content-type", b"x-own", b"cache-control"]),
            st.binary(max_size=30),
        ),
        max_size=6,
    ).map(tuple)
)
def test_what_is_said_is_what_is_read(fields: Any) -> None:
    """By a fresh decoder, by one that has seen much, and from memory."""
    block = encoded(fields)
    seasoned = Decoder()
    seasoned.decode(Encoder().encode([(b"x-other", b"1")]))
    assert decoded(block, Decoder()) == fields
    assert decoded(block, seasoned) == fields
    assert tuple(Decoder().decode(block, raw=True)) == fields


def test_headers_that_cannot_be_read_are_refused() -> None:
    """They raise, also the second time."""
    for _ in range(2):
        with pytest.raises(HPACKError):
            decoded(b"\xff\xff\xff", Decoder())
