"""What a stream's events say: generated deltas, errors, ends, lengths; however they are written."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from load_peers import DONE, END, EVENT, HEAD, ROLE, chunk

from muster.load.attempt import outcome_of
from muster.load.canary import canary_outcome
from muster.load.events import LINE_BYTES_MAX, Events
from muster.load.lengths import is_short
from muster.load.wire import Answer

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":%d}}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"%b"}]}\n\n'
OUTER = '{"id":"c1","object":"chat.completion.chunk","model":"m","choices":[%s]}'


def event(delta: dict, **choice: object) -> bytes:
    """One event as a provider writes it."""
    inner = json.dumps({"index": 0, "delta": delta, "finish_reason": None, **choice})
    return f"data: {OUTER % inner}\n\n".encode()


def whole(*events: bytes) -> Answer:
    """A whole 200 answer with these events, each in a chunk of its own."""
    answer = Answer()
    answer.feed(HEAD)
    for one in events:
        answer.feed(chunk(one))
    answer.feed(END)
    return answer


ERRORS = [
    b'data: {"error":{"code":502}}\n\n',
    b'data: {"error": {"message": "quota exceeded", "code": 429}}\n\n',
    b'data:{"id":"1", "error" : "boom"}\n\n',
    b'data: {"error":{}}\n\n',
    b"event: error\ndata: boom\n\n",
    b"event:error\ndata: {}\n\n",
    b'error: {"code":500}\n\n',
    b'data: {"object":"error","message":"no","code":400}\n\n',
    b'data: {"type":"error","message":"no"}\n\n',
    b'data: {"choices":[{"delta":{"content":""},"finish_reason":"error"}]}\n\n',
    b'data: {"choices":[{"finish_reason" : "error","delta":{"content":"bye"}}]}\n\n',
    b'data: {"choices":[{"delta":{},"error":{"code":502}}]}\n\n',
    b'data: {"error": {"message": "cut in th\n\n',
    b'data: {"error":\ndata: {"code":502}}\n\n',
    b'data: {"error"\r\ndata: :{"code":502}}\r\n\r\n',
    b'data: [{"error":{"code":503}}]\n\n',
    b'data: {"choices":[{"delta":{"error":{"code":502}}}]}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"server_error"}]}\n\n',
    b'data: {"choices":[{"finish_reason":"ABORT","delta":{}}]}\n\n',
    b'data: {"detail":"upstream failed"}\n\n',
    b'data: {"errors":[{"message":"no"}]}\n\n',
    b'data: {"code":502,"message":"bad gateway"}\n\n',
    b'data: {"status":"failed","message":"no"}\n\n',
    b'data: {"object":"server_error","message":"no"}\n\n',
    b'data: {"type":"response.failed","response":{}}\n\n',
    b'data: {"response":{"error":{"code":503}}}\n\n',
    b"data: Internal Server Error\n\n",
    b"data: <html>502</html>\n\n",
    b'event: exception\ndata: {"message":"no"}\n\n',
    b"event: Error\r\ndata: {}\r\n\r\n",
    b'{"error":{"code":502}}\n\n',
    b'\r\n{"detail":"no"}',
    b"<html><body>502 Bad Gateway</body></html>\n\n",
    b"data: [ERROR] upstream timed out\n\n",
    b"data: [ERROR]\n\n",
    b"data: 502 Bad Gateway\n\n",
    b'data: "upstream error: connection reset"\n\n',
    b'data: {"message":"Internal server error"}\n\n',
    b'data: {"error_code":336003,"error_msg":"overloaded"}\n\n',
    b'data: {"error_type":"generation","message":"no"}\n\n',
    b'data: {"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}\n\n',
    b'data: {"choices":null,"base_resp":{"status_code":1008}}\n\n',
    b'data: {"choices":[],"base_resp":{"status_code":1008}}\n\n',
    b'data: {"code":"InternalError.Timeout","message":"timed out"}\n\n',
    b'data: {"code":"503"}\n\n',
    b'data: {"code":-1,"msg":"no"}\n\n',
    b'data: {"success":false}\n\n',
    b'data: {"detail":{"code":"no"}}\n\n',
    b'data: {"modelStreamErrorException":{"originalStatusCode":500}}\n\n',
    b'data: {"internalServerException":{"message":"no"}}\n\n',
    b'data: {"choices":[{"delta":{"content":""},"error_message":"provider died"}]}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"cancelled"}]}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"engine_overloaded"}]}\n\n',
    b"Internal Server Error\n\n",
    b"upstream connect error or disconnect/reset before headers: reset\n\n",
    b"ERROR\n\n",
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("before", [[], [ROLE], [ROLE, EVENT], [EVENT, EVENT, EVENT]])
@pytest.mark.parametrize("after", [[], [DONE], [EVENT, DONE]])
def test_an_error_in_a_200_stream_is_its_own_outcome(error, before, after):
    """Before, after or between contents, with or without [DONE], however it is written."""
    answer = whole(*before, error, *after)
    assert outcome_of(answer) == "error_in_stream"
    assert outcome_of(answer, cut=True) == "error_in_stream"


HARMLESS = [
    event({"content": "error"}),
    event({"content": '"error": {"code": 502}'}),
    event({"content": 'data: {"error":{}}\n\nevent: error\n'}),
    event({"content": '"finish_reason":"error"'}),
    event({"content": "x"}, error=None),
    b'data: {"error":null,"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n\n',
    b'data: {"error":false,"choices":[{"delta":{"content":"x"}}]}\n\n',
    b": error\n\n",
    b"event: message\n\n",
    b"data: ping\n\n",
    b'data: "keep-alive"\n\n',
    b'data: {"type":"ping"}\n\n',
    b'data: {"usage":{"completion_tokens":3}}\n\n',
    b'data: {"type":"message_start","message":{"role":"assistant"}}\n\n',
    b'data: {"choices":[],"base_resp":{"status_code":0,"status_msg":"success"}}\n\n',
    b'data: {"code":0,"message":"Success","choices":[{"delta":{"content":"x"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"x"},"error_code":0,"status":"ok"}]}\n\n',
    b"retry: 3000\nid: 4\n\n",
]


@pytest.mark.parametrize("harmless", HARMLESS)
def test_text_about_errors_is_no_error(harmless):
    """The word, its JSON inside a text, an error of null and a comment trip nothing."""
    assert outcome_of(whole(EVENT, harmless, EVENT, DONE)) == "success"


@pytest.mark.parametrize("error", [ERRORS[0], ERRORS[4], ERRORS[9]])
@given(data=st.data())
def test_an_error_is_found_wherever_the_stream_is_cut(error, data):
    """TCP keeps no borders: the event may come in any pieces, behind the short way too."""
    body = HEAD + chunk(ROLE + EVENT) + chunk(EVENT) + chunk(error) + chunk(DONE) + END
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    answer = Answer()
    for start, end in pairwise(sorted({0, len(body), *cuts})):
        answer.feed(body[start:end])
    assert outcome_of(answer) == "error_in_stream"


EMPTIES = [
    [DONE],
    [ROLE, DONE],
    [event({}), DONE],
    [event({"role": "assistant", "content": None}), FINISH % b"length", DONE],
    [event({"content": "", "reasoning_content": ""}), USAGE % 12, DONE],
    [event({"tool_calls": []}), DONE],
    [b': "content":"x"\n\n', DONE],
    [event({"content": []}), DONE],
    [event({"content": [{"type": "text", "text": ""}]}), DONE],
    [event({"content": [{"type": "text"}], "thinking_blocks": [], "audio": {"id": "a"}}), DONE],
    [event({"thinking": "", "reasoning_details": [{"type": "reasoning.text", "index": 0}]}), DONE],
    [b'data: {"choices":[],"content":[{"type":"text","text":"x"}]}\n\n', DONE],
    [b'data: {"choices":[{"delta":{"content":[{"text":"cut\n\n', DONE],
    [b"data: null\n\n", DONE],
]


def pretty(one: bytes, end: bytes = b"\n") -> bytes:
    """The same event as a server writes it that indents its JSON: a `data:` field each line."""
    lines = json.dumps(json.loads(one[5:]), indent=2).encode().split(b"\n")
    return b"".join(b"data: " + line + end for line in lines) + end


@pytest.mark.parametrize("events", EMPTIES)
def test_a_whole_stream_without_a_generated_delta_is_empty(events):
    """[DONE], roles, empty texts, comments and a usage are no token."""
    answer = whole(*events)
    assert not answer.content
    assert outcome_of(answer) == "empty_stream"
    assert outcome_of(answer, cut=True) == "broken"


DELTAS = [
    {"content": " "},
    {"reasoning_content": "so"},
    {"content": "", "reasoning": "so"},
    {"content": None, "refusal": "no"},
    {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": ""}}]},
    {"function_call": {"name": "f"}},
    {"thinking": "so"},
    {"content": [{"type": "text", "text": "so"}]},
    {"content": [{"type": "text", "text": ""}, {"type": "text", "text": "so"}]},
    {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}]},
    {"content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
    {"content": "", "thinking_blocks": [{"type": "thinking", "thinking": "so"}]},
    {"content": None, "reasoning_details": [{"type": "reasoning.text", "text": "so", "index": 0}]},
    {"audio": {"id": "a1", "data": "AAAA"}},
    {"reasoning": {"text": "so"}},
]


@pytest.mark.parametrize("delta", DELTAS)
def test_any_generated_delta_is_a_first_token(delta):
    """Text, reasoning, a refusal and a tool call are generated, in either spelling of JSON."""
    compact = (
        b"data:"
        + json.dumps({"choices": [{"delta": delta}]}, separators=(",", ":")).encode()
        + b"\r\n\r\n"
    )
    for one in (event(delta), compact):
        answer = Answer()
        answer.feed(HEAD + chunk(ROLE))
        assert not answer.content
        answer.feed(chunk(one))
        assert answer.content
        assert answer.moved_on()
        assert not answer.moved_on()
        answer.feed(chunk(DONE) + END)
        assert outcome_of(answer) == "success"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("delta", DELTAS)
def test_an_event_in_several_lines_says_what_it_says_in_one(delta, end):
    """It is over with the empty line after it, and then its delta has come."""
    answer = Answer()
    lines = pretty(event(delta), end)
    answer.feed(HEAD + chunk(pretty(ROLE, end)) + chunk(lines[: -len(end)]))
    assert not answer.content
    answer.feed(chunk(end))
    assert answer.content
    stop = pretty(event({}, finish_reason="length"), end)
    answer.feed(chunk(stop) + chunk(pretty(USAGE % 7, end)) + chunk(DONE) + END)
    assert outcome_of(answer) == "success"
    assert (answer.events.finish, answer.events.tokens) == (b"length", 7)


@pytest.mark.parametrize(
    "error",
    [
        {"detail": "upstream failed"},
        {"code": 502, "message": "bad gateway"},
        {"object": "server_error", "message": "no"},
        {"choices": [{"delta": {}, "finish_reason": "error"}]},
        {"choices": [{"delta": {"content": "x"}, "error": {"code": 502}}]},
    ],
)
@pytest.mark.parametrize("after", [[], [EVENT, DONE]])
def test_an_error_in_several_lines_is_one(error, after):
    """No line of it says so by itself."""
    lines = pretty(b"data: " + json.dumps(error).encode())
    assert outcome_of(whole(EVENT, lines, *after)) == "error_in_stream"


def test_several_lines_that_say_that_there_is_no_error_are_none():
    """An empty text as the error, in a line of its own."""
    fine = {"error": "", "choices": [{"index": 0, "delta": {"content": "x"}}]}
    assert outcome_of(whole(pretty(b"data: " + json.dumps(fine).encode()), DONE)) == "success"


def test_events_that_no_empty_line_parts_are_read_each_by_itself():
    """A line that never becomes whole swallows no event after it."""
    one, two = EVENT.rstrip(b"\n") + b"\n", event({"content": "x"}).rstrip(b"\n") + b"\n"
    answer = whole(b'data: {"cut":\n', one, two, one, DONE)
    assert outcome_of(answer) == "success"
    assert answer.events.text_bytes == len("ahoy") * 2 + 1


def test_what_is_held_of_an_event_is_bounded():
    """One that goes on and on is not kept whole, and the next event is read."""
    events = Events()
    events.take(b'data: {"a":[\n')
    for _ in range(100):
        events.take(b"data: " + b"1," * 2000 + b"\n")
    assert len(events.held) <= 2 * LINE_BYTES_MAX
    events.take(b"\n" + EVENT)
    assert events.generated
    assert not events.held


@given(data=st.data())
def test_an_event_in_several_lines_may_be_cut_anywhere(data):
    """TCP keeps no borders."""
    lines = pretty(b'data: {"detail":"upstream failed"}')
    body = HEAD + chunk(ROLE + EVENT) + chunk(lines) + chunk(EVENT) + chunk(DONE) + END
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    answer = Answer()
    for start, end in pairwise(sorted({0, len(body), *cuts})):
        answer.feed(body[start:end])
    assert outcome_of(answer) == "error_in_stream"


def test_the_text_of_parts_is_counted():
    """A list of parts is no shorter than the text in it, and the next one is passed over."""
    parts = [event({"content": [{"type": "text", "text": text}]}) for text in ("one", "two", "six")]
    answer = Answer()
    passed = [answer.feed(piece) for piece in (HEAD, *(chunk(one) for one in parts))]
    assert answer.events.text_bytes == len("onetwosix")
    assert passed[-1] is False


def test_a_plain_event_is_passed_over_and_its_text_counted():
    """The short way counts what the long way counts, quotes and escapes included."""
    texts = ["one", " two", 'say "x"', "a\\b", "line\n", "é", " end"]
    events = [event({"content": text}) for text in texts]
    short, long = Answer(), Answer()
    body = HEAD + b"".join(chunk(one) for one in (*events, DONE)) + END
    passed = [short.feed(piece) for piece in (HEAD, *(chunk(one) for one in events))]
    short.feed(chunk(DONE) + END)
    for octet in body:
        long.feed(bytes([octet]))
    assert passed.count(False) >= 2
    assert short.events.text_bytes == long.events.text_bytes
    assert short.events.text_bytes == sum(len(json.dumps(text)) - 2 for text in texts)


def test_a_heartbeat_does_not_pass_for_a_token():
    """An empty text between plain events is read the long way and moves nothing on."""
    answer = whole(EVENT)
    answer = Answer()
    answer.feed(HEAD + chunk(EVENT))
    assert answer.moved_on()
    assert answer.feed(chunk(EVENT.replace(b"ahoy", b"")))
    assert not answer.moved_on()
    assert not answer.feed(chunk(EVENT))


def test_a_line_without_end_is_bounded():
    """Of an endless line a bounded part is kept, and what follows it is read again."""
    events = Events()
    for _ in range(40):
        events.take(b"x" * 10_000)
    assert len(events.line) <= LINE_BYTES_MAX
    events.take(b"\n" + EVENT + DONE)
    assert events.generated
    assert events.done


@pytest.mark.parametrize(
    ("events", "tokens", "took_s", "short"),
    [
        ([event({"content": "x" * 400}), FINISH % b"length"], 100, 3.0, False),
        ([event({"content": "x" * 400}), FINISH % b"length"], 100, 0.5, True),  # too fast
        ([event({"content": " all"}), FINISH % b"length"], 100, 3.0, True),  # too little text
        ([event({"content": "x" * 100}), FINISH % b"length"], 100, 3.0, False),  # a byte a token
        ([event({"content": "x" * 400}), FINISH % b"stop"], 100, 3.0, True),
        ([event({"content": "x" * 400}), FINISH % b"stop", USAGE % 100], 100, 3.0, False),
        ([event({"content": "x" * 400}), FINISH % b"length", USAGE % 99], 100, 3.0, True),
        ([event({"content": "x"}), FINISH % b"length", USAGE % 100], 100, 3.0, False),  # hidden
        ([event({"content": "x" * 400})], 100, 3.0, False),  # says nothing of its end
        ([event({"content": "x" * 9}), event({}, finish_reason="stop")], 1, 3.0, True),
    ],
)
def test_a_shorter_stream_is_told_by_usage_finish_reason_text_and_time(
    events, tokens, took_s, short
):
    """Usage counts, then the finish reason, then a byte of text a token; and time, whatever."""
    answer = whole(*events, DONE)
    assert outcome_of(answer) == "success"
    assert is_short(answer.events, tokens, took_s, 4 * 33) is short


def canary(*events: bytes) -> Answer:
    answer = Answer(keep=True)
    answer.feed(HEAD)
    for one in events:
        answer.feed(chunk(one))
    answer.feed(END)
    return answer


OTHER = event({"content": " all"}).replace(b'"model":"m"', b'"model":"other"')


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (canary(event({"content": " all"}), DONE), "answered"),
        (canary(OTHER, DONE), "wrong_answer"),
        (canary(event({"content": " all"}), OTHER, DONE), "wrong_answer"),
        (canary(b'data: {"choices":[{"delta":{"content":"all"}}]}\n\n', DONE), "answered"),
        (canary(event({"content": " xyz"}), DONE), "wrong_answer"),
        (canary(event({"content": "a"}), event({"content": "ll"}), DONE), "answered"),
        (canary(event({"content": " all"}), b"data: {corrupt\n\n", DONE), "wrong_answer"),
        (canary(event({"content": " all"}), ERRORS[0], DONE), "error_in_stream"),
        (canary(b"data: null\n\n", event({"content": " all"}), DONE), "answered"),
        (canary(pretty(ROLE), pretty(event({"content": " all"})), DONE), "answered"),
        (canary(pretty(event({"content": " all"}), b"\r\n"), DONE), "answered"),
        (canary(pretty(OTHER), DONE), "wrong_answer"),
        (canary(pretty(event({"content": " xyz"})), DONE), "wrong_answer"),
        (canary(event({"content": " all"}).rstrip() + b"\n", OTHER, DONE), "wrong_answer"),
        (canary(event({"content": " all"}), b"data: [1]\n\n", DONE), "wrong_answer"),
        (canary(event({"content": [{"type": "text", "text": " all"}]}), DONE), "answered"),
        (canary(event({"thinking": "all"}), DONE), "answered"),
        (canary(ROLE, DONE), "empty_stream"),
        (canary(event({"content": " all"})), "broken"),
    ],
)
def test_a_canary_must_be_answered_rightly(answer, wanted):
    """Another model, another text, an error, no token and no end are no answers."""
    assert canary_outcome(answer, "m", "all") == wanted


HEALTHY = [
    b": ping\n\n",
    b"data:\n\n",
    b"data: {}\n\n",
    b"data: null\n\n",
    b"id: 7\nretry: 3000\n\n",
    b'event: ping\ndata: {"type":"ping"}\n\n',
    b'data: {"choices":[],"usage":{"completion_tokens":9}}\n\n',
    b'data: {"choices":[],"prompt_filter_results":[{"content_filter_results":{}}]}\n\n',
    b'data: {"type":"response.completed","response":{"error":null},"status":"completed"}\n\n',
    b'data: {"choices":[{"delta":{"content":"Internal Server Error"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"{\\"detail\\":\\"error"}}]}\n\n',
    b'data: {"choices":\ndata: [{"delta":{"content":"\\"error"\ndata: }}]}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"content_filter"}]}\n\n',
]


@pytest.mark.parametrize("event", HEALTHY)
def test_what_healthy_streams_carry_besides_text_is_no_error(event):
    """Comments, keep-alives, usage, filters, and text about errors."""
    assert outcome_of(whole(ROLE, EVENT, event, EVENT, DONE)) == "success"


def test_what_stands_before_a_delta_is_not_taken_from_an_earlier_event():
    """Events that are the same from their delta on may differ in what comes before it."""
    plain = b'data: {"choices":[{"finish_reason":null,"delta":{"role":"assistant"}}]}\n\n'
    stop = plain.replace(b"null", b'"stop"')
    usage = (
        b'data: {"usage":{"completion_tokens":2},"choices":[{"delta":{"role":"assistant"}}]}\n\n'
    )
    for _ in range(2):
        events = whole(plain, EVENT, stop, DONE).events
        assert (events.finish, is_short(events, 2, 9.0, 100.0)) == (b"stop", True)
        assert whole(plain, EVENT, usage, DONE).events.tokens == 2
