"""The load's record: constant memory, whole seconds, and raw records that are a bounded sample."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from load_peers import config, engine_of, peer, plain, running, until

from muster.load.recorder import Recorder
from muster.load.tally import REGIONS_MAX, UNKNOWN, Tally


def attempt(number, **changes):
    given = {
        "number": number, "tries": 1, "tokens": 5, "region": "eu-west-1", "content": True,
        "first_token_s": 0.5, "connection": None, "short": False, **changes,
    }  # fmt: skip
    return SimpleNamespace(**given)


def raw_of(tmp_path, numbers, shard=0, **options):
    async def body():
        recorder = Recorder(tmp_path, shard, **options)
        for number in numbers:
            recorder.ended(attempt(number), "success", 1.0)
        recorder.close(engine_of(config(9)))

    asyncio.run(body())
    lines = (tmp_path / f"load-raw-{shard}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_no_raw_record_unless_asked_for(tmp_path):
    """By default there is the line a second and nothing else."""
    Recorder(tmp_path, 0).ended(attempt(1), "success", 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["load-0.jsonl"]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_the_sample_is_a_fair_share_and_the_same_in_parts(tmp_path, share):
    """Whole requests by their number: four shards sample what one would."""
    one = [line["number"] for line in raw_of(tmp_path / "one", range(20_000), raw_share=share)]
    assert len(one) == pytest.approx(20_000 * share, rel=0.02)
    four = []
    for shard in range(4):
        rows = raw_of(tmp_path / "four", range(shard, 20_000, 4), shard, raw_share=share)
        four += [line["number"] for line in rows]
    assert sorted(four) == one


def test_raw_records_end_at_their_bound_and_say_so(tmp_path):
    """Nothing over the size is written; the last line counts what was left out."""
    rows = raw_of(tmp_path, range(1000), raw_share=1, raw_bytes_max=10_000)
    assert (tmp_path / "load-raw-0.jsonl").stat().st_size < 10_100
    assert rows[-1] == {"left_out": 1000 - (len(rows) - 1)}
    assert len(rows) > 10


def test_a_raw_record_tells_every_attempt_of_a_request_and_no_secret(tmp_path):
    """A refusal and its retries stand under one number; no token is in any file."""

    async def body():
        async def refusing(writer, tokens, number):
            writer.write(plain(503))

        async with peer(refusing) as one:
            given = config(one.port, token="sk-very-secret")
            given = given.model_copy(
                update={"traffic": given.traffic.model_copy(update={"attempts_max": 2})}
            )
            recorder = Recorder(tmp_path, 0, 1.0)
            async with running(given) as engine:
                engine._on_ended = recorder.ended
                await until(lambda: one.requests > 40)
            recorder.close(engine)

    asyncio.run(body())
    text = (tmp_path / "load-raw-0.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    again = next(row for row in rows if row["tries"] == 2)
    first = next(row for row in rows if row["number"] == again["number"] and row["tries"] == 1)
    assert {first["outcome"], again["outcome"]} == {"http_5xx"}
    assert (first["status"], first["first_token_s"]) == (503, None)
    assert all("secret" not in path.read_text() for path in tmp_path.iterdir())


def test_what_answers_name_never_makes_memory_grow():
    """Regions beyond the bound are counted as unknown; known ones go on."""
    tally = Tally(["eu-west-1"], (1.0,), (1.0,))
    named = [tally.know(f"region-{number}") for number in range(1000)]
    assert len(tally.regions) == REGIONS_MAX
    assert named[0] == "region-0"
    assert named[-1] == UNKNOWN
    assert tally.know("region-0") == "region-0"
    # Declared ones are known however many there are.
    many = Tally((f"region-{number}" for number in range(100)), (1.0,), (1.0,))
    assert many.know("region-99") == "region-99"
    assert len(many.first_token) == 101


def test_the_record_stays_as_small_as_a_second(tmp_path):
    """After a line its counts are gone: a line's size does not grow with the run."""

    async def body():
        engine = engine_of(config(9))
        recorder = Recorder(tmp_path, 0)
        for second in range(50):
            for number in range(200):
                engine.tally.first_token_came(UNKNOWN, (second + number) / 100)
                engine.tally.completed(UNKNOWN, (second + number) / 10)
            recorder.second(engine)
        recorder.close(engine)

    asyncio.run(body())
    lines = (tmp_path / "load-0.jsonl").read_text().splitlines()[1:-1]
    assert len(lines) == 50
    assert max(map(len, lines)) < 1.5 * min(map(len, lines))


def test_what_was_due_at_the_end_stays_scheduled():
    """A load that could not start its arrivals says so after its end as well."""

    async def body():
        engine = engine_of(config(9))
        engine.start()
        engine.start_s -= 10.0
        engine.stop_arrivals()
        found = engine.scheduled(), engine.tally.offered
        engine.stop()
        assert (engine.scheduled(), engine.tally.offered) == found
        await asyncio.sleep(0)
        return found

    scheduled, offered = asyncio.run(body())
    assert scheduled - offered > 500
