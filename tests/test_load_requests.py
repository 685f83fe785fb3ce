"""The requests that the load sends: its own fields, and those that a target wants besides."""

from __future__ import annotations

import asyncio
import json

import pytest
from load_peers import config, peer, running, traffic, until

from muster.documents import parse
from muster.errors import BadInput
from muster.load.attempt import outcome_of
from muster.load.config import Endpoint
from muster.load.requests import Requests
from muster.load.wire import Answer
from muster.targets.request_form import RequestForm

ENDPOINT = Endpoint("http://127.0.0.1:9/v1")
OWN = {"model", "messages", "stream", "max_tokens"}


def body_of(request: bytes) -> dict:
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return json.loads(body)


def test_a_target_without_fields_of_its_own_gets_the_loads_alone():
    """A strict platform refuses what it does not know."""
    sent = body_of(Requests(ENDPOINT, "t", "m").of(7))
    assert set(sent) == OWN
    assert (sent["model"], sent["stream"], sent["max_tokens"]) == ("m", True, 7)


def test_fields_of_the_target_stand_beside_the_loads():
    """The tokens asked for stand where it wants them, as a number, request by request."""
    extra = {"ignore_eos": True, "min_tokens": "{tokens}", "nvext": {"list": [1, "{tokens}", "x"]}}
    requests = Requests(ENDPOINT, "t", "m", extra)
    for tokens in (7, 300):
        sent = body_of(requests.of(tokens))
        assert set(sent) == OWN | set(extra)
        assert sent["ignore_eos"] is True
        assert (sent["min_tokens"], sent["nvext"]) == (tokens, {"list": [1, tokens, "x"]})


def test_the_loads_own_fields_win():
    """What is measured rests on them."""
    sent = body_of(Requests(ENDPOINT, "t", "m", {"stream": False, "max_tokens": 1}).of(7))
    assert (sent["stream"], sent["max_tokens"]) == (True, 7)


def test_canaries_carry_them_too():
    """Or a canary would be asked of another platform than the streams are."""

    async def body():
        async with peer() as one:
            given = config(
                one.port,
                body={"min_tokens": "{tokens}"},
                canary_tokens=3,
                traffic=traffic(streams=0.01, canaries_per_s=50),
            )
            async with running(given) as engine:
                await until(lambda: engine.tally.canaries)
                return body_of(engine.canary_requests.of(3)), body_of(engine.requests.of(9))

    canary, stream = asyncio.run(body())
    assert (canary["max_tokens"], canary["min_tokens"]) == (3, 3)
    assert (stream["max_tokens"], stream["min_tokens"]) == (9, 9)


def form(**keys):
    return parse(RequestForm, keys, "t.yaml")


def head_of(request):
    return request.partition(b"\r\n\r\n")[0].decode().split("\r\n")


def prompt_of(request):
    return body_of(request)["messages"][0]["content"]


def test_no_two_requests_are_alike_and_no_two_runs():
    """From their first words on, so that no cache of prefixes has the answer either."""
    one, other = Requests(ENDPOINT, "t", "m"), Requests(ENDPOINT, "t", "m")
    asked = [prompt_of(requests.of(7)) for requests in (one, other) for _ in range(500)]
    assert len({text.split()[0] for text in asked}) == 1000
    assert len({len(text) for text in asked}) == 1
    assert len({text.partition(" ")[2] for text in asked}) == 1


def test_prompts_of_a_file_are_asked_in_turn(tmp_path):
    """Each with its number; empty lines are none."""
    file = tmp_path / "prompts.txt"
    file.write_text('What is "dark"?\n\nWas ist eine Übung?\n', encoding="utf-8")
    requests = Requests(ENDPOINT, "t", "m", None, form(prompts=str(file)))
    asked = [prompt_of(requests.of(7)).partition(" ")[2] for _ in range(4)]
    assert asked == ['What is "dark"?', "Was ist eine Übung?"] * 2


@pytest.mark.parametrize("raw", [None, b"", b"\n \n", b"\xff\xfe"])
def test_a_file_of_prompts_that_holds_none_is_bad_input(tmp_path, raw):
    """One line that names the file."""
    file = tmp_path / "prompts.txt"
    if raw is not None:
        file.write_bytes(raw)
    with pytest.raises(BadInput, match=r"form.prompts: got .*prompts.txt"):
        Requests(ENDPOINT, "t", "m", None, form(prompts=str(file)))


def test_a_token_goes_where_the_platform_wants_it():
    """As a bearer token, or bare in another header; further headers stand beside it."""
    plain = head_of(Requests(ENDPOINT, "t0", "m").of(7))
    assert "Authorization: Bearer t0" in plain
    asked = form(token_header="api-key", headers={"X-Team": "chat"})
    given = head_of(Requests(ENDPOINT, "t0", "m", None, asked).of(7))
    assert "api-key: t0" in given
    assert "X-Team: chat" in given
    assert not any(line.startswith("Authorization") for line in given)


def test_the_bound_of_tokens_stands_in_the_field_that_the_platform_reads():
    """Newer models refuse max_tokens."""
    sent = body_of(
        Requests(ENDPOINT, "t", "m", None, form(tokens_field="max_completion_tokens")).of(7)
    )
    assert sent["max_completion_tokens"] == 7
    assert "max_tokens" not in sent


def test_a_query_of_the_public_url_is_sent():
    """Azure OpenAI wants its api-version there."""
    endpoint = Endpoint("http://h/openai/deployments/d/chat/completions?api-version=2024-06-01")
    first = head_of(Requests(endpoint, "t", "m").of(7))[0]
    assert first == ("POST /openai/deployments/d/chat/completions?api-version=2024-06-01 HTTP/1.1")


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"headers": {"Content-Type": "x"}}, "headers"),
        ({"headers": {"X A": "x"}}, "headers"),
        ({"headers": {"X-A": "x\r\nX-B: y"}}, "headers"),
        ({"token_header": "api key"}, "token_header"),
        ({"token_header": "X: y\r\nA"}, "token_header"),
        ({"tokens_field": "n"}, "tokens_field"),
        ({"first_token": "text"}, "first_token"),
        ({"promts": "f"}, "promts"),
    ],
)
def test_settings_that_cannot_be_are_one_line(keys, key):
    """With the key."""
    with pytest.raises(BadInput) as raised:
        form(**keys)
    assert raised.value.key == key
    assert "\n" not in str(raised.value)


def answered(*events, ends=True):
    """An answer whose stream carried these lines."""
    body = "".join(f"data: {line}\n\n" for line in events).encode()
    answer = Answer()
    answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) + (not ends)) + body)
    return answer


def delta(**fields):
    return json.dumps({"choices": [{"index": 0, "delta": fields, "finish_reason": None}]})


STOP = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
TOOL = [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.parametrize(
    ("demanded", "events", "outcome"),
    [
        (True, [delta(content="a"), STOP, "[DONE]"], "success"),
        (True, [delta(content="a"), STOP], "broken"),
        (False, [delta(content="a"), STOP], "success"),
        (False, [delta(content="a")], "broken"),
        (False, [STOP], "empty_stream"),
        (False, [delta(content="a"), STOP, '{"error": {"code": 502}}'], "error_in_stream"),
    ],
)
def test_done_is_demanded_unless_the_target_says_otherwise(demanded, events, outcome):
    """Without it the finish_reason alone shows that a stream is whole."""
    assert outcome_of(answered(*events), form(done_demanded=demanded)) == outcome


def test_a_stream_that_was_cut_is_broken_whatever_ended_it():
    """A finish_reason makes no whole message of one that lost its end."""
    answer = answered(delta(content="a"), STOP, ends=False)
    assert outcome_of(answer, form(done_demanded=False), cut=True) == "broken"


@pytest.mark.parametrize(
    ("kind", "fields", "counts"),
    [
        ("any", {"content": "a"}, True),
        ("any", {"reasoning_content": "a"}, True),
        ("any", {"tool_calls": TOOL}, True),
        ("content", {"content": "a"}, True),
        ("content", {"content": ""}, False),
        ("content", {"reasoning_content": "a"}, False),
        ("content", {"tool_calls": TOOL}, False),
        ("content", {"reasoning_content": '"content": "a"'}, False),
        ("content", {"content": [{"type": "text", "text": "a"}]}, True),
        ("reasoning", {"reasoning": "a"}, True),
        ("reasoning", {"thinking_blocks": [{"type": "thinking", "thinking": "a"}]}, True),
        ("reasoning", {"content": "a"}, False),
        ("tool_call", {"tool_calls": TOOL}, True),
        ("tool_call", {"content": "a"}, False),
    ],
)
def test_the_first_token_is_the_delta_that_the_target_names(kind, fields, counts):
    """A stream without one carries nothing of what was asked for."""
    answer = answered(delta(role="assistant", content=""), delta(**fields), STOP, "[DONE]")
    assert answer.events.carried(kind) is counts
    expected = "success" if counts else "empty_stream"
    assert outcome_of(answer, form(first_token=kind)) == expected


def test_content_after_long_reasoning_is_seen():
    """Events like the ones before are passed over quickly, others never."""
    events = [delta(reasoning_content=f"word {n}") for n in range(50)]
    answer = answered(*events)
    assert not answer.events.carried("content")
    answer = answered(*events, delta(content="a"), STOP, "[DONE]")
    assert answer.events.carried("content")
    assert outcome_of(answer, form(first_token="content")) == "success"
