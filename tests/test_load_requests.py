"""The requests that the load sends: its own fields, and those that a target wants besides."""

from __future__ import annotations

import asyncio
import json

from load_peers import config, peer, running, traffic, until

from muster.load.config import Endpoint
from muster.load.requests import Requests

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
                return body_of(engine.canary_request), body_of(engine.requests.of(9))

    canary, stream = asyncio.run(body())
    assert (canary["max_tokens"], canary["min_tokens"]) == (3, 3)
    assert (stream["max_tokens"], stream["min_tokens"]) == (9, 9)
