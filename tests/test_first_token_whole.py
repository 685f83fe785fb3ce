"""Which delta is the first token, over a whole shard: its process, its record, its metrics."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import httpx
import pytest
from floor_fixtures import await_true
from load_peers import DONE, END, HEAD, REGION, ROLE, chunk, peer, traffic

from muster.load import LoadPlan, start
from muster.targets.request_form import RequestForm


def event(delta):
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


REASONING = event({"reasoning_content": "hm"})
CONTENT = event({"content": "ahoy"})
TOOL = event({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]})
LATER_S = 0.3
"""Between the first delta and the second: far more than the load's own beat."""


class Answers:
    """A peer whose streams bring `first`, and `then` a while later."""

    def __init__(self, first, then):
        self.first, self.then = first, then

    async def __call__(self, writer, tokens, number):
        writer.write(HEAD + chunk(ROLE + self.first))
        await writer.drain()
        await asyncio.sleep(LATER_S)
        if self.then:
            writer.write(chunk(self.then))
        writer.write(chunk(DONE) + END)


def recorded(path):
    """Outcomes, and the first tokens in milliseconds, of a shard's record."""
    outcomes, first = Counter(), Counter()
    for text in path.read_text().splitlines():
        line = json.loads(text)
        for counts in line.get("outcomes", {}).values():
            outcomes.update(counts)
        for counts in line.get("first_token_ms", {}).values():
            first.update({int(index): count for index, count in counts.items()})
    return outcomes, first


def whole(tmp_path, choice, first, then):
    """A shard of its own against such a peer: outcomes, and first tokens sooner than the second
    delta, of all."""

    async def body():
        async with peer(Answers(first, then)) as one:
            plan = LoadPlan(
                url=f"http://127.0.0.1:{one.port}/v1/chat/completions",
                profile=traffic(streams=10, first_token_s_mean=0.1),
                token="t",
                form=RequestForm(first_token=choice),
                regions_by_address={"127.0.0.1": REGION},
                shards=1,
                record_dir=tmp_path,
            )
            handle = await asyncio.to_thread(start, plan)
            record = tmp_path / "load-0.jsonl"
            try:
                await asyncio.to_thread(
                    await_true, lambda: sum(recorded(record)[0].values()) >= 10, "ten outcomes"
                )
                async with httpx.AsyncClient() as client:
                    page = (await client.get(f"http://{handle.metrics[0]}/metrics")).text
            finally:
                await asyncio.to_thread(handle.stop)
            return recorded(record), page

    return asyncio.run(body())


def sooner(page, le):
    """(first tokens within `le` seconds, all of them) by the shard's own metrics."""
    name = "muster_load_first_token_seconds"
    lines = [line for line in page.splitlines() if f'region="{REGION}"' in line]
    within = [line for line in lines if line.startswith(f"{name}_bucket") and f'le="{le}"' in line]
    total = [line for line in lines if line.startswith(f"{name}_count")]
    return tuple(int(float(found.rpartition(" ")[2])) for (found,) in (within, total))


@pytest.mark.parametrize(
    ("choice", "first", "then", "second_delta"),
    [
        ("any", REASONING, CONTENT, False),
        ("content", REASONING, CONTENT, True),
        ("reasoning", CONTENT, REASONING, True),
        ("reasoning", REASONING, CONTENT, False),
        ("tool_call", CONTENT, TOOL, True),
        ("tool_call", TOOL, CONTENT, False),
    ],
)
def test_the_delta_that_the_target_names_is_the_first_token(
    tmp_path, choice, first, then, second_delta
):
    """In the record and in the metrics: no stream's first token comes before it."""
    (outcomes, first_ms), page = whole(tmp_path, choice, first, then)
    assert set(outcomes) == {"success"}
    assert sum(first_ms.values()) >= 10
    within, total = sooner(page, "0.2")
    assert total >= 10
    if second_delta:
        assert within == 0
    else:
        assert within > 0


@pytest.mark.parametrize(
    ("choice", "first"), [("content", REASONING), ("reasoning", CONTENT), ("tool_call", CONTENT)]
)
def test_a_stream_without_such_a_delta_is_empty(tmp_path, choice, first):
    """However many others it has; it has no first token."""
    (outcomes, first_ms), page = whole(tmp_path, choice, first, b"")
    assert set(outcomes) == {"empty_stream"}
    assert not first_ms
    assert sooner(page, "0.2") == (0, 0)
