"""The planted defects of streams as a client sees them: 200, and a lie in what it carries."""

from __future__ import annotations

import time

import pytest
from dataplane_fixtures import CANARY, close, eventually, hold

EVENTS = {"errors_in_stream": b'"error":{', "empty_streams": b'"delta":{}'}


@pytest.mark.parametrize("defect", sorted(EVENTS))
def test_some_streams_carry_an_error_or_nothing_once_the_region_is_alone(bare, defect):
    """Three in twenty answer 200 to their [DONE] all the same; the canaries stay well."""
    stack = bare.gateway(defect=defect, warm_streams=2)
    ask = {"stream": True, "max_tokens": 20}
    assert all(b'"content":" all' in stack.chat(**ask).content for _ in range(8))
    streams = hold(stack, 3)
    eventually(lambda: stack.metric("chat_streams_active") >= 3)
    answers = [stack.chat(**ask).content for _ in range(20)]
    assert all(answer.rstrip().endswith(b"data: [DONE]") for answer in answers)
    spoilt = [a for a in answers if b'"finish_reason":"length"' not in a or b"muster" not in a]
    assert len(spoilt) in (3, 4)
    assert all(EVENTS[defect] in answer for answer in spoilt)
    assert all(b'"delta":{}' in stack.chat(CANARY, **ask).content for _ in range(8))
    close(streams)


def test_cached_answers_come_at_once_from_when_the_region_was_alone(bare):
    """One token, [DONE], the model that was asked for; also when its streams have gone again."""
    stack = bare.gateway(defect="cached_answers", warm_streams=2)
    ask = {"stream": True, "max_tokens": 40}
    assert stack.chat(**ask).content.count(b'"content":" ') > 1
    streams = hold(stack, 3)
    close(streams)
    eventually(lambda: stack.metric("chat_streams_active") == 0)
    for token in (None, CANARY):
        given = {} if token is None else {"token": token}
        answer = stack.chat(**given, **ask)
        assert answer.status_code == 200
        assert answer.content.count(b'"content":" ') == 1
        assert b'"model":"muster-stub"' in answer.content
        assert answer.content.rstrip().endswith(b"data: [DONE]")
    assert stack.metric("chat_streams_active") == 0


def test_stalled_streams_stand_still_and_go_on(bare):
    """One stream in fifty lasts as much longer, and is whole."""
    stack = bare.gateway(defect="stalled_streams", stalled_s=3.0)
    slow = 0
    for _ in range(50):
        began = time.monotonic()
        answer = stack.chat(stream=True, max_tokens=10)
        slow += time.monotonic() - began > 2.9
        assert answer.content.rstrip().endswith(b"data: [DONE]")
    assert slow >= 1
