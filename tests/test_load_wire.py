"""Answers read by hand, however their bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from load_peers import DONE, END, EVENT, HEAD, ROLE, STREAM, chunk, plain

from muster.load.wire import Answer, WireError

COMMENT = b': "content":"x"\n\n'


def flags(answer):
    return (answer.status, answer.content, answer.done, answer.complete, answer.keep_alive)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_reads_the_same_wherever_it_is_cut(cuts):
    """TCP keeps no borders: heads, sizes, events and line ends come in any pieces."""
    answer = Answer()
    places = sorted({0, len(STREAM), *cuts})
    for start, end in pairwise(places):
        answer.feed(STREAM[start:end])
    assert flags(answer) == (200, True, True, True, True)


@given(body=st.binary(max_size=300), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_no_body_confuses_the_framing(body, sizes):
    """Whatever the chunks hold, the message ends at its last chunk."""
    data = bytearray(HEAD)
    at = 0
    for size in sizes:
        piece = body[at : at + size]
        at += size
        if piece:
            data += chunk(piece)
    data += END
    answer = Answer()
    for octet in data:
        assert not answer.complete
        answer.feed(bytes([octet]))
    assert answer.complete


def test_events_that_come_one_a_read_end_where_any_others_do():
    """Plain chunks tell nothing new; the one with [DONE], or a cut one, is read in full."""
    for last in (DONE, EVENT + DONE):
        answer = Answer()
        assert answer.feed(HEAD + chunk(EVENT))
        assert not answer.feed(chunk(EVENT))
        assert answer.feed(chunk(EVENT)[:-5])
        assert answer.feed(chunk(EVENT)[-5:])
        assert not answer.feed(chunk(EVENT))
        answer.feed(chunk(last))
        answer.feed(END)
        assert flags(answer) == (200, True, True, True, True)


def told(reads):
    """The flags after `reads`, and whether one of them was refused."""
    answer = Answer()
    try:
        for data in reads:
            answer.feed(data)
    except WireError:
        return flags(answer), True
    return flags(answer), False


PIECES = (
    chunk(EVENT),
    chunk(EVENT + EVENT),
    chunk(EVENT)[:-5],
    chunk(EVENT)[-5:],
    chunk(EVENT[:-3]),
    chunk(COMMENT),
    chunk(DONE),
    chunk(EVENT) + END,
    chunk(EVENT + DONE) + END,
    chunk(EVENT + DONE) + END + b"x",
    chunk(b"data: [DO"),
    chunk(b"NE]\n\n"),
    END,
    END[:3],
    END[3:],
)


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=8))
def test_what_can_be_passed_over_tells_the_same_octet_by_octet(pieces):
    """The short ways for a plain chunk and for the last one say what the long way says."""
    reads = [HEAD + chunk(ROLE + EVENT), *pieces]
    assert told(reads) == told([bytes([octet]) for octet in b"".join(reads)])


def test_only_a_data_event_with_content_is_a_first_token():
    """A comment and an empty role event are no first stream byte."""
    answer = Answer()
    answer.feed(HEAD + chunk(COMMENT) + chunk(ROLE))
    assert not answer.content
    answer.feed(chunk(EVENT))
    assert answer.content


def test_done_counts_at_the_start_of_a_line_alone():
    """The text [DONE] inside a content is no end."""
    answer = Answer()
    answer.feed(HEAD + chunk(EVENT))
    answer.feed(chunk(b'data: {"choices":[{"delta":{"content":"data: [DONE]"}}]}\n\n') + END)
    assert answer.complete
    assert not answer.done


def test_a_body_without_length_lasts_until_the_peer_closes():
    """HTTP/1.0 and Connection: close: whole at the end of the connection, which is not kept."""
    answer = Answer()
    answer.feed(b"HTTP/1.0 200 OK\r\n\r\n" + EVENT + DONE)
    assert answer.done
    assert not answer.complete
    answer.eof()
    assert flags(answer) == (200, True, True, True, False)


def test_an_answer_with_a_length_ends_there():
    """Content-Length, and Connection: close as it is said."""
    answer = Answer()
    answer.feed(plain(503, b"no", "Connection: close\r\n"))
    assert flags(answer) == (503, False, False, True, False)
    assert answer.body == b"no"


def test_an_early_end_is_no_end():
    """A peer that closes inside a chunk, or short of its length, did not finish."""
    for data in (HEAD + chunk(EVENT), plain(200)[:-1], b"HTTP/1.1 200"):
        answer = Answer()
        answer.feed(data)
        answer.eof()
        assert not answer.complete


def test_an_interim_answer_is_passed_over():
    """100 Continue is not the answer."""
    answer = Answer()
    answer.feed(b"HTTP/1.1 100 Continue\r\n\r\n" + plain(429))
    assert answer.status == 429


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        HEAD + b"xyz\r\n",
        HEAD + b"-5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        plain(200) + b"more",
        STREAM + b"more",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
def test_what_is_no_answer_is_refused(data):
    """Bytes that do not follow HTTP/1.x never count as anything."""
    with pytest.raises(WireError):
        Answer().feed(data)
