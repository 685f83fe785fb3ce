"""Prompts as long as the lines of a trace: sized in tokens, each with its number, in one text."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter

import pytest
import yaml
from drill_runner import TARGET
from load_peers import config, engine_of, peer, streaming, traffic, until

from muster.errors import BadInput
from muster.load.asked import asked_of
from muster.load.config import Endpoint
from muster.load.requests import _PROMPT, NUMBER_TOKENS, LongText, Requests
from muster.load.schedule import PoissonSource, Schedule
from muster.load.spent import FRAME_TOKENS
from muster.load.trace import TraceSource
from muster.targets import load_bytes
from muster.targets.request_form import RequestForm

ENDPOINT = Endpoint("http://127.0.0.1:9/v1")
FORM = RequestForm(prompts="trace", prompt_tokens_max=500)
CONTEXTS = (40, 0, 400, 9000)


def prompt_of(request: bytes) -> str:
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return json.loads(body)["messages"][0]["content"]


def words_of(prompt):
    return len(prompt.split()) - 1


@pytest.mark.parametrize("tokens", [1, 9, 10, 11, 34, 43, 44, 100, 499, 500])
def test_a_prompt_has_the_tokens_that_are_stated(tokens):
    """A word a token, beside the request's own number; whole words alone."""
    prompt = prompt_of(Requests(ENDPOINT, "t", "m", None, FORM).of(7, tokens))
    assert words_of(prompt) == max(1, tokens - NUMBER_TOKENS)
    assert re.fullmatch(r"[0-9a-f]{16}( [a-z]+)+", prompt)
    assert prompt.split()[1:] == LongText(500).of(500).decode().split()[: words_of(prompt)]


def test_a_prompt_is_never_longer_than_its_bound():
    """Neither what is sent, nor what is counted, nor what is held in memory."""
    requests = Requests(ENDPOINT, "t", "m", None, FORM)
    longest = prompt_of(requests.of(7, 10**9))
    assert words_of(longest) == 500 - NUMBER_TOKENS
    assert requests.tokens_in == 500 + FRAME_TOKENS
    text = LongText(500)
    assert len(text._text) < 2 * len(text.of(500))


def test_no_two_prompts_of_a_length_begin_alike():
    """So that no cache of prefixes has the answer."""
    requests = Requests(ENDPOINT, "t", "m", None, FORM)
    asked = [prompt_of(requests.of(7, 300)) for _ in range(500)]
    assert len({text.split()[0] for text in asked}) == 500
    assert len({text.partition(" ")[2] for text in asked}) == 1


def test_only_a_target_that_asks_for_it_sends_them():
    """Other prompts stay as they are, whatever the trace says."""
    for form in (None, RequestForm()):
        requests = Requests(ENDPOINT, "t", "m", None, form)
        assert prompt_of(requests.of(7, 400)).partition(" ")[2] == _PROMPT
    assert prompt_of(Requests(ENDPOINT, "t", "m", None, FORM).of(7)).partition(" ")[2] == _PROMPT


def test_tokens_and_fields_stand_in_a_long_request_too():
    """Each number of tokens its own."""
    requests = Requests(ENDPOINT, "t", "m", {"min_tokens": "{tokens}"}, FORM)
    for tokens in (7, 300, 7):
        body = json.loads(requests.of(tokens, 50).partition(b"\r\n\r\n")[2])
        assert (body["max_tokens"], body["min_tokens"]) == (tokens, tokens)


def trace_of(tmp_path, contexts=CONTEXTS):
    path = tmp_path / "trace.csv"
    rows = "".join(f"2023-11-16 18:00:{n:02},{one},{n + 7}\n" for n, one in enumerate(contexts))
    path.write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")
    return path


@pytest.mark.parametrize("shards", [1, 3])
def test_every_arrival_has_the_context_of_its_own_line(tmp_path, shards):
    """Whichever shard it falls to, and again in the next round; without a trace none is said."""
    found = {}
    for shard in range(shards):
        schedule = Schedule(
            traffic(), scale=1, seed=1, shard=shard, shards=shards,
            source=TraceSource(trace_of(tmp_path)),
        )  # fmt: skip
        for arrival in schedule:
            if arrival.number >= 12:
                break
            found[arrival.number] = (arrival.tokens, arrival.context)
    assert [found[n] for n in range(12)] == [(n + 7, one) for n, one in enumerate(CONTEXTS)] * 3
    arrivals = iter(Schedule(traffic(), scale=1, seed=1, source=PoissonSource(traffic(), 1)))
    assert {next(arrivals).context for _ in range(50)} == {0}


def test_an_engine_sends_prompts_of_the_traces_lengths(tmp_path):
    """Retries too: the same length again."""
    lengths: Counter[int] = Counter()

    async def body():
        async with peer(streaming) as one:
            given = config(one.port, form=FORM)
            engine = engine_of(given)
            engine.schedule = Schedule(
                given.traffic, scale=1, seed=1, source=TraceSource(trace_of(tmp_path))
            )
            engine._arrivals = iter(engine.schedule)
            engine._next = next(engine._arrivals)
            of = engine.requests.of

            def noted(tokens, context=0):
                request = of(tokens, context)
                lengths[words_of(prompt_of(request))] += 1
                return request

            engine.requests.of = noted
            engine.start()
            try:
                await until(lambda: sum(engine.tally.attempts.values()) >= 8)
            finally:
                engine.stop()

    asyncio.run(body())
    own = len(_PROMPT.split())
    assert set(lengths) == {40 - NUMBER_TOKENS, own, 400 - NUMBER_TOKENS, 500 - NUMBER_TOKENS}


def target_of(tmp_path, **load):
    data = yaml.safe_load(TARGET.read_text())
    data["load"] |= load
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data))
    return load_bytes(path.read_bytes(), path)


def test_the_estimate_knows_them(tmp_path):
    """The mean of the trace's lengths, none of them over the bound."""
    from muster.contract import load

    target = target_of(tmp_path, trace=str(trace_of(tmp_path)), form=FORM.model_dump())
    asked = asked_of(load().profiles["m1_1k"], 0.1, target.load)
    assert asked.tokens_in == FRAME_TOKENS + (40 + 0 + 400 + 500) / 4


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ({"form": {"prompts": "trace"}}, "load.form.prompts: got 'trace', expected load.trace"),
        ({"form": {"prompts": "trace", "prompt_tokens_max": 0}}, "load.form.prompt_tokens_max"),
        ({"form": {"prompt_tokens_max": 10**9}}, "load.form.prompt_tokens_max"),
    ],
)
def test_lengths_that_nothing_states_are_bad_input(tmp_path, load, said):
    """One line with the key; nothing is started."""
    with pytest.raises(BadInput) as wrong:
        target_of(tmp_path, **load)
    assert said in str(wrong.value)


@pytest.mark.parametrize("context", ["-1", "x", "99999999999"])
def test_a_trace_with_a_length_that_is_none_is_bad_input(tmp_path, context):
    """In the one line of the trace."""
    with pytest.raises(BadInput, match="line 3"):
        TraceSource(trace_of(tmp_path, (1, context)))
