"""A name with several loopback addresses, resolved as in a drill; one answer names one address.

Source ports are per destination: 20,000 streams to one address leave too few to choose from.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dnslib import QTYPE, RR, A, DNSError, DNSRecord

NAME = "chat.muster.test"
ADDRESSES = tuple(f"127.0.0.{number}" for number in range(11, 19))
TTL_S = 3600


@contextmanager
def answering() -> Iterator[int]:
    """Answer on a free UDP port of 127.0.0.1, the addresses in turn; ended with the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        ended = threading.Event()
        thread = threading.Thread(target=_answer, args=(sock, ended), daemon=True)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            ended.set()
            sock.sendto(b"", sock.getsockname())
            thread.join(5)


def _answer(sock: socket.socket, ended: threading.Event) -> None:
    for address in itertools.cycle(ADDRESSES):
        data, client = sock.recvfrom(4096)
        if ended.is_set():
            return
        try:
            question = DNSRecord.parse(data)
        except DNSError:
            continue
        reply = question.reply()
        if str(question.q.qname).rstrip(".") == NAME and question.q.qtype == QTYPE.A:
            reply.add_answer(RR(question.q.qname, QTYPE.A, rdata=A(address), ttl=TTL_S))
        sock.sendto(reply.pack(), client)
