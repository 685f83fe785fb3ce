"""What a drill costs: counted from what was sent, estimated before, and held to a budget."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from bundle_maker import make_bundle, small
from drill_runner import TARGET
from floor_fixtures import await_true
from held_clock import HeldClock
from load_peers import (
    DONE,
    END,
    EVENT,
    HEAD,
    REGION,
    ROLE,
    chunk,
    config,
    peer,
    plain,
    running,
    traffic,
    until,
)
from test_drill_watch import Scene
from test_small_loads import plan_at

from muster.cli.plan import plan_of
from muster.drill.finish import record_spent
from muster.drill.plan.cost import estimate, lines, over_budget
from muster.drill.plan.describe import describe
from muster.drill.plan.permit import permit
from muster.drill.sight.spending import Spending, spent_in
from muster.errors import BadInput
from muster.judge.verdict import judge
from muster.load import LoadPlan, start
from muster.load.spent import FRAME_TOKENS, Spent, last_spent, tokens_of
from muster.targets import load_bytes
from muster.targets.spending import Budget, Cost

COST = Cost(currency="USD", input_per_million=2.0, output_per_million=10.0)
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}\n\n'
ASKED = 10


def run(script, **changes):
    """The totals of a load whose every answer is `script`'s, once ten answers are over."""

    async def body():
        async with peer(script) as one:
            given = traffic(streams=5, tokens_quantiles=((0, ASKED), (1, ASKED)))
            async with running(config(one.port, traffic=given, **changes)) as engine:
                await until(lambda: sum(engine.tally.attempts.values()) >= 10)
            return engine, one.requests

    return asyncio.run(body())


def answers(*parts):
    async def script(writer, tokens, number):
        writer.write(b"".join(parts))

    return script


def ended(engine):
    return sum(engine.tally.attempts.values())


def test_usage_is_what_an_answer_cost():
    """Prompt and answer, as the platform counts them; what is open stays as asked for."""
    engine, sent = run(answers(HEAD, chunk(ROLE + EVENT + USAGE), chunk(DONE), END))
    spent, done = engine.spent, ended(engine)
    assert spent.requests == sent
    assert spent.guessed == sent - done
    prompt = engine.requests.tokens_in
    assert spent.tokens_in == 9 * done + prompt * (sent - done)
    assert spent.tokens_out == 4 * done + ASKED * (sent - done)


@pytest.mark.parametrize(
    "parts",
    [
        (HEAD, chunk(ROLE + EVENT), chunk(DONE), END),
        (HEAD, chunk(ROLE + EVENT + USAGE.replace(b'"prompt_tokens":9,', b"")), chunk(DONE), END),
    ],
)
def test_an_answer_without_usage_cost_what_it_asked_for(parts):
    """Nobody knows that it was less."""
    engine, sent = run(answers(*parts))
    spent = engine.spent
    assert spent.guessed == spent.requests == sent
    assert spent.tokens_out == ASKED * sent
    assert spent.tokens_in == engine.requests.tokens_in * sent


def test_a_refusal_generated_nothing():
    """Its prompt was sent all the same."""
    engine, sent = run(answers(plain(429)))
    done = ended(engine)
    assert engine.spent.tokens_out == ASKED * (sent - done)
    assert engine.spent.tokens_in == engine.requests.tokens_in * sent


def test_a_stream_that_was_cut_cost_what_it_asked_for():
    """Though it told a usage on the way: the platform may have gone on."""

    async def script(writer, tokens, number):
        writer.write(HEAD + chunk(ROLE + EVENT + USAGE))
        await writer.drain()
        writer.close()

    engine, sent = run(script)
    spent = engine.spent
    # One that was sent on a connection that had just closed counts as well.
    assert spent.guessed == spent.requests >= sent
    assert spent.tokens_out == ASKED * spent.requests


def test_canaries_cost_too():
    """Each asks for its own tokens."""

    async def body():
        async with peer() as one:
            given = config(
                one.port, canary_tokens=7, traffic=traffic(streams=0.0001, canaries_per_s=50)
            )
            async with running(given) as engine:
                await until(lambda: engine.tally.canaries[REGION, "answered"] > 5)
                return engine.spent.requests, engine.spent.tokens_out

    requests, tokens_out = asyncio.run(body())
    assert requests > 5
    assert tokens_out == 7 * requests


def test_what_was_never_sent_cost_nothing():
    """An attempt that found no address, and one that ends twice."""
    spent = Spent()
    spent.answered(SimpleNamespace(asked_in=0, asked_out=9), SimpleNamespace(status=500))
    spent.answered(SimpleNamespace(asked_in=5, asked_out=9), None)
    assert spent.line() == dict.fromkeys(("guessed", "requests", "tokens_in", "tokens_out"), 0)


def test_a_prompt_is_never_taken_for_nothing():
    """A token is taken for three bytes, and there is the request's own number."""
    assert tokens_of("") == FRAME_TOKENS
    assert tokens_of("a" * 300) == FRAME_TOKENS + 100
    assert tokens_of("aa") == FRAME_TOKENS + 1


def test_a_shard_writes_its_totals_and_a_drill_reads_them(tmp_path):
    """From a whole process; a price is in them where the target gives one."""

    async def body():
        async with peer(answers(HEAD, chunk(ROLE + EVENT + USAGE), chunk(DONE), END)) as one:
            plan = LoadPlan(
                url=f"http://127.0.0.1:{one.port}/v1/chat/completions",
                profile=traffic(streams=5, tokens_quantiles=((0, ASKED), (1, ASKED))),
                token="t",
                regions_by_address={"127.0.0.1": REGION},
                shards=1,
                record_dir=tmp_path,
            )
            handle = await asyncio.to_thread(start, plan)
            try:
                await asyncio.to_thread(
                    await_true,
                    lambda: (last_spent(tmp_path / "load-0.jsonl") or {}).get("requests", 0) > 5,
                    "totals in the record",
                )
            finally:
                await asyncio.to_thread(handle.stop)
            return one.requests

    sent = asyncio.run(body())
    spent = spent_in(tmp_path, 1)
    assert spent.requests == sent
    assert spent.tokens_out == 4 * (sent - spent.guessed) + ASKED * spent.guessed
    assert spent.money(COST) == pytest.approx(
        (2 * spent.tokens_in + 10 * spent.tokens_out) / 1e6, abs=1e-4
    )
    with pytest.raises(ValueError, match="1 of 2 records"):
        spent_in(tmp_path, 2)
    kept = []
    session = SimpleNamespace(
        bundle=tmp_path,
        target=SimpleNamespace(load=SimpleNamespace(cost=COST)),
        record=lambda event, **fields: kept.append((event, fields)),
    )
    record_spent(session)
    [(event, fields)] = kept
    assert event == "load_spent"
    assert (fields["requests"], fields["currency"]) == (sent, "USD")


def record(path, *, t=1.0, **totals):
    spent = {"guessed": 0, "requests": 1, "tokens_in": 0, "tokens_out": 0, **totals}
    with path.open("a") as file:
        file.write(json.dumps({"t": t, "spent": spent}) + "\n")


def spending(tmp_path, clock, shards=2, cost=COST, **budget):
    return Spending(
        Budget(**budget), cost, tmp_path, lambda: shards, unknown_s_max=10.0, clock=clock
    )


def test_a_budget_of_tokens_or_of_money_stops_the_drill(tmp_path):
    """At what all processes spent together, and not before."""
    clock = HeldClock()
    by_tokens = spending(tmp_path, clock, tokens_max=1000)
    by_money = spending(tmp_path, clock, money_max=0.01)
    for shard in (0, 1):
        record(tmp_path / f"load-{shard}.jsonl", tokens_in=100, tokens_out=399, guessed=3)
    assert by_tokens.look() is None
    assert by_money.look() is None
    record(tmp_path / "load-1.jsonl", tokens_in=100, tokens_out=401)
    reason = by_tokens.look()
    assert (reason.by, reason.verdict) == ("budget:tokens", "ABORTED")
    assert "200 tokens in, 800 out, 0.01 USD; 3 answers without usage" in reason.detail
    record(tmp_path / "load-0.jsonl", tokens_in=500_000, tokens_out=901)
    reason = by_money.look()
    assert (reason.by, reason.verdict) == ("budget:money", "ABORTED")
    assert "load.budget.money_max 0.01 USD" in reason.detail


@pytest.mark.parametrize("harm", ["stands", "torn", "gone", "none", "foreign"])
def test_a_load_whose_spending_is_unknown_is_stopped(tmp_path, harm):
    """Within the bound nothing is concluded; past it the drill stops, by its own name."""
    clock = HeldClock()
    held = spending(tmp_path, clock, tokens_max=10**9)
    first, second = tmp_path / "load-0.jsonl", tmp_path / "load-1.jsonl"
    if harm != "none":
        record(first)
        record(second)
        assert held.look() is None
    for _ in range(9):
        clock.advance(1.0)
        record(first)
        if harm == "torn":
            second.write_text("{torn\n")
        if harm == "gone":
            second.unlink(missing_ok=True)
        if harm == "foreign":
            second.write_text('{"t": 1.0, "spent": {"requests": 1}}\n')
        assert held.look() is None
    clock.advance(3.0)
    record(first)
    assert harm == "none" or held.look() is not None
    clock.advance(9.0)
    reason = held.look()
    assert (reason.by, reason.verdict) == ("budget:unknown", "ABORTED")
    assert "the spending of the load is unknown" in reason.detail


def test_a_load_that_does_not_run_spends_nothing(tmp_path):
    """Before its start and after its end nothing is looked for."""
    clock = HeldClock()
    held = spending(tmp_path, clock, shards=0, tokens_max=1)
    clock.advance(100.0)
    assert held.look() is None


def test_the_watch_stops_the_drill_though_no_samples_come(tmp_path):
    """The budget needs no Prometheus; once the load is let go it stops nothing."""
    scene = Scene()
    for shard in (0, 1):
        record(tmp_path / f"load-{shard}.jsonl", tokens_out=500)
    scene.watch.spending = spending(tmp_path, scene.clock, tokens_max=1000)
    scene.watch.release_load()
    assert scene.stopped_after_s(4) is None
    other = Scene()
    other.watch.spending = scene.watch.spending
    assert other.stopped_after_s(4) == 0
    assert other.stop.reason.by == "budget:tokens"


def document(tmp_path, **load):
    data = yaml.safe_load(TARGET.read_text())
    data["load"] |= load
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


PRICE = {"currency": "EUR", "input_per_million": 0.5, "output_per_million": 1.5}


def planned(tmp_path, scale=0.1, **load):
    return plan_of("drills/region_failover.json", (
        f"target={document(tmp_path, **load)}", f"scale={scale}",
    ))  # fmt: skip


def test_a_plan_says_what_the_drill_will_cost(tmp_path):
    """Requests, tokens in and out, and money where the target gives a price."""
    free = "\n".join(lines(planned(tmp_path)))
    assert "no price: the target has no load.cost" in free
    assert "budget" not in free
    plan = planned(tmp_path, cost=PRICE, budget={"tokens_max": 10**9, "money_max": 5000})
    found = estimate(plan)
    assert found.held_s == pytest.approx(16 * 60 / plan.time_scale)
    assert found.requests == pytest.approx(
        plan.profile.arrivals_per_s(0.1) * (found.held_s + found.assumed_s - 10), rel=0.01
    )
    assert found.tokens_out == pytest.approx(
        found.requests * plan.profile.mean_tokens + found.canaries, rel=1e-6
    )
    assert found.money == pytest.approx((0.5 * found.tokens_in + 1.5 * found.tokens_out) / 1e6)
    told = "\n".join(describe(plan).lines())
    assert f"about {found.money:,.2f} EUR (0.5 in and 1.5 out a million)" in told
    assert "budget: 1,000,000,000 tokens and 5,000.00 EUR; a drill that reaches it" in told
    assert "load.budget" not in told
    half = estimate(planned(tmp_path, scale=0.05, cost=PRICE))
    assert half.requests == pytest.approx(found.requests / 2, rel=0.05)


def test_a_longer_prompt_is_a_dearer_drill(tmp_path):
    """By the file that the target names."""
    file = tmp_path / "prompts.txt"
    file.write_text("a" * 3000 + "\n" + "b" * 9000 + "\n")
    plain_one, with_file = planned(tmp_path), planned(tmp_path, form={"prompts": str(file)})
    asked = estimate(with_file)
    assert asked.tokens_in == pytest.approx((asked.requests + asked.canaries) * (32 + 2000))
    assert asked.tokens_in > 10 * estimate(plain_one).tokens_in


@pytest.mark.parametrize(
    ("budget", "key"), [({"tokens_max": 1000}, "tokens_max"), ({"money_max": 0.5}, "money_max")]
)
def test_a_drill_that_would_cost_more_than_its_budget_is_refused(tmp_path, budget, key):
    """Before anything is locked or started, in one line with the estimate; plan says it too."""
    plan = planned(tmp_path, cost=PRICE, budget=budget)
    wrong = over_budget(plan)
    assert f"load.budget.{key}: got" in str(wrong)
    assert "expected at least the estimate" in str(wrong)
    with pytest.raises(BadInput, match=rf"load.budget.{key}"):
        permit(plan)
    assert f"REFUSED at present: {wrong}" in list(describe(plan).lines())
    large = {name: 10**12 for name in budget}
    assert over_budget(planned(tmp_path, cost=PRICE, budget=large)) is None
    assert over_budget(plan_at(1.0)) is None


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ({"budget": {}}, "load.budget: got"),
        ({"budget": {"tokens_max": 0}}, "load.budget.tokens_max"),
        ({"budget": {"money_max": 5}}, "load.budget.money_max: got 5.0, expected load.cost"),
        ({"budget": {"tokens": 5}}, "load.budget.tokens"),
        ({"cost": {**PRICE, "currency": "$"}}, "load.cost.currency"),
        ({"cost": {**PRICE, "input_per_million": -1}}, "load.cost.input_per_million"),
        ({"cost": {"currency": "USD"}}, "load.cost.input_per_million"),
    ],
)
def test_a_budget_that_bounds_nothing_is_bad_input(tmp_path, load, said):
    """One line with the key; nothing is started."""
    path = document(tmp_path, **load)
    with pytest.raises(BadInput) as wrong:
        load_bytes(path.read_bytes(), path)
    assert said in str(wrong.value)


def test_the_verdict_says_what_the_drill_cost_and_what_stopped_it(tmp_path):
    """ABORTED by the budget's name; a bundle of before says nothing of it."""
    spent = {"requests": 9, "tokens_in": 8, "tokens_out": 7, "guessed": 1}
    line = {"event": "load_spent", **spent, "money": 1.25, "currency": "USD"}
    story = small()
    at = story.end_s - 1
    stopped = {"by": "budget:money", "verdict": "ABORTED", "detail": "", "t_trip": at}
    told = judge(
        make_bundle(tmp_path / "a", replace(story, extra=({**line, "t": at},), stopped=stopped))
    )
    assert (told.verdict, told.stopped_by) == ("ABORTED", "budget:money")
    assert told.document["load"]["spent"] == {**spent, "money": 1.25, "currency": "USD"}
    assert "spent" not in judge(make_bundle(tmp_path / "b")).document["load"]
