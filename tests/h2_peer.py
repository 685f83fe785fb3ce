"""A provider made of the `h2` library, that does as a test says: a thread on a free port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

CONTENT = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
OK = [(":status", "200"), ("content-type", "text/event-stream")]


class Conversation:
    """One connection: `number` of them came before, `asked` are its requests so far."""

    def __init__(self, sock: socket.socket, number: int, streams_max: int) -> None:
        self.sock = sock
        self.number = number
        self.asked: list[int] = []
        config = h2.config.H2Configuration(client_side=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: streams_max},
        )
        self.h2.initiate_connection()

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def answer(self, stream_id: int, body: bytes = CONTENT + DONE) -> None:
        """A whole stream, at once."""
        self.h2.send_headers(stream_id, OK)
        self.h2.send_data(stream_id, body, end_stream=True)


def begin(conversation: Conversation, stream_id: int) -> None:
    """Answer with a first token, and leave the stream open."""
    conversation.h2.send_headers(stream_id, OK)
    conversation.h2.send_data(stream_id, CONTENT)
    conversation.flush()


class Peer:
    """What the server has seen."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.conversations: list[Conversation] = []
        self.resets: list[int] = []

    @property
    def address(self) -> list[object]:
        return ["127.0.0.1", self.port]


@contextmanager
def serving(
    behave: Callable[[Conversation, int], bool | None], streams_max: int = 100
) -> Iterator[Peer]:
    """Call `behave(conversation, stream_id)` for each whole request; True closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = Peer(server.getsockname()[1])
        threads: list[threading.Thread] = []

        def converse(conversation: Conversation) -> None:
            with conversation.sock, suppress(OSError, h2.exceptions.ProtocolError):
                conversation.flush()
                while data := conversation.sock.recv(65536):
                    for event in conversation.h2.receive_data(data):
                        if isinstance(event, h2.events.StreamReset):
                            peer.resets.append(event.stream_id)
                        if not isinstance(event, h2.events.StreamEnded):
                            continue
                        conversation.asked.append(event.stream_id)
                        if behave(conversation, event.stream_id):
                            return
                    conversation.flush()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    one = Conversation(sock, len(peer.conversations), streams_max)
                    peer.conversations.append(one)
                    thread = threading.Thread(target=converse, args=(one,), daemon=True)
                    threads.append(thread)
                    thread.start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield peer
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
            for conversation in peer.conversations:
                with suppress(OSError):
                    conversation.sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
