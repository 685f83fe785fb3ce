"""What is missing of a stream that broke off: every token once, and none that nobody asked for."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.testbed.gateway.continued import rest_of, without_role
from muster.testbed.provider.text import DONE, StreamText
from muster.testbed.wire.openai import ChatRequest


def body(tokens, **more):
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}], **more}
    return orjson.dumps({**asked, "max_tokens": tokens})


@given(st.lists(st.integers(1, 40), min_size=1), st.integers(1, 200))
def test_what_came_and_what_is_asked_for_are_the_whole(chunks, missing):
    """In however many pieces it came; the client's own words stay before what was said."""
    asked = body(sum(chunks) + missing)
    text = StreamText(ChatRequest(asked), "s")
    rest = rest_of(asked, [text.role(), *map(text.content, chunks)])
    assert rest is not None
    assert ChatRequest(rest).tokens == missing
    user, said = orjson.loads(rest)["messages"]
    assert user == {"role": "user", "content": "hi"}
    assert (said["role"], len(said["content"].split())) == ("assistant", sum(chunks))


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_stream_that_broke_within_an_event_is_not_continued(cut):
    """Nobody knows what the client made of half an event."""
    text = StreamText(ChatRequest(body(9)), "s")
    assert rest_of(body(9), [text.role(), text.content(3)[:-cut]]) is None


def test_nothing_is_asked_for_where_nothing_is_missing():
    """Also where the answer is not in the form that is known, or the request."""
    text = StreamText(ChatRequest(body(3)), "s")
    assert rest_of(body(3), [text.role(), text.content(3)]) is None
    assert rest_of(body(9), [b'data: {"other":1}\n\n']) is None
    assert rest_of(b"{", [text.role()]) is None
    assert rest_of(body(9), []) is None


def test_the_newer_name_of_the_limit_does_not_stay_beside_the_older():
    """A provider takes the newer one first."""
    asked = body(3, max_completion_tokens=9)
    text = StreamText(ChatRequest(asked), "s")
    rest = rest_of(asked, [text.content(2)])
    assert rest is not None
    assert ChatRequest(rest).tokens == 7


def test_who_speaks_is_said_once():
    """The first event of the further answer is left out if it has nothing else."""
    text = StreamText(ChatRequest(body(3)), "s")
    assert without_role(text.role() + text.content(1)) == text.content(1)
    for whole in (text.content(1) + text.content(2), DONE, b""):
        assert without_role(whole) == whole
