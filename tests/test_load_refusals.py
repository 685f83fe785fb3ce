"""The first refusals' own words: kept, few, on one line, without a secret; and shown."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from floor_fixtures import await_true, stand_in
from load_peers import REGION, traffic

from muster.load import LoadPlan, start
from muster.load.refusals import KINDS_MAX, STATUS_MAX, TEXT_MAX, Refusals
from muster.redact import keep
from muster.reports.refusals import Refusal, first_refusals
from muster.targets.request_form import RequestForm

TOKEN = "t0ken-0f-the-load"


def answer(status, body=b""):
    return SimpleNamespace(status=status, body=body)


def test_the_first_of_each_status_are_kept_and_told_once():
    """A flood of one status hides no other."""
    kept = Refusals()
    for _ in range(100):
        kept.ended("eu", answer(503, b"no capacity"))
    kept.ended("eu", answer(400, b"unknown model"))
    told = kept.take()
    assert [one["status"] for one in told] == [503] * STATUS_MAX + [400]
    assert kept.take() == []
    kept.ended("eu", answer(400, b"unknown model"))
    assert [one["said"] for one in kept.take()] == ["unknown model"]


def test_no_more_than_a_few_statuses_are_kept():
    """Memory is bounded, whatever answers."""
    kept = Refusals()
    for status in range(400, 500):
        kept.ended("eu", answer(status))
    assert len(kept.take()) == KINDS_MAX


@pytest.mark.parametrize("given", [None, answer(200, b"x"), answer(0), answer(302, b"x")])
def test_what_is_no_refusal_is_not_kept(given):
    """Nor what was no answer at all."""
    kept = Refusals()
    kept.ended("eu", given)
    assert kept.take() == []


def test_a_text_is_one_short_line_without_the_token():
    """Some platforms quote the token that they refuse."""
    keep(TOKEN)
    kept = Refusals()
    body = f'{{"error":\n "no\x1b[31m key {TOKEN}"}}'.encode() + b"\xff" + b"x" * 9999
    kept.ended("eu", answer(401, body))
    (one,) = kept.take()
    assert TOKEN not in one["said"]
    assert "***" in one["said"]
    assert one["said"].isprintable()
    assert len(one["said"]) == TEXT_MAX + 1


def record(path, *refused):
    lines = [{"schema": 1}, {"t": 1.0}, *({"t": 2.0, "refused": one} for one in refused)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def told(t, status, said="no"):
    return {"t": t, "status": status, "region": "eu", "said": said}


def test_the_records_of_all_shards_are_read_in_order(tmp_path):
    """At most three of a status, the oldest."""
    record(tmp_path / "load-0.jsonl", [told(5, 503), told(9, 503)], [told(10, 400, "")])
    record(tmp_path / "load-1.jsonl", [told(1, 503), told(7, 503)])
    found = first_refusals(tmp_path)
    assert [(one.t_s, one.status) for one in found] == [(1, 503), (5, 503), (7, 503), (10, 400)]
    assert str(found[-1]) == "HTTP 400 from eu: (no body)"


@pytest.mark.parametrize("line", [b'{"refused": 3}', b'{"refused": [3]}', b'{"refused": ', b"{}"])
def test_a_line_that_is_no_refusal_is_passed_over(tmp_path, line):
    """A report is drawn all the same."""
    (tmp_path / "load-0.jsonl").write_bytes(line + b"\n")
    assert first_refusals(tmp_path) == []
    assert first_refusals(tmp_path / "nowhere") == []


def test_what_a_shard_writes_is_what_a_report_reads(tmp_path):
    """Through the record itself."""
    kept = Refusals()
    kept.ended("eu", answer(429, b"slow down"))
    (tmp_path / "load-0.jsonl").write_text(json.dumps({"t": 1.0, "refused": kept.take()}))
    (one,) = first_refusals(tmp_path)
    assert one == Refusal(one.t_s, 429, "eu", "slow down")


def test_a_platform_that_quotes_what_it_was_sent_puts_no_secret_into_the_record(tmp_path):
    """Neither the token nor a secret header, in the bundle or in what is shown of it."""
    sent = {"X-Api-Key": "k3y-0f-a-tenant"}
    with stand_in(lambda call: (401, f"bad: {call.headers}")) as shown:
        plan = LoadPlan(
            url=f"{shown.url}/v1/chat/completions",
            profile=traffic(streams=10, canaries_per_s=10),
            token=TOKEN,
            canary_token=f"{TOKEN}-canary",
            form=RequestForm(headers={"X-Api-Key": sent["X-Api-Key"]}),
            regions_by_address={"127.0.0.1": REGION},
            shards=1,
            record_dir=tmp_path,
        )
        with start(plan):
            await_true(lambda: first_refusals(tmp_path), "a refusal in the record")
    assert TOKEN in shown.calls[0].headers["Authorization"]
    assert shown.calls[0].headers["X-Api-Key"] == sent["X-Api-Key"]
    text = "".join(path.read_text() for path in tmp_path.glob("load-*.jsonl"))
    assert "bad: {" in text
    assert TOKEN not in text
    assert sent["X-Api-Key"] not in text
